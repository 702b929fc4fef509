/** What a ledger knows of one address. */

import { parseIpv4 } from './address.ts';
import { expire, orphans } from './ledger.ts';
import { findAddress, type Ledger } from './ledger-state.ts';
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

/** The use of an address at a time. `unknown` also for what is no IPv4 address. */
export function addressState(ledger: Ledger, address: string, now: number): AddressState {
  const value = parseIpv4(address);
  if (value === undefined) return { kind: 'unknown' };
  const rested = expire(ledger, now);
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
  const until = found.block.cooling.get(value - found.block.range.base);
  if (until !== undefined) return { kind: 'cooling', until, ...place };
  const assignment = [...valuesOf(rested.attachments)].find((one) => one.address === address);
  return assignment === undefined ? { kind: 'free', ...place } : { kind: 'assigned', assignment, ...place };
}
