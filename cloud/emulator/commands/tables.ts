/** Answers of a cloud for people. Pure. */
import type { Call, Change, CloudState, StateOfInterface } from '../api/contract.ts';

type Cells = readonly string[];

function table(head: Cells, rows: readonly Cells[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: Cells): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

type NamedState = CloudState & { readonly names: Readonly<Record<string, Readonly<Record<string, string>>>> };

export function stateTables(state: NamedState): string {
  const named = new Map(
    Object.values(state.names).flatMap((group) => Object.entries(group).map(([name, id]) => [id, name] as const)),
  );
  const nameOf = (id: string): string => named.get(id) ?? '-';
  return [
    table(
      ['VPC', 'NAME', 'CIDRS'],
      state.vpcs.map((vpc) => [vpc.id, nameOf(vpc.id), [...vpc.cidrs, ...vpc.ipv6Cidrs].join(' ')]),
    ),
    table(
      ['SUBNET', 'NAME', 'ZONE', 'CIDR', 'FREE'],
      state.subnets.map((each) => [
        each.id,
        nameOf(each.id),
        each.availabilityZone,
        each.cidr,
        String(each.availableAddresses),
      ]),
    ),
    table(
      ['INSTANCE', 'NAME', 'TYPE', 'SUBNET', 'INTERFACES'],
      state.instances.map((each) => [
        each.id,
        nameOf(each.id),
        each.instanceType,
        each.subnetId,
        String(each.networkInterfaceIds.length),
      ]),
    ),
    table(
      ['INTERFACE', 'STATUS', 'INSTANCE', 'INDEX', 'PRIMARY', 'ADDRESSES', 'PREFIXES'],
      state.networkInterfaces.map(interfaceRow),
    ),
  ].join('\n');
}

function interfaceRow(held: StateOfInterface): Cells {
  const { attachment } = held;
  return [
    held.id,
    held.status,
    attachment?.instanceId ?? '-',
    attachment === undefined ? '-' : `${attachment.networkCardIndex}/${attachment.deviceIndex}`,
    held.primaryAddress === '' ? '-' : held.primaryAddress,
    String(held.secondaryAddresses.length + held.ipv6Addresses.length),
    [...held.ipv4Prefixes, ...held.ipv6Prefixes].join(' ') || '-',
  ];
}

export function callTable(calls: readonly Call[]): string {
  return table(
    ['AT', 'KIND', 'ACTION', 'FROM', 'STATUS', 'MS', 'REFUSED', 'FAULT'],
    calls.map((call) => [
      new Date(call.at).toISOString(),
      call.kind,
      call.action,
      call.source,
      String(call.status),
      call.durationMs.toFixed(1),
      call.errorCode ?? '-',
      call.fault ?? '-',
    ]),
  );
}

const SIGNS = { made: '+', gone: '-', changed: '~' } as const;

export function changeLine({ number, at, action, resources }: Change): string {
  const what = resources.map(({ id, before, after }) => {
    const sign = before === null ? SIGNS.made : after === null ? SIGNS.gone : SIGNS.changed;
    return `${sign}${id}`;
  });
  return `${number} ${new Date(at).toISOString()} ${action ?? '(behind)'} ${what.join(' ')}`;
}

export function faultTable(faults: readonly Readonly<Record<string, unknown>>[]): string {
  if (faults.length === 0) return 'No fault waits.\n';
  return table(
    ['ACTION', 'KIND', 'TIMES', 'WITH'],
    faults.map(({ action, kind, times, ...rest }) => [
      String(action),
      String(kind),
      typeof times === 'number' || typeof times === 'string' ? String(times) : '1',
      Object.entries(rest)
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(' ') || '-',
    ]),
  );
}
