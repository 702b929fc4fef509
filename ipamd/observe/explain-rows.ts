/** Pods and ENIs as introspection shows them: one row each. */
import { attachmentKey } from '#warm-pool/ledger.ts';
import type { BlockUse, InterfaceUse, NetworkInterface } from '#warm-pool/model.ts';
import type { Pool } from '../pool.ts';
import type { StoredAssignment } from '../store/records.ts';

export interface RowSource {
  readonly pool: Pick<Pool, 'ledger' | 'snapshot'>;
  /** By attachmentKey. */
  readonly attachments: ReadonlyMap<string, StoredAssignment>;
}

export type PodRow = ReturnType<typeof podRow>;
export type InterfaceRow = ReturnType<typeof interfaceRow>;

export function podRows({ pool, attachments }: RowSource) {
  const interfaces = pool.ledger.interfaces;
  return [...attachments.values()].map((stored) =>
    podRow(stored, interfaces.get(stored.interfaceId)?.networkInterface),
  );
}

export function interfaceRows({ pool }: Pick<RowSource, 'pool'>) {
  return pool.snapshot().interfaces.map(interfaceRow);
}

/** The row of one attachment; undefined where no address was given to it by ADD. */
export function podRowOf(attachment: StoredAssignment['attachment'], source: RowSource): PodRow | undefined {
  const stored = source.attachments.get(attachmentKey(attachment));
  return stored && podRow(stored, source.pool.ledger.interfaces.get(stored.interfaceId)?.networkInterface);
}

function podRow(stored: StoredAssignment, networkInterface: NetworkInterface | undefined) {
  const { attachment, pod, address, interfaceId, hostIfName, netns, assignedAt } = stored;
  return {
    namespace: pod.namespace,
    name: pod.name,
    uid: pod.uid,
    address,
    eni: interfaceId,
    routeTable: routeTable(networkInterface?.deviceIndex ?? 0, networkInterface?.networkCardIndex ?? 0),
    hostIfName,
    netns,
    ...attachment,
    since: new Date(assignedAt).toISOString(),
  };
}

function interfaceRow({ networkInterface, blocks }: InterfaceUse) {
  const sum = (count: (block: BlockUse) => number) => blocks.reduce((total, block) => total + count(block), 0);
  return {
    id: networkInterface.id,
    deviceIndex: networkInterface.deviceIndex,
    networkCardIndex: networkInterface.networkCardIndex,
    isPrimary: networkInterface.isPrimary,
    managed: networkInterface.managed,
    phase: networkInterface.phase,
    excludedFromPods: networkInterface.excludedFromPods ?? false,
    subnetId: networkInterface.subnetId,
    mac: networkInterface.mac,
    primaryAddress: networkInterface.primaryAddress,
    routeTable: routeTable(networkInterface.deviceIndex, networkInterface.networkCardIndex),
    addresses: sum(({ assigned, cooling, free }) => assigned + cooling + free),
    assigned: sum(({ assigned }) => assigned),
    cooling: sum(({ cooling }) => cooling),
    free: sum(({ free }) => free),
    since: new Date(networkInterface.since).toISOString(),
    blocks: blocks.map(({ block, ...use }) => ({ cidr: block.cidr, kind: block.kind, ...use })),
  };
}

/** The table an ENI's pods are routed by; the primary ENI's is main. Numbers as the peer's (reference: its SetupENINetwork). */
export function routeTable(deviceIndex: number, networkCardIndex: number): number | 'main' {
  if (networkCardIndex > 0) return 10_000 + deviceIndex + 100 * networkCardIndex;
  return deviceIndex === 0 ? 'main' : deviceIndex + 1;
}
