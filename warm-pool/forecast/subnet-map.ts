/** Who holds what of a subnet, and how much of it is whole blocks of sixteen. Pure. */
import { blockSize, contains, type Ipv4, type Ipv4Block } from '../address.ts';

/** One network interface, of whomever. */
export interface Holder {
  readonly interfaceId: string;
  /** Instance id; `''` while it is attached to none. */
  readonly node: string;
  /** Name of the cluster; `untagged` for one of ours that does not say; `other` for what no CNI made. */
  readonly cluster: string;
  /** The primary interface of an instance lives and dies with it. */
  readonly isPrimary: boolean;
  /** Attached to nobody, though made for a node. */
  readonly isLeaked: boolean;
  readonly primaryAddress: Ipv4 | undefined;
  readonly addresses: readonly Ipv4[];
  /** /28 blocks. */
  readonly prefixes: readonly Ipv4Block[];
}

export interface Held {
  readonly interfaces: number;
  /** Every address, those of prefixes and primary ones included. */
  readonly addresses: number;
  readonly prefixes: number;
  /** Of `addresses`, those that pods may have. */
  readonly forPods: number;
  /** Of `forPods`, those that a pod has; undefined where nobody says which pods there are. */
  readonly inUse: number | undefined;
  /** The rest of `forPods`. */
  readonly warm: number | undefined;
  readonly leaked: number;
}

export interface SubnetMap {
  /** Without the five that EC2 keeps (VPC user guide, "Subnet sizing"). */
  readonly addresses: { readonly total: number; readonly free: number };
  /** Aligned /28 blocks that can be a prefix; free: not one address of it is held. */
  readonly blocks: { readonly total: number; readonly free: number };
  /** 0: the free addresses lie together in as many blocks as they can; 1: in none. */
  readonly fragmentation: number;
  readonly clusters: Readonly<Record<string, Held>>;
  readonly nodes: Readonly<Record<string, Held>>;
}

export const BLOCK = 16;
const RESERVED_FIRST = 4;

export interface SubnetFacts {
  readonly cidr: Ipv4Block;
  /** What EC2 says is free. */
  readonly free: number;
  readonly holders: readonly Holder[];
  /** Addresses of pods that run; undefined: not known. */
  readonly pods?: ReadonlySet<Ipv4> | undefined;
}

export function subnetMap({ cidr, free, holders, pods }: SubnetFacts): SubnetMap {
  const taken = takenBlocks(cidr, holders);
  const blocks = usableBlocks(cidr);
  const freeBlocks = blocks.filter((block) => !taken.has(block)).length;
  const possible = Math.min(blocks.length, Math.floor(free / BLOCK));
  return {
    addresses: { total: capacityOf(cidr), free },
    blocks: { total: blocks.length, free: freeBlocks },
    fragmentation: possible === 0 ? 0 : Math.max(0, 1 - freeBlocks / possible),
    clusters: grouped(holders, ({ cluster }) => cluster, pods),
    nodes: grouped(
      holders.filter(({ node }) => node !== ''),
      ({ node }) => node,
      pods,
    ),
  };
}

/** Addresses that EC2 gives out. */
export function capacityOf(cidr: Ipv4Block): number {
  return Math.max(0, blockSize(cidr) - RESERVED_FIRST - 1);
}

/** First addresses of the blocks that hold none of those that EC2 keeps. */
export function usableBlocks(cidr: Ipv4Block): readonly Ipv4[] {
  const count = Math.floor(blockSize(cidr) / BLOCK);
  return Array.from({ length: count }, (_, index) => cidr.base + index * BLOCK).slice(1, -1);
}

/** Every block with a held address in it, by its first address, and who holds one. */
export function takenBlocks(cidr: Ipv4Block, holders: readonly Holder[]): ReadonlyMap<Ipv4, readonly Holder[]> {
  const taken = new Map<Ipv4, Holder[]>();
  for (const holder of holders) {
    const own = [...addressesOf(holder), ...holder.prefixes.map(({ base }) => base)].filter((each) =>
      contains(cidr, each),
    );
    for (const block of new Set(own.map((address) => address - (address % BLOCK)))) {
      const there = taken.get(block);
      if (there === undefined) taken.set(block, [holder]);
      else there.push(holder);
    }
  }
  return taken;
}

export function addressesOf({ primaryAddress, addresses }: Holder): readonly Ipv4[] {
  return primaryAddress === undefined ? addresses : [primaryAddress, ...addresses];
}

function grouped(
  holders: readonly Holder[],
  key: (holder: Holder) => string,
  pods: SubnetFacts['pods'],
): Readonly<Record<string, Held>> {
  const groups = Map.groupBy(holders, key);
  return Object.fromEntries(
    [...groups].map(([name, group]) => [name, heldBy(group, pods)] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function heldBy(holders: readonly Holder[], pods: SubnetFacts['pods']): Held {
  const sum = (of: (holder: Holder) => number) => holders.reduce((total, holder) => total + of(holder), 0);
  const prefixes = sum((holder) => holder.prefixes.length);
  const forPods = sum(({ cluster, addresses }) => (cluster === 'other' ? 0 : addresses.length)) + BLOCK * prefixes;
  const inUse = pods === undefined ? undefined : sum((holder) => podsOf(holder, pods));
  return {
    interfaces: holders.length,
    addresses: sum((holder) => addressesOf(holder).length) + BLOCK * prefixes,
    prefixes,
    forPods,
    inUse,
    warm: inUse === undefined ? undefined : Math.max(0, forPods - inUse),
    leaked: holders.filter(({ isLeaked }) => isLeaked).length,
  };
}

function podsOf({ addresses, prefixes }: Holder, pods: ReadonlySet<Ipv4>): number {
  const ofPrefixes = prefixes.flatMap(({ base }) => Array.from({ length: BLOCK }, (_, index) => base + index));
  return [...addresses, ...ofPrefixes].filter((address) => pods.has(address)).length;
}
