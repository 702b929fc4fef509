/** A subnet block by block, as a string that a picture is drawn from. Pure. */
import { blockSize, contains } from '../address.ts';
import { addressesOf, BLOCK, type SubnetFacts } from './subnet-map.ts';

/**
 * A character for each aligned /28 from the first address on: `0` to `9`, `a` to `g`: so many of its sixteen addresses are held one by
 * one; `P`: it is a prefix of a node; `x`: EC2 keeps some of it, so that it can be no prefix. `''` for a subnet smaller than a block.
 */
export function blockUse({ cidr, holders }: Pick<SubnetFacts, 'cidr' | 'holders'>): string {
  const held = new Uint8Array(Math.floor(blockSize(cidr) / BLOCK));
  const prefixes = new Set<number>();
  const indexOf = (address: number) => Math.floor((address - cidr.base) / BLOCK);
  for (const holder of holders) {
    for (const address of addressesOf(holder)) {
      const index = indexOf(address);
      if (contains(cidr, address) && index < held.length) held[index] = Math.min(BLOCK, (held[index] ?? 0) + 1);
    }
    for (const { base } of holder.prefixes) if (contains(cidr, base)) prefixes.add(indexOf(base));
  }
  return Array.from(held, (count, index) => {
    if (index === 0 || index === held.length - 1) return 'x';
    return prefixes.has(index) ? 'P' : count.toString(17);
  }).join('');
}
