import { readFileSync, writeFileSync } from 'node:fs';
import type { Namespace } from './iproute.ts';
import { run } from './iproute.ts';

/** Keys below net with slashes, and their values. */
export type Sysctls = Readonly<Record<string, string>>;

/**
 * What makes a namespace the VPC router (kernel, networking/ip-sysctl.rst). `default` values are inherited by links made
 * later; the kernel takes the greater (rp_filter) or either (proxy_arp, send_redirects) of `all` and the link's own.
 */
export const ROUTER_SYSCTLS: Sysctls = {
  'ipv4/ip_forward': '1',
  // Strict: the way back to a packet's source must be the link it came in by, so an ENI sends only from its own addresses.
  'ipv4/conf/all/rp_filter': '1',
  'ipv4/conf/default/rp_filter': '1',
  // Neighbours in one subnet answer to each other through the router.
  'ipv4/conf/default/proxy_arp': '1',
  // Gateway addresses are on the loopback and are answered for on every link, whatever the host's own habits are.
  'ipv4/conf/all/arp_ignore': '0',
  'ipv4/conf/default/arp_ignore': '0',
  'ipv4/conf/all/arp_filter': '0',
  'ipv4/conf/default/arp_filter': '0',
  'ipv4/conf/all/send_redirects': '0',
  'ipv4/conf/default/send_redirects': '0',
};

/** The same for a VPC with IPv6; written once there is one, because a machine may be without it. */
export const ROUTER_IPV6_SYSCTLS: Sysctls = {
  'ipv6/conf/all/forwarding': '1',
  'ipv6/conf/default/accept_ra': '0',
};

const path = (key: string): string => `/proc/sys/net/${key}`;

/** The present values of `keys` in a namespace. */
export async function readSysctls(namespace: Namespace, keys: readonly string[]): Promise<Sysctls> {
  // /proc/sys/net shows the namespace of the process that opens it, so another one takes another process.
  const values =
    namespace === undefined
      ? keys.map((key) => readFileSync(path(key), 'utf8').trim())
      : (await run('nsenter', [`--net=/run/netns/${namespace}`, 'cat', ...keys.map(path)])).trim().split('\n');
  return Object.fromEntries(keys.map((key, index) => [key, values[index] ?? '']));
}

/** Writes `wanted` in the given order of keys, one process per distinct value. */
export async function writeSysctls(namespace: Namespace, wanted: Sysctls): Promise<void> {
  const entries = Object.entries(wanted);
  if (namespace === undefined) {
    for (const [key, value] of entries) writeFileSync(path(key), value);
    return;
  }
  for (const [value, group] of Map.groupBy(entries, ([, each]) => each)) {
    await run('nsenter', [`--net=/run/netns/${namespace}`, 'tee', ...group.map(([key]) => path(key))], value);
  }
}
