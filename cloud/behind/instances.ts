/** Instances are the other EC2's, their interfaces are ours: RunInstances, DescribeInstances, TerminateInstances. */
import type { Instance } from '@aws-sdk/client-ec2';
import { encodeMembers } from '../emulator/ec2/encode.ts';
import type { InputOf } from '../emulator/ec2-actions.ts';
import { Ec2Error } from '../emulator/ec2-error.ts';
import { isDescribed } from '../emulator/vpc/instances.ts';
import type { Front } from './front.ts';
import { named } from './front.ts';
import { keepEntries, listed, valueOf, without } from './parameters.ts';
import type { Parameters, UpstreamAnswer } from './upstream.ts';
import { documentOf } from './upstream.ts';
import type { Element } from './xml.ts';
import { DECLARATION, itemsOf, mapItems, replaceMembers, textOf, writeXml } from './xml.ts';

/** What of an instance is about its interfaces; the rest is as the other EC2 says. */
const NETWORK = {
  SubnetId: 'subnetId',
  VpcId: 'vpcId',
  SecurityGroups: 'groupSet',
  SourceDestCheck: 'sourceDestCheck',
  NetworkInterfaces: 'networkInterfaceSet',
  PrivateIpAddress: 'privateIpAddress',
  PrivateDnsName: 'privateDnsName',
  Ipv6Address: 'ipv6Address',
} as const satisfies Partial<Record<keyof Instance, string>>;
const NETWORK_ELEMENTS: ReadonlySet<string> = new Set(Object.values(NETWORK));

/** Parameters of RunInstances that are about interfaces: ours. */
const NETWORK_PARAMETERS = [
  'NetworkInterface',
  'SubnetId',
  'SecurityGroupId',
  'SecurityGroup',
  'PrivateIpAddress',
  'Ipv6Address',
  'Ipv6AddressCount',
  'MinCount',
  'MaxCount',
];

type Run = InputOf<'RunInstances'>;

/** Our rules, then the other EC2's, then what both made of it. Throws `Ec2Error`; nothing is held then. */
export async function runInstances(front: Front, input: Run, parameters: Parameters): Promise<UpstreamAnswer> {
  await front.learnType(input.InstanceType ?? 'm1.small');
  const request = withSubnet(front, input);
  const planned = front.region.preview('RunInstances', request);
  const before = input.ClientToken === undefined ? undefined : front.launches.get(input.ClientToken);
  if (planned.state === front.region.state && before !== undefined) return document(before);
  const [first] = planned.output.Instances ?? [];
  const count = planned.output.Instances?.length ?? 0;
  const answer = await front.upstream.send([...forwarded(parameters), ...primaryOf(first, count)], front.signer);
  if (answer.status !== 200) return answer;
  const root = documentOf(answer);
  const ids = itemsOf(root, 'instancesSet').flatMap((item) => textOf(item, 'instanceId') ?? []);
  // The request itself comes to the same number: nothing has happened in between.
  const exact = ids.length === count ? request : { ...request, MinCount: ids.length, MaxCount: ids.length };
  front.region.executeAs('RunInstances', exact, named(ids, textOf(root, 'reservationId') ?? ''));
  const body = merged(front, root, 'instancesSet');
  if (input.ClientToken !== undefined) front.launches.set(input.ClientToken, body);
  return document(body);
}

/** With a launch template the other EC2 alone knows what is meant: it starts the instances, and we take them over. */
export async function runFromTemplate(front: Front, parameters: Parameters): Promise<UpstreamAnswer> {
  const answer = await front.upstream.send(parameters, front.signer);
  if (answer.status !== 200) return answer;
  const root = documentOf(answer);
  await front.refresh();
  const ids = itemsOf(root, 'instancesSet').flatMap((item) => textOf(item, 'instanceId') ?? []);
  const homeless = ids.filter((id) => !front.region.state.instances.has(id));
  if (homeless.length === 0) return document(merged(front, root, 'instancesSet'));
  const terminate = ids.map((id, index) => [`InstanceId.${index + 1}`, id] as const);
  await front.upstream.ask([['Action', 'TerminateInstances'], ...terminate], front.signer);
  await front.refresh();
  throw new Ec2Error(
    'InsufficientFreeAddressesInSubnet',
    `There is no interface for ${homeless.join(', ')}: see the log of wellspring-cloud`,
  );
}

function withSubnet(front: Front, input: Run): Run {
  const specifications = input.NetworkInterfaces ?? [];
  const zone = input.Placement?.AvailabilityZone;
  if (specifications.length === 0) {
    const SubnetId = input.SubnetId ?? front.defaultSubnet(zone);
    return SubnetId === undefined ? input : { ...input, SubnetId };
  }
  const SubnetId = front.defaultSubnet(zone);
  if (SubnetId === undefined) return input;
  const NetworkInterfaces = specifications.map((each) =>
    each.SubnetId === undefined && each.NetworkInterfaceId === undefined ? { ...each, SubnetId } : each,
  );
  return { ...input, NetworkInterfaces };
}

function forwarded(parameters: Parameters): Parameters {
  const rest = without(parameters, NETWORK_PARAMETERS);
  const isOurs = (entry: Parameters): boolean => valueOf(entry, 'ResourceType') === 'network-interface';
  return keepEntries(rest, 'TagSpecification', (entry) => !isOurs(entry)).kept;
}

/** The primary interface as the other EC2 shall have one: it counts for its rules about subnets and groups. */
function primaryOf(instance: Instance | undefined, count: number): Parameters {
  const groups = (instance?.SecurityGroups ?? []).map(({ GroupId = '' }) => [['', GroupId] as const]);
  return [
    ['MinCount', String(count)],
    ['MaxCount', String(count)],
    ['NetworkInterface.1.DeviceIndex', '0'],
    ['NetworkInterface.1.SubnetId', instance?.SubnetId ?? ''],
    ['NetworkInterface.1.DeleteOnTermination', 'true'],
    ...listed('NetworkInterface.1.SecurityGroupId', groups),
  ];
}

const OURS_TO_FILTER = /^(network-interface\.|private-ip-address$|private-dns-name$|instance\.group-)/;

export async function describeInstances(
  front: Front,
  input: InputOf<'DescribeInstances'>,
  parameters: Parameters,
): Promise<UpstreamAnswer> {
  const ours = (input.Filters ?? []).filter(({ Name = '' }) => OURS_TO_FILTER.test(Name));
  const wanted = ours.length === 0 ? undefined : instancesWith(front, ours);
  const theirs = keepEntries(parameters, 'Filter', (entry) => !OURS_TO_FILTER.test(valueOf(entry, 'Name') ?? '')).kept;
  const answer = await front.upstream.send(theirs, front.signer);
  if (answer.status !== 200) return answer;
  const root = documentOf(answer);
  const shown = itemsOf(root, 'reservationSet').flatMap((reservation) => instanceIds(reservation));
  const unknown = shown.filter((id) => !front.region.state.instances.has(id));
  if (unknown.length > 0) await front.refresh();
  const known = knownInstances(front, shown);
  const reservations = mapItems(root, 'reservationSet', (reservation) => {
    const instances = mapItems(reservation, 'instancesSet', (item) =>
      wanted?.has(textOf(item, 'instanceId') ?? '') === false ? undefined : mergedInstance(item, known),
    );
    return wanted !== undefined && instanceIds(instances).length === 0 ? undefined : instances;
  });
  return document(DECLARATION + writeXml(reservations));
}

export async function terminateInstances(
  front: Front,
  input: InputOf<'TerminateInstances'>,
  parameters: Parameters,
): Promise<UpstreamAnswer> {
  const answer = await front.upstream.send(parameters, front.signer);
  if (answer.status !== 200) return answer;
  const ours = (input.InstanceIds ?? []).filter((id) => front.region.state.instances.has(id));
  if (ours.length > 0) front.region.execute('TerminateInstances', { InstanceIds: ours });
  return answer;
}

function instanceIds(reservation: Element): readonly string[] {
  return itemsOf(reservation, 'instancesSet').flatMap((item) => textOf(item, 'instanceId') ?? []);
}

/** The ids of all instances that our filters let through. Throws `Ec2Error` for a filter that there is not. */
function instancesWith(front: Front, Filters: NonNullable<InputOf<'DescribeInstances'>['Filters']>): Set<string> {
  const ids = new Set<string>();
  let NextToken: string | undefined;
  do {
    const page = front.region.execute('DescribeInstances', { Filters, ...(NextToken !== undefined && { NextToken }) });
    for (const { Instances = [] } of page.Reservations ?? []) {
      for (const { InstanceId } of Instances) if (InstanceId !== undefined) ids.add(InstanceId);
    }
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return ids;
}

function knownInstances(front: Front, ids: readonly string[]): ReadonlyMap<string, Instance> {
  const { instances } = front.region.state;
  const InstanceIds = ids.filter((id) => {
    const held = instances.get(id);
    return held !== undefined && isDescribed(held, Date.now());
  });
  if (InstanceIds.length === 0) return new Map();
  const { Reservations = [] } = front.region.execute('DescribeInstances', { InstanceIds });
  const described = Reservations.flatMap(({ Instances = [] }) => Instances);
  return new Map(described.map((instance) => [instance.InstanceId ?? '', instance]));
}

function merged(front: Front, root: Element, list: string): string {
  const known = knownInstances(front, instanceIds(root));
  return DECLARATION + writeXml(mapItems(root, list, (item) => mergedInstance(item, known)));
}

/** An instance that has no interface of ours is shown as it came. */
function mergedInstance(item: Element, known: ReadonlyMap<string, Instance>): Element {
  const instance = known.get(textOf(item, 'instanceId') ?? '');
  if (instance === undefined) return item;
  const network = Object.fromEntries(
    (Object.keys(NETWORK) as (keyof typeof NETWORK)[]).map((name) => [name, instance[name]]),
  );
  return replaceMembers(item, NETWORK_ELEMENTS, encodeMembers('Instance', network));
}

function document(body: string): UpstreamAnswer {
  return { status: 200, contentType: 'text/xml;charset=UTF-8', body };
}
