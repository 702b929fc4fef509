/**
 * How the nodes of a run are divided into parts that threads can run side by side. Nodes that can have addresses of one subnet are in
 * one part, so that all that happens to a subnet happens in one order.
 */

import type { Cluster } from './cluster.ts';

export interface Parts {
  readonly count: number;
  /** The part of each node, and of each subnet, by their places in the cluster. */
  readonly ofNode: Uint8Array;
  readonly ofSubnet: Uint8Array;
}

/** At most `most` parts (1 to 255), with about as many nodes each. */
export function partsOf({ nodes, subnets }: Pick<Cluster, 'nodes' | 'subnets'>, most: number): Parts {
  const first = Int32Array.from(subnets.keys());
  const rootOf = (subnet: number): number => {
    let root = subnet;
    while (first[root] !== root) root = first[root] ?? root;
    first[subnet] = root;
    return root;
  };
  const sizes = new Int32Array(subnets.length);
  for (const { subnets: mine } of nodes)
    for (const subnet of mine) {
      const [a, b] = [rootOf(mine[0] ?? subnet), rootOf(subnet)];
      first[Math.max(a, b)] = Math.min(a, b);
    }
  for (const { subnets: mine } of nodes) {
    const root = rootOf(mine[0] ?? 0);
    sizes[root] = (sizes[root] ?? 0) + 1;
  }
  const groups = Int32Array.from(subnets.keys()).filter((subnet) => (sizes[subnet] ?? 0) > 0);
  const count = Math.max(1, Math.min(most, groups.length));
  const partOfRoot = balanced(groups, sizes, count);
  const ofSubnet = Uint8Array.from(subnets.keys(), (subnet) => partOfRoot.get(rootOf(subnet)) ?? 0);
  return { count, ofSubnet, ofNode: Uint8Array.from(nodes, ({ subnets: mine }) => ofSubnet[mine[0] ?? 0] ?? 0) };
}

/** The largest group first, each to the part that has least. */
function balanced(groups: Int32Array, sizes: Int32Array, count: number): ReadonlyMap<number, number> {
  const loads = new Int32Array(count);
  const parts = new Map<number, number>();
  for (const group of groups.toSorted((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0) || a - b)) {
    const part = loads.indexOf(Math.min(...loads));
    loads[part] = (loads[part] ?? 0) + (sizes[group] ?? 0);
    parts.set(group, part);
  }
  return parts;
}
