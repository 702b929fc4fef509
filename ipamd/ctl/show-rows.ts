/** The commands that answer with a table. */
import type { CallRecord } from '#cloud/decorate/call-ledger.ts';
import type { InterfaceRow, PodRow } from '../observe/explain-rows.ts';
import type { SubnetAnswer } from '../observe/explain-subnet.ts';
import { table } from './table.ts';
import { relative } from './words.ts';

export function showPods(rows: readonly PodRow[], now: number): string {
  return table<PodRow>(
    [
      ['NAMESPACE', (row) => row.namespace],
      ['POD', (row) => row.name],
      ['ADDRESS', (row) => row.address],
      ['ENI', (row) => row.eni],
      ['TABLE', (row) => row.routeTable],
      ['LINK', (row) => row.hostIfName],
      ['SINCE', (row) => relative(row.since, now)],
    ],
    rows,
    'No pod has an address of this node.',
  );
}

export function showInterfaces(rows: readonly InterfaceRow[], now: number): string {
  return table<InterfaceRow>(
    [
      ['ENI', (row) => row.id],
      ['DEVICE', (row) => (row.networkCardIndex > 0 ? `${row.networkCardIndex}/${row.deviceIndex}` : row.deviceIndex)],
      ['PHASE', (row) => (row.managed ? row.phase : 'unmanaged')],
      ['SUBNET', (row) => row.subnetId],
      ['PRIMARY', (row) => row.primaryAddress],
      ['TABLE', (row) => row.routeTable],
      ['ADDRESSES', (row) => row.addresses],
      ['PREFIXES', (row) => row.blocks.filter(({ kind }) => kind === 'prefix').length],
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

export function showCalls(rows: readonly CallRecord[], now: number): string {
  return table<CallRecord>(
    [
      ['AT', (row) => relative(new Date(row.startedAt).toISOString(), now)],
      ['OPERATION', ({ operation }) => `${operation.charAt(0).toUpperCase()}${operation.slice(1)}`],
      ['CAUSE', (row) => row.cause],
      ['MS', (row) => Math.round(row.durationMs)],
      ['OUTCOME', (row) => row.outcome],
    ],
    rows,
    'No EC2 call was made since the start.',
  );
}
