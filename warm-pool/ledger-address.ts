/** What a ledger knows of one address. */

import { parseIpv4 } from './address.ts';
import { canonicalIpv6 } from './ipv6.ts';
import { holdingAt } from './ledger-ipv6.ts';
import { expire, orphans } from './ledger.ts';
import { addressesOf, findAddress, findIpv6, type Ledger } from './ledger-state.ts';
import type { AddressBlock, Assignment, NetworkInterface } from './model.ts';
import { valuesOf } from './sharded-map.ts';

export type AddressState =
  | ({ readonly kind: 'assigned'; readonly assignment: Assignment } & Place)
  | ({ readonly kind: 'cooling'; readonly until: number } & Place)
  | ({ readonly kind: 'free' } & Place)
  /** The own address of an interface; given to no pod. */
  | { readonly kind: 'primary'; readonly networkInterface: NetworkInterface }
  /** A pod has it, but no interface of the node holds it any more. */
  | { readonly kind: 'orphaned'; readonly assignment: Assignment }
  /** It rests, and no interface holds it: it was given back, or taken away, before its cool-down was over. */
  | { readonly kind: 'cooling-elsewhere'; readonly until: number }
  | { readonly kind: 'unknown' };

interface Place {
  readonly networkInterface: NetworkInterface;
  readonly block: AddressBlock;
}

/** The use of an address of either family at a time. `unknown` also for what is no address. */
export function addressState(ledger: Ledger, text: string, now: number): AddressState {
  const rested = expire(ledger, now);
  const address = canonicalIpv6(text);
  const value = parseIpv4(address);
  if (value === undefined) return ipv6AddressState(rested, address);
  for (const { networkInterface } of rested.interfaces.values()) {
    if (networkInterface.primaryAddress === address) return { kind: 'primary', networkInterface };
  }
  const orphan = orphans(rested).find((one) => one.address === address);
  if (orphan !== undefined) return { kind: 'orphaned', assignment: orphan };
  const found = findAddress(rested, value);
  if (found === undefined) {
    const until = rested.strayCoolDowns.get(address);
    return until === undefined ? { kind: 'unknown' } : { kind: 'cooling-elsewhere', until };
  }
  const place = { networkInterface: found.state.networkInterface, block: found.block.use.block };
  const until = found.block.cooling.get(value - found.block.base);
  if (until !== undefined) return { kind: 'cooling', until, ...place };
  const assignment = [...valuesOf(rested.attachments)].find((one) => one.address === address);
  return assignment === undefined ? { kind: 'free', ...place } : { kind: 'assigned', assignment, ...place };
}

function ipv6AddressState(rested: Ledger, address: string): AddressState {
  for (const { networkInterface } of rested.interfaces.values()) {
    if (networkInterface.ipv6Address === address) return { kind: 'primary', networkInterface };
  }
  const orphan = rested.orphans.get(address) ?? rested.ipv6Orphans.get(address);
  if (orphan !== undefined) return { kind: 'orphaned', assignment: orphan };
  const found = findIpv6(rested, address);
  if (found === undefined) {
    const until = rested.strayCoolDowns.get(address);
    return until === undefined ? { kind: 'unknown' } : { kind: 'cooling-elsewhere', until };
  }
  const block: AddressBlock = { cidr: found.block.cidr, kind: 'prefix' };
  const place = { networkInterface: found.state.networkInterface, block };
  const holding = holdingAt(found.block, found.position);
  if (holding?.kind === 'cooling') return { kind: 'cooling', until: holding.until, ...place };
  const assignment = [...valuesOf(rested.attachments)].find((one) => addressesOf(one).includes(address));
  return assignment === undefined ? { kind: 'free', ...place } : { kind: 'assigned', assignment, ...place };
}
