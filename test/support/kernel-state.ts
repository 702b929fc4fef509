/** A network namespace's kernel state as text, one object a line, without what changes by itself. */
import { run, runCommand } from './command.ts';

export async function kernelState(netns: string): Promise<string> {
  const ip = (...args: string[]) => runCommand('ip', ['-n', netns, ...args]);
  const [links, addresses, rules, ipv6Rules, routes, ipv6Routes, neighbours, nft] = await Promise.all([
    ip('-o', 'link'),
    ip('-o', '-4', 'address'),
    ip('rule'),
    ip('-6', 'rule'),
    ip('-4', 'route', 'show', 'table', 'all'),
    // Of IPv6 only ours: the kernel's own comes and goes by itself.
    ip('-6', 'route', 'show', 'table', 'all', 'proto', '87'),
    ip('neigh', 'show', 'nud', 'permanent'),
    nftRuleset(netns),
  ]);
  return [
    ...lines(
      'link',
      links.replaceAll(/^\d+: /gm, '').replaceAll(/@if\d+|@[\w-]+(?=:)|link-netns\S* \S+|state \S+|qdisc \S+/g, ''),
    ),
    ...lines('address', addresses.replaceAll(/^\d+: /gm, '')),
    ...lines('rule', rules),
    ...lines('rule', ipv6Rules),
    ...lines('route', routes),
    ...lines('route', ipv6Routes),
    ...lines('neighbour', neighbours),
    ...lines('nft', nft),
  ].join('\n');
}

async function nftRuleset(netns: string): Promise<string> {
  const { code, stdout, stderr } = await run('nsenter', [`--net=/run/netns/${netns}`, 'nft', 'list', 'ruleset']).catch(
    (error: Error) => ({ code: -1, stdout: '', stderr: error.message }),
  );
  // Without the nft command the rest of the state is still compared; the demo's packages do not include it.
  if (code !== 0 && /No such file|ENOENT|not found|failed to execute/.test(stderr)) return 'nft command not here';
  if (code !== 0) throw new Error(`nft list ruleset in ${netns}: ${stderr}`);
  return stdout
    .replaceAll(/packets \d+ bytes \d+/g, 'packets N bytes N')
    .replaceAll(/\s+/g, ' ')
    .replaceAll('}', '}\n');
}

function lines(kind: string, text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.replaceAll(/\s+/g, ' ').trim())
    .filter((line) => line !== '')
    .map((line) => `${kind} ${line}`)
    .sort();
}
