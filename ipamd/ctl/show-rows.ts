/** The commands that answer with a table. */
import type { InterfaceRow, InterfacesByCard, PodRow } from '../observe/explain-rows.ts';
import type { SubnetAnswer } from '../observe/explain-subnet.ts';
import type { CallsAnswer } from '../observe/introspection.ts';
import { type Column, table } from './table.ts';
import { relative } from './words.ts';

/** Only where a pod has several. */
const INTERFACE: Column<PodRow> = ['INTERFACE', 'ifName'];

export function showPods(rows: readonly PodRow[], now: number): string {
  return table<PodRow>(
    [
      ['NAMESPACE', (row) => row.namespace],
      ['POD', (row) => row.name],
      ...(rows.some(({ parent }) => parent !== null) ? [INTERFACE] : []),
      ['ADDRESS', (row) => (row.ipv6Address === null ? row.address : `${row.address}, ${row.ipv6Address}`)],
      ['ENI', (row) => row.eni],
      ['TABLE', (row) => row.routeTable],
      ['LINK', (row) => row.hostIfName],
      ['SINCE', (row) => relative(row.since, now)],
    ],
    rows,
    'No pod has an address of this node.',
  );
}

const IPV6: Column<InterfaceRow> = ['IPV6', (row) => row.ipv6Prefixes.map(({ cidr }) => cidr).join(', ')];

export function showInterfaces(cards: InterfacesByCard, now: number): string {
  const rows = Object.values(cards).flatMap(({ ENIs }) => Object.values(ENIs));
  return table<InterfaceRow>(
    [
      ['ENI', (row) => row.id],
      ['DEVICE', (row) => (row.networkCardIndex > 0 ? `${row.networkCardIndex}/${row.deviceIndex}` : row.deviceIndex)],
      ['PHASE', (row) => (row.managed ? row.phase : row.efaOnly ? 'EFA-only' : 'unmanaged')],
      ['SUBNET', (row) => row.subnetId],
      ['PRIMARY', (row) => row.primaryAddress],
      ['TABLE', (row) => row.routeTable],
      ['ADDRESSES', (row) => row.addresses],
      ['PREFIXES', (row) => row.blocks.filter(({ kind }) => kind === 'prefix').length],
      // Only where there is one: a column of dashes on every IPv4 node tells nobody anything.
      ...(rows.some(({ ipv6Prefixes }) => ipv6Prefixes.length > 0) ? [IPV6] : []),
      ['ASSIGNED', (row) => row.assigned],
      ['COOLING', (row) => row.cooling],
      ['FREE', (row) => row.free],
      ['SEEN', (row) => relative(row.since, now)],
    ],
    rows,
    'No ENI is known.',
  );
}

export function showSubnets(rows: readonly SubnetAnswer[], now: number): string {
  return table<SubnetAnswer>(
    [
      ['SUBNET', (row) => row.id],
      ['CIDR', (row) => row.cidr],
      ['AVAILABLE', (row) => row.availableAddresses],
      ['ENIS', (row) => row.interfaces.length],
      ['HELD', (row) => row.held],
      ['ASSIGNED', (row) => row.assigned],
      ['BACK-OFF', (row) => row.backOffUntil && relative(row.backOffUntil, now)],
      ['PREFIX BACK-OFF', (row) => row.prefixBackOffUntil && relative(row.prefixBackOffUntil, now)],
    ],
    rows,
    'No subnet is known yet.',
  );
}

/** The calls, how many there were for each cause, and how fast calls may follow each other. */
export function showCalls({ recent, byCause, budget }: CallsAnswer, now: number): string {
  const calls = table<CallsAnswer['recent'][number]>(
    [
      ['AT', (row) => relative(row.startedAt, now)],
      ['OPERATION', ({ operation }) => named(operation)],
      ['CAUSE', (row) => row.cause],
      ['MS', (row) => row.durationMs],
      ['OUTCOME', (row) => row.outcome],
    ],
    recent,
    'No EC2 call was made since the start.',
  );
  const causes = table<CallsAnswer['byCause'][number]>(
    [
      ['CAUSE', 'cause'],
      ['CALLS', 'calls'],
      ['FAILED', 'failed'],
      ['THROTTLED', 'throttled'],
    ],
    byCause,
  );
  const parts = [
    calls,
    ...(recent.length === 0 ? [] : [causes]),
    ...(budget.length === 0 ? [] : [budgetLines(budget)]),
  ];
  return parts.join('\n');
}

function budgetLines(budget: CallsAnswer['budget']): string {
  const lines = budget.map(({ class: name, perSecond, fullPerSecond, waiting }) => {
    const held = perSecond < fullPerSecond ? `, held back from ${fullPerSecond} because EC2 throttles` : '';
    const pace = `${Math.round(perSecond * 100) / 100} a second${held}`;
    return `${name === 'read' ? 'reads' : 'changes'}: ${pace}; ${waiting === 0 ? 'none waits' : `${waiting} wait`}\n`;
  });
  return lines.join('');
}

function named(operation: string): string {
  return `${operation.charAt(0).toUpperCase()}${operation.slice(1)}`;
}
