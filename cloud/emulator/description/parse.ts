/** What a cloud is to be, out of YAML (or JSON, which is YAML, too). */
import { parse, YAMLParseError } from 'yaml';
import type { NodeDescription, SecurityGroupDescription, SubnetDescription, VpcDescription } from '../api/contract.ts';
import { ACTION_CLASSES } from '../ec2/actions.data.ts';
import type { ScriptedFault } from '../faults.ts';
import { parseFault } from '../faults.ts';
import { parseSettings } from '../settings.ts';
import type { SwitchSettings } from '../switches.ts';
import { DescriptionError, Fields } from './fields.ts';

export { DescriptionError } from './fields.ts';

/** A description that was checked as far as can be without running it. */
export interface ParsedDescription {
  readonly region: string | undefined;
  readonly seed: number | undefined;
  readonly vpcs: readonly VpcDescription[];
  readonly switches: Partial<SwitchSettings>;
  readonly faults: readonly ScriptedFault[];
}

const SWITCHES = ['latency', 'throttling', 'staleReadsMs', 'metadataLagMs', 'credentials'] as const;
const ACTIONS: ReadonlySet<string> = new Set(Object.keys(ACTION_CLASSES));

/** Throws `DescriptionError`, for YAML that is none with its line. */
export function parseYaml(text: string): ParsedDescription {
  try {
    return parseDescription(parse(text) ?? {});
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new DescriptionError(error.message.split('\n', 1)[0] ?? error.message);
  }
}

/** The same of a value that YAML could have. Throws `DescriptionError`. */
export function parseDescription(value: unknown): ParsedDescription {
  const fields = new Fields(value, '', ['region', 'seed', 'vpcs', 'faults', ...SWITCHES]);
  const seed = fields.raw('seed');
  if (seed !== undefined && !(typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0)) {
    throw fields.wrong('seed', 'a whole number');
  }
  const region = fields.has('region') ? fields.text('region') : undefined;
  if (region !== undefined && !/^[a-z]{2,}(-[a-z0-9]+)+$/.test(region))
    throw fields.wrong('region', 'a name such as us-east-1');
  const vpcs = fields.list('vpcs').map((item) => parseVpc(item.value, item.path));
  refuseTwice('vpcs', vpcs);
  for (const kind of ['subnets', 'nodes'] as const) {
    refuseTwice(
      `${kind} of all VPCs`,
      vpcs.flatMap((vpc): readonly { readonly name: string }[] => vpc[kind] ?? []),
    );
  }
  const given = SWITCHES.filter((key) => fields.raw(key) !== undefined);
  return {
    region,
    seed,
    vpcs,
    switches: rephrased('', () => parseSettings(Object.fromEntries(given.map((key) => [key, fields.raw(key)])))),
    faults: fields.list('faults').map((item) => rephrased(`${item.path}: `, () => parseFault(item.value, ACTIONS))),
  };
}

function rephrased<T>(prefix: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new DescriptionError(prefix + (error instanceof Error ? error.message : String(error)));
  }
}

function parseVpc(value: unknown, path: string): VpcDescription {
  const known = ['name', 'cidr', 'additionalCidrs', 'ipv6', 'tags', 'subnets', 'securityGroups', 'nodes'];
  const fields = new Fields(value, path, known);
  const subnets = fields.list('subnets').map((item) => parseSubnet(item.value, item.path));
  const securityGroups = fields.list('securityGroups').map((item) => parseGroup(item.value, item.path));
  refuseTwice(`${path}.securityGroups`, securityGroups);
  const places = { subnets: namesOf(subnets), groups: [...namesOf(securityGroups), 'default'] };
  return {
    name: fields.name('name'),
    cidr: fields.text('cidr'),
    additionalCidrs: fields.texts('additionalCidrs'),
    ipv6: fields.flag('ipv6'),
    tags: fields.tags('tags'),
    subnets,
    securityGroups,
    nodes: fields.list('nodes').map((item) => parseNode(item.value, item.path, places)),
  };
}

function parseSubnet(value: unknown, path: string): SubnetDescription {
  const fields = new Fields(value, path, ['name', 'cidr', 'zone', 'ipv6', 'tags', 'reservations']);
  return {
    name: fields.name('name'),
    cidr: fields.text('cidr'),
    ...(fields.has('zone') && { zone: fields.text('zone') }),
    ipv6: fields.flag('ipv6'),
    tags: fields.tags('tags'),
    reservations: fields.list('reservations').map((item) => {
      const reservation = new Fields(item.value, item.path, ['cidr', 'type']);
      return { cidr: reservation.text('cidr'), type: reservation.oneOf('type', ['prefix', 'explicit']) };
    }),
  };
}

function parseGroup(value: unknown, path: string): SecurityGroupDescription {
  const fields = new Fields(value, path, ['name', 'tags']);
  return { name: fields.name('name'), tags: fields.tags('tags') };
}

function parseNode(
  value: unknown,
  path: string,
  places: { readonly subnets: readonly string[]; readonly groups: readonly string[] },
): NodeDescription {
  const fields = new Fields(value, path, ['name', 'subnet', 'instanceType', 'ipv6', 'securityGroups', 'tags']);
  const securityGroups = fields.texts('securityGroups');
  const unknown = securityGroups.find((group) => !places.groups.includes(group));
  if (unknown !== undefined) {
    throw new DescriptionError(`${path}.securityGroups names ${unknown}; the VPC has ${places.groups.join(', ')}`);
  }
  return {
    name: fields.name('name'),
    subnet: fields.oneOf('subnet', places.subnets),
    instanceType: fields.text('instanceType'),
    ipv6: fields.flag('ipv6'),
    securityGroups,
    tags: fields.tags('tags'),
  };
}

function namesOf(list: readonly { readonly name: string }[]): readonly string[] {
  return list.map(({ name }) => name);
}

function refuseTwice(where: string, list: readonly { readonly name: string }[]): void {
  const twice = list.find(({ name }, index) => list.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined) throw new DescriptionError(`${where}: the name ${twice.name} is given twice`);
}
