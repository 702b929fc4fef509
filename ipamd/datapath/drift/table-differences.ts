/** Our nft table, compared with what the kernel showed right after we put it. Pure. */
import type { TableSignature } from '../nftables/signature.ts';
import type { Table } from '../nftables/table.ts';
import type { Difference } from './difference.ts';

/** What is lost or was changed, by chain and set; the repair is the whole table in one transaction. */
export function tableDifferences(wanted: Table, before: TableSignature, found: TableSignature): readonly Difference[] {
  if (found.table === '') return [difference(`nft table inet ${wanted.name}`, 'as it was put', 'none')];
  const chains = wanted.chains.flatMap(({ name, rules }) => {
    const now = found.chains.get(name);
    if (now === before.chains.get(name)) return [];
    const count = ruleCount(now);
    const expected = `${rules.length} rules`;
    const shown = count === rules.length ? `${count} rules, not as they were put` : `${count} rules`;
    return [difference(`nft chain inet ${wanted.name} ${name}`, expected, shown)];
  });
  const sets = [...before.sets].flatMap(([name, signature]) => {
    const now = found.sets.get(name);
    if (now === signature) return [];
    return [difference(`nft set inet ${wanted.name} ${name}`, 'as it was put', now === undefined ? 'none' : 'changed')];
  });
  const table =
    found.table !== before.table && chains.length === 0
      ? [difference(`nft table inet ${wanted.name}`, 'as it was put', 'changed')]
      : [];
  return [...chains, ...sets, ...table];
}

/** A chain's signature is its handle, its policy and its rules' handles. */
function ruleCount(signature: string | undefined): number {
  return signature === undefined ? 0 : signature.split(' ').length - 2;
}

function difference(object: string, expected: string, found: string): Difference {
  return { kind: 'nft', object, expected, found, repair: { by: 'table' } };
}
