/** Pods and ENIs as introspection shows them: one row each. */
import { attachmentKey, cardsInUse, limitsOn } from '#warm-pool/ledger.ts';
import type { BlockUse, InterfaceUse, NetworkInterface } from '#warm-pool/model.ts';
import type { Pool } from '../pool.ts';
import { branchTable } from '../datapath/branch/numbers.ts';
import type { StoredAssignment, StoredBranch } from '../store/records.ts';

export interface RowSource {
  readonly pool: Pick<Pool, 'ledger' | 'snapshot'>;
  /** By attachmentKey. */
  readonly attachments: ReadonlyMap<string, StoredAssignment>;
  /** Pods with ENIs of their own, which the pool does not know; by attachmentKey. */
  readonly branches?: ReadonlyMap<string, StoredBranch>;
}

export type PodRow = ReturnType<typeof podRow>;
export type InterfaceRow = ReturnType<typeof interfaceRow>;

export function podRows({ pool, attachments, branches = new Map<string, StoredBranch>() }: RowSource) {
  const interfaces = pool.ledger.interfaces;
  return [...attachments.values(), ...branches.values()].map((stored) =>
    podRow(stored, interfaces.get(stored.interfaceId)?.networkInterface),
  );
}

export function interfaceRows({ pool }: Pick<RowSource, 'pool'>) {
  return pool.snapshot().interfaces.map(interfaceRow);
}

/** By network card, in the peer's words (its `/v1/enis`); the ENIs by id. */
export function interfacesByCard({ pool }: Pick<RowSource, 'pool'>) {
  const rows = interfaceRows({ pool });
  const inUse = cardsInUse(pool.ledger);
  const cards = [...new Set([...inUse, ...rows.map(({ networkCardIndex }) => networkCardIndex)])].toSorted(
    (a, b) => a - b,
  );
  return Object.fromEntries(
    cards.map((card) => {
      const here = rows.filter(({ networkCardIndex }) => networkCardIndex === card);
      const sum = (count: (row: InterfaceRow) => number) => here.reduce((total, row) => total + count(row), 0);
      const figures = {
        /** Whether pods get addresses of it. */
        HostsPods: inUse.includes(card),
        MaxENIs: limitsOn(pool.ledger, card).maxInterfaces,
        TotalIPs: sum(({ addresses }) => addresses),
        AssignedIPs: sum(({ assigned }) => assigned),
        CooldownIPs: sum(({ cooling }) => cooling),
      };
      return [card, { ...figures, ENIs: Object.fromEntries(here.map((row) => [row.id, row])) }] as const;
    }),
  );
}

export type InterfacesByCard = ReturnType<typeof interfacesByCard>;

/** The row of one attachment; undefined where no address was given to it by ADD. */
export function podRowOf(attachment: StoredAssignment['attachment'], source: RowSource): PodRow | undefined {
  const key = attachmentKey(attachment);
  const stored = source.attachments.get(key) ?? source.branches?.get(key);
  return stored && podRow(stored, source.pool.ledger.interfaces.get(stored.interfaceId)?.networkInterface);
}

type StoredPod = StoredAssignment & Partial<Pick<StoredBranch, 'branch'>>;

function podRow(stored: StoredPod, networkInterface: NetworkInterface | undefined) {
  const { attachment, pod, address, ipv6Address, interfaceId, hostIfName, netns, assignedAt, branch } = stored;
  const { deviceIndex = 0, networkCardIndex = 0 } = networkInterface ?? {};
  return {
    namespace: pod.namespace,
    name: pod.name,
    uid: pod.uid,
    address,
    /** The second one, on a dual-stack node. */
    ipv6Address: ipv6Address ?? null,
    eni: interfaceId,
    networkCardIndex,
    routeTable: branch === undefined ? routeTable(deviceIndex, networkCardIndex) : branchTable(branch.vlanId),
    hostIfName,
    netns,
    ...attachment,
    /** For a further interface of a multi-NIC pod, the first one's name. */
    parent: stored.parent ?? null,
    /** Of a pod with an ENI of its own (security groups for pods): its VLAN on the trunk, and how its groups are enforced. */
    vlanId: branch?.vlanId ?? null,
    enforcingMode: branch?.mode ?? null,
    /** Who made its link, routes and rules, where it was not this daemon. */
    plumbedBy: stored.plumbedBy ?? null,
    since: new Date(assignedAt).toISOString(),
  };
}

function interfaceRow({ networkInterface, blocks, ipv6 = [] }: InterfaceUse) {
  const sum = (count: (block: BlockUse) => number) => blocks.reduce((total, block) => total + count(block), 0);
  return {
    id: networkInterface.id,
    deviceIndex: networkInterface.deviceIndex,
    networkCardIndex: networkInterface.networkCardIndex,
    isPrimary: networkInterface.isPrimary,
    managed: networkInterface.managed,
    efaOnly: networkInterface.efaOnly ?? false,
    phase: networkInterface.phase,
    excludedFromPods: networkInterface.excludedFromPods ?? false,
    subnetId: networkInterface.subnetId,
    mac: networkInterface.mac,
    primaryAddress: networkInterface.primaryAddress,
    routeTable: routeTable(networkInterface.deviceIndex, networkInterface.networkCardIndex),
    addresses: sum(({ assigned, cooling, free }) => assigned + cooling + free),
    /** Pods with an address of it. */
    assigned: sum(({ assigned }) => assigned) + ipv6.reduce((total, { alone }) => total + alone, 0),
    cooling: sum(({ cooling }) => cooling),
    free: sum(({ free }) => free),
    since: new Date(networkInterface.since).toISOString(),
    ipv6Address: networkInterface.ipv6Address ?? null,
    /** Its /80 prefixes and how many addresses of each are held or rest; they are never full. */
    ipv6Prefixes: ipv6.map(({ cidr, assigned, cooling }) => ({ cidr, assigned, cooling })),
    blocks: blocks.map(({ block, ...use }) => ({ cidr: block.cidr, kind: block.kind, ...use })),
  };
}

/** The table an ENI's pods are routed by; the primary ENI's is main. Numbers as the peer's (reference: its SetupENINetwork). */
export function routeTable(deviceIndex: number, networkCardIndex: number): number | 'main' {
  if (networkCardIndex > 0) return 10_000 + deviceIndex + 100 * networkCardIndex;
  return deviceIndex === 0 ? 'main' : deviceIndex + 1;
}
