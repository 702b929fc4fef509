/** An ENI's address in another form (flags, prefix length, who added it) without a moment in which the ENI has none. Pure. */
import { familyOf, hostPrefixLength } from '../ip.ts';
import { IFA_F_NOPREFIXROUTE } from '../netlink/constants.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { addAddress, deleteAddress, type LinkAddress } from '../netlink/route/address.ts';

/**
 * The kernel takes all routes of a link away with its last IPv4 address (fib_inetaddr_event), in every table, and those are
 * the way of pods. So while an address of `strays` goes and `own` comes, the link holds `own` once more as a /32, which is
 * another address to the kernel. Without strays the changes are what they were.
 */
export function withBridge(
  own: LinkAddress | undefined,
  strays: readonly LinkAddress[],
  changes: readonly NetlinkRequest[],
): NetlinkRequest[] {
  if (own === undefined || strays.length === 0 || familyOf(own.address) !== 'ipv4') return [...changes];
  const bridge = { ...own, prefixLength: hostPrefixLength('ipv4'), flags: IFA_F_NOPREFIXROUTE, protocol: 0 };
  // A link whose own address is a /32 has no other form of it to stand in.
  if (own.prefixLength === bridge.prefixLength) return [...changes];
  const isStray = strays.some(
    (stray) => stray.address === bridge.address && stray.prefixLength === bridge.prefixLength,
  );
  return [
    ...(isStray ? [] : [addAddress(bridge)]),
    ...changes.filter((change) => !isStray || !removes(change, bridge)),
    deleteAddress(bridge),
  ];
}

function removes(change: NetlinkRequest, address: LinkAddress): boolean {
  return change.what === deleteAddress(address).what;
}
