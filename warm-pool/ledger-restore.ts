/** Who held which address before, and what rested: put back after a restart as journal and kernel tell it. */

import { ipv4, parseIpv4 } from './address.ts';
import { isIpv6Text } from './ipv6.ts';
import { hold, letGo } from './ledger-block.ts';
import { holdingAt, holdIpv6, letGoIpv6 } from './ledger-ipv6.ts';
import {
  attachmentKey,
  findAddress,
  findIpv6,
  type InterfaceState,
  type Ledger,
  putInterface,
  replaceBlock,
  replaceIpv6Block,
  restStray,
} from './ledger-state.ts';
import type { Assignment, CoolDown } from './model.ts';
import { valueOf, withEntry } from './sharded-map.ts';

export type RestoreResult =
  | { readonly kind: 'restored'; readonly ledger: Ledger; readonly assignment: Assignment }
  | {
      readonly kind: 'refused';
      /** No block holds the address · another attachment has it, or the second one · the attachment has another address. */
      readonly reason: 'address-unknown' | 'address-taken' | 'attachment-has-another';
    };

/**
 * Recovery: puts an assignment back as the journal tells it. It overrules a cool-down of its addresses, and is idempotent.
 * `interfaceId` and `cidr` follow what the cloud says now. A second address that no interface holds is noted as lost.
 */
export function withAssignment(ledger: Ledger, told: Assignment): RestoreResult {
  const key = attachmentKey(told.attachment);
  const existing = valueOf(ledger.attachments, key);
  if (existing !== undefined) {
    const same = existing.address === told.address && existing.ipv6Address === told.ipv6Address;
    if (same) return { kind: 'restored', ledger, assignment: existing };
    return { kind: 'refused', reason: 'attachment-has-another' };
  }
  const place = isIpv6Text(told.address) ? placeOfIpv6(ledger, told.address) : placeOfIpv4(ledger, told.address);
  if (place === undefined) return { kind: 'refused', reason: 'address-unknown' };
  if (place.taken) return { kind: 'refused', reason: 'address-taken' };
  const assignment = { ...told, interfaceId: place.state.networkInterface.id, cidr: place.cidr };
  const placed = putInterface(ledger, place.state);
  const second = withSecond(placed, assignment);
  if (second === undefined) return { kind: 'refused', reason: 'address-taken' };
  return {
    kind: 'restored',
    assignment,
    ledger: { ...second, attachments: withEntry(second.attachments, key, assignment) },
  };
}

/**
 * Recovery: an assignment whose address no interface is known to hold. It waits for the address to come back, or for its
 * unassign, and keeps its word on the interface that it came from. The same ledger where the attachment has an address
 * already, or another one has this address.
 */
export function withLostAssignment(ledger: Ledger, told: Assignment): Ledger {
  const key = attachmentKey(told.attachment);
  if (valueOf(ledger.attachments, key) !== undefined || ledger.orphans.has(told.address)) return ledger;
  const second = withSecond(ledger, told);
  if (second === undefined) return ledger;
  return {
    ...second,
    attachments: withEntry(second.attachments, key, told),
    orphans: new Map(second.orphans).set(told.address, told),
  };
}

/** Recovery: an address rests until a time. Without effect on an address that is assigned; the later of two times counts. */
export function withCoolDown(ledger: Ledger, coolDown: CoolDown): Ledger {
  if (isIpv6Text(coolDown.address)) return withIpv6CoolDown(ledger, coolDown);
  const value = ipv4(coolDown.address);
  const place = findAddress(ledger, value);
  if (place === undefined) return restStray(ledger, coolDown);
  const position = value - place.block.base;
  if (place.block.held.has(position)) return ledger;
  const until = Math.max(coolDown.until, place.block.cooling.get(position) ?? coolDown.until);
  return putInterface(ledger, replaceBlock(place.state, place.index, letGo(place.block, position, until)));
}

function withIpv6CoolDown(ledger: Ledger, coolDown: CoolDown): Ledger {
  const place = findIpv6(ledger, coolDown.address);
  if (place === undefined) return restStray(ledger, coolDown);
  const holding = holdingAt(place.block, place.position);
  if (holding?.kind === 'held') return ledger;
  const until = Math.max(coolDown.until, holding?.until ?? coolDown.until);
  const block = letGoIpv6(place.block, place.position, until);
  return putInterface(ledger, replaceIpv6Block(place.state, place.index, block));
}

/** Where an address lies, and the interface once it is held. */
interface RestoredPlace {
  readonly taken: boolean;
  readonly cidr: string;
  readonly state: InterfaceState;
}

function placeOfIpv4(ledger: Ledger, address: string): RestoredPlace | undefined {
  const value = parseIpv4(address);
  const place = value === undefined ? undefined : findAddress(ledger, value);
  if (value === undefined || place === undefined) return undefined;
  const position = value - place.block.base;
  return {
    taken: place.block.held.has(position),
    cidr: place.block.use.block.cidr,
    state: replaceBlock(place.state, place.index, hold(place.block, position)),
  };
}

function placeOfIpv6(ledger: Ledger, address: string, alone = true): RestoredPlace | undefined {
  const place = findIpv6(ledger, address);
  if (place === undefined) return undefined;
  const { state, index, block, position } = place;
  return {
    taken: holdingAt(block, position)?.kind === 'held',
    cidr: block.cidr,
    state: replaceIpv6Block(state, index, holdIpv6(block, position, alone)),
  };
}

/** The second address of an assignment in its place, or noted as lost; `undefined` where another pod has it. */
function withSecond(ledger: Ledger, assignment: Assignment): Ledger | undefined {
  const { ipv6Address } = assignment;
  if (ipv6Address === undefined) return ledger;
  const place = placeOfIpv6(ledger, ipv6Address, false);
  if (place !== undefined) return place.taken ? undefined : putInterface(ledger, place.state);
  if (ledger.ipv6Orphans.has(ipv6Address)) return undefined;
  return { ...ledger, ipv6Orphans: new Map(ledger.ipv6Orphans).set(ipv6Address, assignment) };
}
