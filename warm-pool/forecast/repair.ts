/** Which nodes to drain so that whole /28 blocks come back, the one that gives back most first. Pure. */
import { addressesOf, BLOCK, type Holder, type SubnetFacts, takenBlocks, usableBlocks } from './subnet-map.ts';

export interface Repair {
  /** Instance id; `''`: interfaces that are attached to nobody, to be deleted. */
  readonly node: string;
  readonly interfaceIds: readonly string[];
  /** Addresses that stand in the way, and that others hold afterwards. */
  readonly addresses: number;
  /** Blocks that are free afterwards and are not now, the earlier repairs of the list having been made. */
  readonly blocks: number;
}

const MOST_REPAIRS = 5;

/**
 * What goes is a node's single addresses and its further interfaces; its prefixes are whole blocks already, and its primary address stays.
 * Greedy: each repair is the best after those before it, by blocks, then by fewest addresses.
 */
export function repairs({ cidr, holders }: Pick<SubnetFacts, 'cidr' | 'holders'>): readonly Repair[] {
  const usable = new Set(usableBlocks(cidr));
  const parts = holders.filter(({ cluster }) => cluster !== 'other');
  const made: Repair[] = [];
  let left = takenByNode(cidr, holders, usable);
  while (made.length < MOST_REPAIRS) {
    const best = [...left.byNode]
      .map(([node, blocks]) => {
        const freed = blocks.filter((block) => left.owners.get(block)?.size === 1);
        return { node, blocks: freed.length, ...heldIn(parts, node, new Set(freed)) };
      })
      .filter(({ blocks }) => blocks > 0)
      .toSorted((a, b) => b.blocks - a.blocks || a.addresses - b.addresses || (a.node < b.node ? -1 : 1))[0];
    if (best === undefined) return made;
    made.push(best);
    left = without(left, best.node);
  }
  return made;
}

/** What cannot go has this owner. */
const FIXED = 'fixed';

interface Taken {
  readonly owners: ReadonlyMap<number, ReadonlySet<string>>;
  readonly byNode: ReadonlyMap<string, readonly number[]>;
}

function takenByNode(cidr: SubnetFacts['cidr'], holders: readonly Holder[], usable: ReadonlySet<number>): Taken {
  const stays = holders.map(staying);
  const owners = new Map<number, Set<string>>();
  const note = (blocks: Iterable<readonly [number, readonly Holder[]]>, owner: (holder: Holder) => string) => {
    for (const [block, there] of blocks) {
      if (!usable.has(block)) continue;
      const names = owners.get(block) ?? new Set();
      for (const holder of there) names.add(owner(holder));
      owners.set(block, names);
    }
  };
  note(takenBlocks(cidr, stays), () => FIXED);
  note(takenBlocks(cidr, holders.map(going)), ({ node }) => `node ${node}`);
  const byNode = new Map<string, number[]>();
  for (const [block, names] of owners)
    for (const name of names) {
      if (name === FIXED) continue;
      const node = name.slice('node '.length);
      byNode.set(node, [...(byNode.get(node) ?? []), block]);
    }
  return { owners: new Map([...owners].map(([block, names]) => [block, bare(names)])), byNode };
}

const bare = (names: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...names].map((name) => (name === FIXED ? FIXED : name.slice('node '.length))));

/** The part of a holder that a drain does not move. */
function staying(holder: Holder): Holder {
  if (holder.cluster === 'other') return holder;
  return holder.isPrimary ? { ...holder, addresses: [] } : { ...holder, addresses: [], primaryAddress: undefined };
}

function going(holder: Holder): Holder {
  if (holder.cluster === 'other') return { ...holder, addresses: [], prefixes: [], primaryAddress: undefined };
  return { ...holder, prefixes: [], primaryAddress: holder.isPrimary ? undefined : holder.primaryAddress };
}

function without({ owners, byNode }: Taken, node: string): Taken {
  return {
    owners: new Map([...owners].map(([block, names]) => [block, new Set([...names].filter((name) => name !== node))])),
    byNode: new Map([...byNode].filter(([name]) => name !== node)),
  };
}

function heldIn(holders: readonly Holder[], node: string, blocks: ReadonlySet<number>) {
  const rows = holders
    .filter((holder) => holder.node === node)
    .map((holder) => ({
      id: holder.interfaceId,
      addresses: addressesOf(going(holder)).filter((address) => blocks.has(address - (address % BLOCK))).length,
    }))
    .filter(({ addresses }) => addresses > 0);
  return { interfaceIds: rows.map(({ id }) => id), addresses: rows.reduce((sum, row) => sum + row.addresses, 0) };
}
