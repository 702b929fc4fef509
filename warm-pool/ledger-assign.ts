/** Who holds which address: assign, give back, rest. */

import { ipv4 } from './address.ts';
import { addressAt, type Block, expireBlock, hold, letGo, lowestFree } from './ledger-block.ts';
import { isIpv6Text } from './ipv6.ts';
import { expireIpv6, holdIpv6, ipv6AddressAt, type Ipv6Block, letGoIpv6, lowestFreeIpv6 } from './ledger-ipv6.ts';
import { compareAsHost, usableFree, usableKinds } from './ledger-choice.ts';
import {
  attachmentKey,
  findBlock,
  findIpv6,
  isAmong,
  type InterfaceState,
  type Ledger,
  putInterface,
  replaceBlock,
  replaceBlocks,
  replaceIpv6Block,
  restStray,
} from './ledger-state.ts';
import type { AllocationMode, Assignment, Attachment, CoolDown, PodReference } from './model.ts';
import { valueOf, withEntry, withoutEntry } from './sharded-map.ts';

export type AssignResult =
  | { readonly kind: 'assigned'; readonly ledger: Ledger; readonly assignment: Assignment }
  /** The attachment has an address already: a repeated ADD gets the same one. */
  | { readonly kind: 'already-assigned'; readonly assignment: Assignment }
  | { readonly kind: 'refused'; readonly reason: 'no-free-address' };

export type UnassignResult =
  | {
      readonly kind: 'released';
      readonly ledger: Ledger;
      readonly assignment: Assignment;
      readonly coolDown: CoolDown;
      /** Of the second address, where there is one; both rest equally long. */
      readonly ipv6CoolDown?: CoolDown;
    }
  | { readonly kind: 'unknown' };

/**
 * Gives a free address, or one of each family, to an attachment. The choice is a function of the ledger alone, made so that what is least used
 * drains and can be released; see ledger-choice.ts.
 */
export function assign(
  ledger: Ledger,
  request: {
    readonly attachment: Attachment;
    readonly pod: PodReference;
    /** The network card whose interfaces may give it; absent is 0. */
    readonly networkCardIndex?: number;
  },
  now: number,
): AssignResult {
  const key = attachmentKey(request.attachment);
  const existing = valueOf(ledger.attachments, key);
  if (existing !== undefined) return { kind: 'already-assigned', assignment: existing };
  const rested = expire(ledger, now);
  const host = chooseHost(rested, request.networkCardIndex ?? 0, now);
  const taken = host && addressesOn(rested, host, now);
  if (host === undefined || taken === undefined) return { kind: 'refused', reason: 'no-free-address' };
  const { attachment, pod } = request;
  const interfaceId = host.networkInterface.id;
  const assignment: Assignment = { attachment, pod, ...taken.addresses, interfaceId, assignedAt: now };
  const placed = putInterface(rested, taken.state);
  return {
    kind: 'assigned',
    assignment,
    ledger: { ...placed, attachments: withEntry(placed.attachments, key, assignment) },
  };
}

/** Takes the addresses back from an attachment; they rest until `now` plus the ledger's cool-down. */
export function unassign(ledger: Ledger, attachment: Attachment, now: number): UnassignResult {
  const key = attachmentKey(attachment);
  const assignment = valueOf(ledger.attachments, key);
  if (assignment === undefined) return { kind: 'unknown' };
  const until = now + ledger.config.coolDownMs;
  const coolDown = { address: assignment.address, until };
  const rest = release({ ...ledger, attachments: withoutEntry(ledger.attachments, key) }, assignment, coolDown);
  const { ipv6Address } = assignment;
  if (ipv6Address === undefined) return { kind: 'released', assignment, coolDown, ledger: rest };
  const ipv6CoolDown = { address: ipv6Address, until };
  return { kind: 'released', assignment, coolDown, ipv6CoolDown, ledger: releaseSecond(rest, ipv6CoolDown) };
}

/** The ledger with every cool-down over that ends at or before `now`; the same ledger where none does. */
export function expire(ledger: Ledger, now: number): Ledger {
  if (ledger.coolUntil > now) return ledger;
  const interfaces = ledger.interfaces.map((state) =>
    state.tally.coolUntil > now ? state : expireInterface(state, now),
  );
  let coolUntil = Infinity;
  for (const { tally } of interfaces.values()) coolUntil = Math.min(coolUntil, tally.coolUntil);
  if (ledger.strayCoolDowns.size === 0) return { ...ledger, interfaces, coolUntil };
  const strayCoolDowns = new Map([...ledger.strayCoolDowns].filter(([, until]) => until > now));
  for (const until of strayCoolDowns.values()) coolUntil = Math.min(coolUntil, until);
  return { ...ledger, interfaces, strayCoolDowns, coolUntil };
}

/** The assignment of an attachment. */
export function lookup(ledger: Ledger, attachment: Attachment): Assignment | undefined {
  return valueOf(ledger.attachments, attachmentKey(attachment));
}

function expireInterface(state: InterfaceState, now: number): InterfaceState {
  const changes: [number, Block][] = [];
  for (let index = 0; index < state.blocks.length; index += 1) {
    if ((state.columns.coolUntil[index] ?? Infinity) > now) continue;
    const block = state.blocks[index];
    if (block !== undefined) changes.push([index, expireBlock(block, now)]);
  }
  let expired = changes.length === 0 ? state : replaceBlocks(state, changes);
  for (const [index, block] of state.ipv6.entries()) {
    const after = expireIpv6(block, now);
    if (after !== block) expired = replaceIpv6Block(expired, index, after);
  }
  let coolUntil = Infinity;
  for (const until of expired.columns.coolUntil) coolUntil = Math.min(coolUntil, until);
  for (const { use } of expired.ipv6) coolUntil = Math.min(coolUntil, use.coolUntil ?? Infinity);
  return { ...expired, tally: { ...expired.tally, coolUntil } };
}

/** The first address goes: back to its block, or from the orphans. */
function release(ledger: Ledger, assignment: Assignment, coolDown: CoolDown): Ledger {
  if (isAmong(ledger.orphans, assignment.address)) {
    const orphans = new Map(ledger.orphans);
    orphans.delete(assignment.address);
    return restStray({ ...ledger, orphans }, coolDown);
  }
  if (isIpv6Text(assignment.address)) return freeIpv6Address(ledger, coolDown);
  const state = ledger.interfaces.get(assignment.interfaceId);
  const value = ipv4(assignment.address);
  const place = state === undefined ? undefined : findBlock(state, value);
  if (state === undefined || place === undefined) return restStray(ledger, coolDown);
  const until = ledger.config.coolDownMs > 0 ? coolDown.until : undefined;
  return putInterface(ledger, replaceBlock(state, place.index, letGo(place.block, value - place.block.base, until)));
}

/** The second address goes: back to its /80, wherever that is now, or from the orphans. */
function releaseSecond(ledger: Ledger, coolDown: CoolDown): Ledger {
  if (!ledger.ipv6Orphans.has(coolDown.address)) return freeIpv6Address(ledger, coolDown);
  const ipv6Orphans = new Map(ledger.ipv6Orphans);
  ipv6Orphans.delete(coolDown.address);
  return restStray({ ...ledger, ipv6Orphans }, coolDown);
}

function freeIpv6Address(ledger: Ledger, coolDown: CoolDown): Ledger {
  const place = findIpv6(ledger, coolDown.address);
  if (place === undefined) return restStray(ledger, coolDown);
  const until = ledger.config.coolDownMs > 0 ? coolDown.until : undefined;
  const block = letGoIpv6(place.block, place.position, until);
  return putInterface(ledger, replaceIpv6Block(place.state, place.index, block));
}

function chooseHost(ledger: Ledger, networkCardIndex: number, now: number): InterfaceState | undefined {
  let host: InterfaceState | undefined;
  for (const state of ledger.interfaces.values()) {
    if (state.networkInterface.networkCardIndex !== networkCardIndex) continue;
    if (usableFree(ledger, state, now) === 0) continue;
    if (host === undefined || compareAsHost(state, host) < 0) host = state;
  }
  return host;
}

/** One address of each family that the node's pods get, and the interface once they are held. */
function addressesOn(
  ledger: Ledger,
  host: InterfaceState,
  now: number,
): { readonly addresses: Addresses; readonly state: InterfaceState } | undefined {
  const { family = 'ipv4' } = ledger.config;
  if (family === 'ipv6') {
    const only = takeIpv6(host, true);
    return only && { addresses: { address: only.address, cidr: only.cidr }, state: only.state };
  }
  const first = takeIpv4(ledger, host, now);
  if (first === undefined || family === 'ipv4') return first;
  const second = takeIpv6(first.state, false);
  return second && { addresses: { ...first.addresses, ipv6Address: second.address }, state: second.state };
}

type Addresses = Pick<Assignment, 'address' | 'ipv6Address' | 'cidr'>;

function takeIpv4(ledger: Ledger, host: InterfaceState, now: number) {
  for (const kind of usableKinds(ledger, host, now)) {
    const index = fullestBlock(host, kind, ledger.leaving.cidrs);
    const block = index === undefined ? undefined : host.blocks[index];
    const position = block === undefined ? undefined : lowestFree(block);
    if (index !== undefined && block !== undefined && position !== undefined) {
      const addresses: Addresses = { address: addressAt(block, position), cidr: block.use.block.cidr };
      return { addresses, state: replaceBlock(host, index, hold(block, position)) };
    }
  }
  return undefined;
}

/** The lowest address of the /80 with most pods; the first of several. */
function takeIpv6(host: InterfaceState, alone: boolean) {
  let best: { readonly index: number; readonly block: Ipv6Block } | undefined;
  for (const [index, block] of host.ipv6.entries()) {
    if (best === undefined || block.use.assigned > best.block.use.assigned) best = { index, block };
  }
  if (best === undefined) return undefined;
  const position = lowestFreeIpv6(best.block);
  return {
    address: ipv6AddressAt(best.block, position),
    cidr: best.block.cidr,
    state: replaceIpv6Block(host, best.index, holdIpv6(best.block, position, alone)),
  };
}

/** The block with most assigned addresses that has a free one and is not about to go; the lowest of several, as blocks are in order. */
function fullestBlock(
  { blocks, columns }: InterfaceState,
  kind: AllocationMode,
  leaving: ReadonlySet<string>,
): number | undefined {
  let best: number | undefined;
  let most = -1;
  for (let index = 0; index < blocks.length; index += 1) {
    if (columns.free[index] === 0) continue;
    const use = blocks[index]?.use;
    if (use === undefined || use.assigned <= most) continue;
    if (use.block.kind !== kind || isAmong(leaving, use.block.cidr)) continue;
    // Of single addresses with nobody on them, none is fuller than another.
    if (kind === 'address') return index;
    best = index;
    most = use.assigned;
  }
  return best;
}
