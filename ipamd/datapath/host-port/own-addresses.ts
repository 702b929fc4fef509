/**
 * The addresses of the node that host ports are published on. kube-proxy in ipvs mode puts the addresses of all services onto a link
 * of the node; to the kernel they are as local as any other, and nf_tables cannot ask which link a local address is on
 * (net/ipv4/netfilter/nft_fib_ipv4.c gives no link for RTN_LOCAL). So where that link is, the node's own addresses stand in a set. Not the
 * services': a daemon that is late, or does not run, must not let a host port take a service.
 */
import { IP_FAMILIES, familyOf, hostPrefixLength, type IpFamily } from '../ip.ts';
import { readAddresses, readLinkByName, type Kernel } from '../kernel.ts';
import type { LinkAddress } from '../netlink/route/address.ts';
import type { AddressSet } from '../nftables/table.ts';

/** The link with the addresses of services (kubernetes pkg/proxy/ipvs/proxier.go, defaultDummyDevice). */
export const SERVICE_LINK = 'kube-ipvs0';

/** All of it is the node's, whatever of it is on `lo`. */
const LOOPBACK = '127.0.0.0/8';
const SETS: Readonly<Record<IpFamily, Pick<AddressSet, 'name' | 'id'>>> = {
  ipv4: { name: 'own-addresses-ip4', id: 107 },
  ipv6: { name: 'own-addresses-ip6', id: 108 },
};

/** One set a family. */
export type OwnAddresses = Readonly<Record<IpFamily, AddressSet>>;

/** The node's addresses but those of services; undefined where no link bears any, and all that is local is the node's. Throws `NetlinkError`. */
export function readOwnAddresses({ route }: Pick<Kernel, 'route'>): OwnAddresses | undefined {
  const link = readLinkByName(route, SERVICE_LINK);
  return link === undefined ? undefined : ownAddresses(readAddresses(route, 0), link.index);
}

/** The same of addresses that have been read, `link` being that of services. Pure. */
export function ownAddresses(addresses: readonly Pick<LinkAddress, 'index' | 'address'>[], link: number): OwnAddresses {
  const own = new Set(addresses.filter(({ index }) => index !== link).map(({ address }) => address));
  const set = (family: IpFamily): AddressSet => {
    const all = [...own].filter((address) => familyOf(address) === family).toSorted();
    const cidrs = all.map((address) => `${address}/${hostPrefixLength(family)}`);
    return { ...SETS[family], family, cidrs: [...(family === 'ipv4' ? [LOOPBACK] : []), ...cidrs] };
  };
  return { ipv4: set('ipv4'), ipv6: set('ipv6') };
}

/** Whether both are the same. Pure. */
export function isSameOwn(one: OwnAddresses | undefined, other: OwnAddresses | undefined): boolean {
  const text = (own: OwnAddresses | undefined) => IP_FAMILIES.map((family) => own?.[family].cidrs.join()).join(' ');
  return text(one) === text(other);
}
