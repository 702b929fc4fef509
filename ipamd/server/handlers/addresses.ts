/** What the result of ADD says of a pod's addresses: each alone in its subnet, with a default route of its family. Pure. */
import type { NetworkConfig } from '#cni/spec/config.ts';
import { formatResult, type ResultIp, type ResultRoute } from '#cni/spec/result.ts';
import { isIpv6Text } from '#warm-pool/ipv6.ts';
import { addressesOf } from '#warm-pool/ledger.ts';
import type { Assignment } from '#warm-pool/model.ts';
import type { PodLinks } from '../../datapath/datapath.ts';
import type { StoredAssignment } from '../../store/records.ts';

type Addresses = Pick<Assignment, 'address' | 'ipv6Address'>;

/** The next hop of every pod, by family: the host's end of its link answers for both. */
const DEFAULT_ROUTES = {
  ipv4: { dst: '0.0.0.0/0', gw: '169.254.1.1' },
  ipv6: { dst: '::/0', gw: 'fe80::1' },
} as const satisfies Record<string, ResultRoute>;

/** `ips`, IPv4 first: a /32 and a /128. */
export function ipsOf(stored: Addresses): readonly Pick<ResultIp, 'address'>[] {
  return addressesOf(stored).map((address) => ({ address: `${address}/${isIpv6Text(address) ? 128 : 32}` }));
}

/** `routes`: one default for each family. */
export function routesOf(stored: Addresses): readonly ResultRoute[] {
  return addressesOf(stored).map((address) => DEFAULT_ROUTES[isIpv6Text(address) ? 'ipv6' : 'ipv4']);
}

/** The result of ADD: after what earlier plugins made, the pod's links, each as its host's end and its own, and their addresses. */
export function resultOf(
  made: readonly { readonly stored: StoredAssignment; readonly link: PodLinks }[],
  { mtu: asked, prevResult, cniVersion }: Pick<NetworkConfig, 'mtu' | 'prevResult' | 'cniVersion'>,
  podMtu: number,
): unknown {
  const mtu = asked ?? podMtu;
  const offset = prevResult?.interfaces.length ?? 0;
  const interfaces = made.flatMap(({ stored, link }) => [
    { name: link.hostIfName, mac: link.hostMac, mtu },
    { name: stored.attachment.ifName, mac: link.containerMac, sandbox: stored.netns, mtu },
  ]);
  const ips = made.flatMap(({ stored }, index) =>
    ipsOf(stored).map((ip) => ({ ...ip, interface: offset + 2 * index + 1 })),
  );
  // A further interface has its routes in a table of its own, for what is sent from its address.
  const routes = made.flatMap(({ stored }) => (stored.parent === undefined ? routesOf(stored) : []));
  return formatResult(
    {
      interfaces: [...(prevResult?.interfaces ?? []), ...interfaces],
      ips: [...(prevResult?.ips ?? []), ...ips],
      routes: [...(prevResult?.routes ?? []), ...routes],
      dns: prevResult?.dns ?? {},
    },
    cniVersion,
  );
}
