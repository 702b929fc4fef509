/** The nftables rules of everybody, as `nft` says them: it alone knows every expression. */
import { readFile } from 'node:fs/promises';
import type { Known } from '../facts.ts';
import { output } from './command.ts';

/** `nft -j list ruleset`; `command` is how nft is started, elsewhere than here for example. */
export async function collectNft(command: readonly string[] = ['nft']): Promise<Known<unknown>> {
  const said = await output([...command, '-j', 'list', 'ruleset']);
  if ('unknown' in said) return said;
  try {
    return { value: JSON.parse(said.value) };
  } catch {
    return { unknown: 'what nft said is no JSON' };
  }
}

/** Tables of iptables-legacy and ip6tables-legacy in this network namespace. */
export async function legacyTables(proc = '/proc'): Promise<readonly string[]> {
  const names = await Promise.all(
    ['ip', 'ip6'].map(async (family) => {
      const text = await readFile(`${proc}/self/net/${family}_tables_names`, 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter((name) => name !== '')
        .map((name) => `${family}tables ${name}`);
    }),
  );
  return names.flat();
}
