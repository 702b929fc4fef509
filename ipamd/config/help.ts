/** `ipamd --help`, from the table of settings. */
import { OPTIONS, type Option } from './options.data.ts';

const GROUPS: Readonly<Record<Option['group'], string>> = {
  pool: 'The warm pool',
  interfaces: 'Network interfaces',
  datapath: 'The datapath',
  operation: 'Operation',
};

export function helpText(): string {
  const lines = [
    'ipamd: keeps a warm pool of VPC addresses and gives them to pods. Settings come from the environment.',
  ];
  for (const [group, title] of Object.entries(GROUPS)) {
    lines.push('', title);
    for (const option of (Object.values(OPTIONS) as Option[]).filter((each) => each.group === group)) {
      lines.push(
        `  ${option.env}=${option.default === '' ? '(not set)' : option.default}  ${allowed(option)}`,
        `      ${option.doc}`,
      );
    }
  }
  lines.push(
    '',
    'AWS_ENDPOINT_URL_EC2 and AWS_EC2_METADATA_SERVICE_ENDPOINT point it at another EC2 API and another metadata service.',
  );
  return `${lines.join('\n')}\n`;
}

/** What a setting may be, in words. */
export function allowed({ type }: Option): string {
  switch (type.kind) {
    case 'integer':
      return `${type.min}..${type.max}`;
    case 'boolean':
      return 'true|false';
    case 'choice':
      return type.values.join('|');
    case 'cidrs':
      return 'CIDR,CIDR,...';
    case 'tags':
      return 'JSON object';
    case 'text':
      return type.allowed;
    default:
      return type satisfies never;
  }
}
