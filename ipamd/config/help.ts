/** `ipamd --help`, from the table of settings. */
import { UNUSED_PEER_SETTINGS } from './notes.ts';
import type { PeerSetting } from './peer-settings.data.ts';
import { OPTIONS, type Option } from './options.data.ts';

const GROUPS: Readonly<Record<Option['group'], string>> = {
  pool: 'The warm pool',
  interfaces: 'Network interfaces',
  datapath: 'The datapath',
  kubernetes: 'Kubernetes',
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
        ...(option.differs === undefined ? [] : [`      Not as amazon-vpc-cni-k8s: ${option.differs}`]),
      );
    }
  }
  lines.push('', 'Settings of amazon-vpc-cni-k8s that are known and not acted upon');
  for (const setting of UNUSED_PEER_SETTINGS)
    lines.push(`  ${setting.env}  ${accepted(setting)}`, `      ${sentenceCase(setting.reason)}`);
  lines.push(
    '',
    'AWS_ENDPOINT_URL_EC2 and AWS_EC2_METADATA_SERVICE_ENDPOINT point it at another EC2 API and another metadata service.',
  );
  return `${lines.join('\n')}\n`;
}

/** Which values of a setting that is not acted upon are let through. */
export function accepted(setting: PeerSetting): string {
  if (setting.kind === 'without-effect') return 'any value';
  return setting.values.length === 0 ? 'must be left out' : `${setting.values.join('|')} only`;
}

export function sentenceCase(reason: string): string {
  return reason.charAt(0).toUpperCase() + reason.slice(1);
}

/** What a setting may be, in words. */
export function allowed({ type }: Option): string {
  switch (type.kind) {
    case 'integer':
      return type.radix === 'any'
        ? `0x${type.min.toString(16)}..0x${type.max.toString(16)}`
        : `${type.min}..${type.max}`;
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
