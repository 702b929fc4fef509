/** Whether the kernel takes a packet's source for possible: fib_validate_source (net/ipv4/fib_frontend.c). IPv4 alone has it. Pure. */
import { familyOf } from '../../datapath/ip.ts';
import type { KernelFacts, LinkFact } from '../kernel-facts.ts';
import { linkName, routeLine } from '../kernel-facts.ts';
import { lookUp } from './fib.ts';

export type SourceCheck = { readonly passes: boolean; readonly says: string };

interface Checked {
  readonly source: string;
  readonly destination: string;
  readonly inLink: LinkFact;
  readonly mark: number;
}

/** The larger one of `all` and the link's counts (ip-sysctl.rst, rp_filter). */
export function reversePathFilter(sysctls: Readonly<Record<string, string>>, link: string): number {
  const value = (name: string): number => Number(sysctls[`net/ipv4/conf/${name}/rp_filter`] ?? 0);
  return Math.max(value('all'), value(link));
}

export function checkSource(
  kernel: KernelFacts,
  sysctls: Readonly<Record<string, string>>,
  { source, destination, inLink, mark }: Checked,
): SourceCheck {
  if (familyOf(source) === 'ipv6') return { passes: true, says: 'IPv6 has no source check of its own' };
  const filter = reversePathFilter(sysctls, inLink.name);
  const usesMark =
    sysctls[`net/ipv4/conf/${inLink.name}/src_valid_mark`] === '1' ||
    sysctls['net/ipv4/conf/all/src_valid_mark'] === '1';
  const back = lookUp(kernel, {
    source: destination,
    destination: source,
    inInterface: 'lo',
    mark: usesMark ? mark : 0,
  });
  if (back.kind === 'refused') {
    const says = `no route leads back to ${source} (${back.how}), rp_filter of ${inLink.name} is ${filter}`;
    return { passes: filter === 0, says };
  }
  const line = routeLine(back.route, kernel.links);
  if (back.route.type === 'local')
    return { passes: false, says: `${source} is an address of the node itself (${line})` };
  if (filter === 1 && back.route.link !== inLink.index)
    return {
      passes: false,
      says: `${source} is reached by ${linkName(kernel.links, back.route.link)} (${line}), and rp_filter of ${inLink.name} is strict (1)`,
    };
  return { passes: true, says: `the way back is ${line}; rp_filter ${filter}` };
}
