/** The sysctls that decide whether pods' packets pass. */
import type { Kernel } from '../../datapath/kernel.ts';
import type { LinkFact } from '../kernel-facts.ts';

const ALWAYS = [
  'net/ipv4/ip_forward',
  'net/ipv4/conf/all/rp_filter',
  'net/ipv4/conf/all/src_valid_mark',
  'net/ipv4/conf/default/rp_filter',
  'net/ipv6/conf/all/forwarding',
  'net/ipv6/conf/all/disable_ipv6',
  'net/netfilter/nf_conntrack_max',
  'net/netfilter/nf_conntrack_count',
  'net/ipv4/neigh/default/gc_thresh3',
  'net/ipv4/ip_local_port_range',
];
const OF_LINKS = ['rp_filter', 'forwarding', 'src_valid_mark', 'route_localnet'];

/** Those that do not exist are left out. Throws `DatapathError`. */
export function collectSysctls(kernel: Kernel, links: readonly LinkFact[]): Readonly<Record<string, string>> {
  const names = [
    ...ALWAYS,
    ...links.flatMap(({ name }) => OF_LINKS.map((setting) => `net/ipv4/conf/${name}/${setting}`)),
    ...links.map(({ name }) => `net/ipv6/conf/${name}/accept_ra`),
  ];
  return Object.fromEntries(kernel.getSysctls(names));
}
