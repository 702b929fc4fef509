/** Who holds which address: assign, give back, rest, and the same from a journal after a restart. */

import { ipv4, parseIpv4 } from './address.ts';
import { addressAt, type Block, expireBlock, hold, letGo, lowestFree } from './ledger-block.ts';
import { compareAsHost, usableFree, usableKinds } from './ledger-choice.ts';
import {
  attachmentKey,
  findAddress,
  findBlock,
  type InterfaceState,
  type Ledger,
  putInterface,
  replaceBlock,
} from './ledger-state.ts';
import type { AllocationMode, Assignment, Attachment, CoolDown, PodReference } from './model.ts';
import { valueOf, withEntry, withoutEntry } from './sharded-map.ts';

export type AssignResult =
  | { readonly kind: 'assigned'; readonly ledger: Ledger; readonly assignment: Assignment }
  /** The attachment has an address already: a repeated ADD gets the same one. */
  | { readonly kind: 'already-assigned'; readonly assignment: Assignment }
  | { readonly kind: 'refused'; readonly reason: 'no-free-address' };

export type UnassignResult =
  | { readonly kind: 'released'; readonly ledger: Ledger; readonly assignment: Assignment; readonly coolDown: CoolDown }
  | { readonly kind: 'unknown' };

export type RestoreResult =
  | { readonly kind: 'restored'; readonly ledger: Ledger; readonly assignment: Assignment }
  | {
      readonly kind: 'refused';
      /** No block holds the address · another attachment has it · the attachment has another address. */
      readonly reason: 'address-unknown' | 'address-taken' | 'attachment-has-another';
    };

/**
 * Gives a free address to an attachment. The choice is a function of the ledger alone, made so that what is least used
 * drains and can be released; see ledger-choice.ts.
 */
export function assign(
  ledger: Ledger,
  request: { readonly attachment: Attachment; readonly pod: PodReference },
  now: number,
): AssignResult {
  const key = attachmentKey(request.attachment);
  const existing = valueOf(ledger.attachments, key);
  if (existing !== undefined) return { kind: 'already-assigned', assignment: existing };
  const rested = expire(ledger, now);
  const place = choose(rested, now);
  if (place === undefined) return { kind: 'refused', reason: 'no-free-address' };
  const { state, index, block, position } = place;
  const assignment: Assignment = {
    attachment: request.attachment,
    pod: request.pod,
    address: addressAt(block, position),
    interfaceId: state.networkInterface.id,
    cidr: block.use.block.cidr,
    assignedAt: now,
  };
  const placed = putInterface(rested, replaceBlock(state, index, hold(block, position)));
  return {
    kind: 'assigned',
    assignment,
    ledger: { ...placed, attachments: withEntry(placed.attachments, key, assignment) },
  };
}

/** Takes the address back from an attachment; it rests until `now` plus the ledger's cool-down. */
export function unassign(ledger: Ledger, attachment: Attachment, now: number): UnassignResult {
  const key = attachmentKey(attachment);
  const assignment = valueOf(ledger.attachments, key);
  if (assignment === undefined) return { kind: 'unknown' };
  const coolDown = { address: assignment.address, until: now + ledger.config.coolDownMs };
  const rest = { ...ledger, attachments: withoutEntry(ledger.attachments, key) };
  if (ledger.orphans.has(assignment.address)) {
    const orphans = new Map(ledger.orphans);
    orphans.delete(assignment.address);
    return { kind: 'released', assignment, coolDown, ledger: restStray({ ...rest, orphans }, coolDown) };
  }
  return { kind: 'released', assignment, coolDown, ledger: free(rest, assignment, coolDown) };
}

/**
 * Recovery: puts an assignment back as the journal tells it. It overrules a cool-down of the address, and is idempotent.
 * `interfaceId` and `cidr` follow what the cloud says now.
 */
export function withAssignment(ledger: Ledger, told: Assignment): RestoreResult {
  const key = attachmentKey(told.attachment);
  const existing = valueOf(ledger.attachments, key);
  if (existing !== undefined) {
    if (existing.address === told.address) return { kind: 'restored', ledger, assignment: existing };
    return { kind: 'refused', reason: 'attachment-has-another' };
  }
  const value = parseIpv4(told.address);
  const place = value === undefined ? undefined : findAddress(ledger, value);
  if (value === undefined || place === undefined) return { kind: 'refused', reason: 'address-unknown' };
  const position = value - place.block.range.base;
  if (place.block.held.has(position)) return { kind: 'refused', reason: 'address-taken' };
  const { id } = place.state.networkInterface;
  const assignment = { ...told, interfaceId: id, cidr: place.block.use.block.cidr };
  const placed = putInterface(ledger, replaceBlock(place.state, place.index, hold(place.block, position)));
  return {
    kind: 'restored',
    assignment,
    ledger: { ...placed, attachments: withEntry(placed.attachments, key, assignment) },
  };
}

/** Recovery: an address rests until a time. Without effect on an address that is assigned; the later of two times counts. */
export function withCoolDown(ledger: Ledger, coolDown: CoolDown): Ledger {
  const value = ipv4(coolDown.address);
  const place = findAddress(ledger, value);
  if (place === undefined) return restStray(ledger, coolDown);
  const position = value - place.block.range.base;
  if (place.block.held.has(position)) return ledger;
  const until = Math.max(coolDown.until, place.block.cooling.get(position) ?? coolDown.until);
  return putInterface(ledger, replaceBlock(place.state, place.index, letGo(place.block, position, until)));
}

/** The ledger with every cool-down over that ends at or before `now`; the same ledger where none does. */
export function expire(ledger: Ledger, now: number): Ledger {
  if (ledger.coolUntil > now) return ledger;
  const interfaces = new Map(ledger.interfaces);
  for (const [id, state] of ledger.interfaces) {
    if (state.tally.coolUntil > now) continue;
    interfaces.set(id, expireInterface(state, now));
  }
  const strayCoolDowns = new Map([...ledger.strayCoolDowns].filter(([, until]) => until > now));
  const ends = [...interfaces.values()].map((state) => state.tally.coolUntil);
  return { ...ledger, interfaces, strayCoolDowns, coolUntil: Math.min(Infinity, ...ends, ...strayCoolDowns.values()) };
}

/** The assignment of an attachment. */
export function lookup(ledger: Ledger, attachment: Attachment): Assignment | undefined {
  return valueOf(ledger.attachments, attachmentKey(attachment));
}

function expireInterface(state: InterfaceState, now: number): InterfaceState {
  const expired = state.blocks.reduce((next, block, index) => {
    const after = expireBlock(block, now);
    return after === block ? next : replaceBlock(next, index, after);
  }, state);
  const coolUntil = expired.use.blocks.reduce((least, use) => Math.min(least, use.coolUntil ?? Infinity), Infinity);
  return { ...expired, tally: { ...expired.tally, coolUntil } };
}

function free(ledger: Ledger, assignment: Assignment, coolDown: CoolDown): Ledger {
  const state = ledger.interfaces.get(assignment.interfaceId);
  const value = ipv4(assignment.address);
  const place = state === undefined ? undefined : findBlock(state, value);
  if (state === undefined || place === undefined) return restStray(ledger, coolDown);
  const until = ledger.config.coolDownMs > 0 ? coolDown.until : undefined;
  return putInterface(
    ledger,
    replaceBlock(state, place.index, letGo(place.block, value - place.block.range.base, until)),
  );
}

function restStray(ledger: Ledger, { address, until }: CoolDown): Ledger {
  const later = Math.max(until, ledger.strayCoolDowns.get(address) ?? until);
  const strayCoolDowns = new Map(ledger.strayCoolDowns).set(address, later);
  return { ...ledger, strayCoolDowns, coolUntil: Math.min(ledger.coolUntil, later) };
}

function choose(ledger: Ledger, now: number) {
  let host: InterfaceState | undefined;
  for (const state of ledger.interfaces.values()) {
    if (usableFree(ledger, state, now) === 0) continue;
    if (host === undefined || compareAsHost(state, host) < 0) host = state;
  }
  if (host === undefined) return undefined;
  for (const kind of usableKinds(ledger, host, now)) {
    const index = fullestBlock(host.blocks, kind, ledger.leaving.cidrs);
    const block = index === undefined ? undefined : host.blocks[index];
    const position = block === undefined ? undefined : lowestFree(block);
    if (index !== undefined && block !== undefined && position !== undefined) {
      return { state: host, index, block, position };
    }
  }
  return undefined;
}

/** The block with most assigned addresses that has a free one and is not about to go; the lowest of several, as blocks are in order. */
function fullestBlock(
  blocks: readonly Block[],
  kind: AllocationMode,
  leaving: ReadonlySet<string>,
): number | undefined {
  let best: number | undefined;
  let most = -1;
  for (const [index, { use }] of blocks.entries()) {
    if (use.block.kind !== kind || use.free === 0 || use.assigned <= most || leaving.has(use.block.cidr)) continue;
    best = index;
    most = use.assigned;
  }
  return best;
}
