/** The shape of the ledger and the small steps its transitions are made of. Internal; `ledger.ts` is the public face. */

import { blockSize, compareBlocks, type Ipv4, type Ipv4Block, overlaps } from './address.ts';
import type { Block } from './ledger-block.ts';
import type { Ipv6Block } from './ledger-ipv6.ts';
import { parseIpv6 } from './ipv6.ts';
import type { Card } from './cards.ts';
import type {
  Action,
  AddressBlock,
  AllocationMode,
  Assignment,
  Attachment,
  BlockUse,
  CoolDown,
  Family,
  InstanceLimits,
  InterfaceUse,
  NetworkInterface,
  Subnet,
} from './model.ts';
import type { PlanConstraint } from './plan-constraints.ts';
import type { ShardedMap } from './sharded-map.ts';
import type { SmallMap } from './small-map.ts';

/** What does not change while the daemon runs. */
export interface LedgerConfig {
  readonly mode: AllocationMode;
  /** Absent is `ipv4`. */
  readonly family?: Family;
  readonly limits: InstanceLimits;
  /** Network cards that host pods beside card 0 (cards.ts); absent is none. */
  readonly cards?: readonly Card[];
  /** How long a released address rests before it is given out again; 0 for not at all. */
  readonly coolDownMs: number;
}

/** An interface, its blocks in ascending order, and sums over them. */
export interface InterfaceState {
  readonly networkInterface: NetworkInterface;
  readonly blocks: readonly Block[];
  readonly columns: BlockColumns;
  /** Its /80 prefixes, in order of their text. */
  readonly ipv6: readonly Ipv6Block[];
  readonly tally: Tally;
}

/**
 * What is looked for in all blocks of an interface, each in one array beside the others, in their order: a look goes over a few
 * lines of memory, not to every block.
 */
export interface BlockColumns {
  /** First addresses. */
  readonly bases: readonly Ipv4[];
  readonly free: readonly number[];
  /** When the first of its cooling addresses is free again; Infinity where none cools. */
  readonly coolUntil: readonly number[];
}

/** Sums over the blocks of one interface; those without a family's name are about IPv4. */
export interface Tally {
  readonly assigned: number;
  /** Pods that have an IPv6 address alone. */
  readonly alone: number;
  readonly ipv6Assigned: number;
  readonly ipv6Cooling: number;
  readonly cooling: number;
  /** Free addresses that are blocks of their own, and those that lie in prefixes. */
  readonly freeSingle: number;
  readonly freeInPrefixes: number;
  /** No cool-down of the interface ends before this time; Infinity where none runs. */
  readonly coolUntil: number;
}

/** Blocks and interfaces that host no new pod, because the cloud has been told to take them back. */
export interface Leaving {
  readonly cidrs: ReadonlySet<string>;
  readonly interfaceIds: ReadonlySet<string>;
}

/**
 * The truth of one node: what the cloud has given it, who holds which address, what rests, what is under way.
 * An immutable value; every transition returns a new one that shares what did not change.
 */
export interface Ledger {
  readonly config: LedgerConfig;
  readonly interfaces: SmallMap<InterfaceState>;
  /** By `attachmentKey`. */
  readonly attachments: ShardedMap<Assignment>;
  /** Assignments whose address no interface holds any more, by address. They wait for the address or for their DEL. */
  readonly orphans: ReadonlyMap<string, Assignment>;
  /** Dual-stack assignments whose IPv6 address no interface holds any more, by that address. */
  readonly ipv6Orphans: ReadonlyMap<string, Assignment>;
  /** Cool-downs of addresses that no interface holds, by address: such an address may come back before it is rested. */
  readonly strayCoolDowns: ReadonlyMap<string, number>;
  readonly subnets: ReadonlyMap<string, Subnet>;
  readonly inFlight: ReadonlyMap<string, Action>;
  /** What holds actions back beside limits and refusals of the cloud. */
  readonly constraints: readonly PlanConstraint[];
  /** What calls under way are about to take away; follows from `inFlight`. */
  readonly leaving: Leaving;
  /** No cool-down ends before this time; Infinity where none runs. */
  readonly coolUntil: number;
}

/** Whether a text is among others. Nearly always there are none, and a text that is not looked at need not be hashed. */
export function isAmong(others: Pick<ReadonlySet<string>, 'size' | 'has'>, text: string): boolean {
  return others.size > 0 && others.has(text);
}

/** A unique text for an attachment. None of its parts can hold the separator, as they are passed in the environment. */
export function attachmentKey(attachment: Attachment): string {
  return `${attachment.networkName}\u0000${attachment.containerId}\u0000${attachment.ifName}`;
}

/** Every address of an assignment, IPv4 first. */
export function addressesOf({ address, ipv6Address }: Pick<Assignment, 'address' | 'ipv6Address'>): readonly string[] {
  return ipv6Address === undefined ? [address] : [address, ipv6Address];
}

/** The ledger with one interface's state put in place. */
export function putInterface(ledger: Ledger, state: InterfaceState): Ledger {
  const interfaces = ledger.interfaces.with(state.networkInterface.id, state);
  return { ...ledger, interfaces, coolUntil: Math.min(ledger.coolUntil, state.tally.coolUntil) };
}

/** An interface's state made from its description and its blocks and /80 prefixes, in any order. */
export function interfaceState(
  networkInterface: NetworkInterface,
  unsorted: readonly Block[],
  unsortedIpv6: readonly Ipv6Block[],
): InterfaceState {
  const blocks = unsorted.toSorted(compareBlocks);
  const named = blocks.map((block): AddressBlock => block.use.block);
  const described = { ...withoutIpv6Prefixes(networkInterface), blocks: named };
  const state: InterfaceState = {
    networkInterface: described,
    blocks,
    columns: {
      bases: blocks.map(({ base }) => base),
      free: blocks.map(({ use }) => use.free),
      coolUntil: blocks.map(({ use }) => use.coolUntil ?? Infinity),
    },
    ipv6: NO_IPV6,
    tally: tallyOf(blocks),
  };
  return unsortedIpv6.length === 0 ? state : withIpv6Blocks(state, unsortedIpv6);
}

/** The state of the same interface in another phase, or otherwise described; its blocks and /80 prefixes stay. */
export function redescribed(state: InterfaceState, changed: Partial<NetworkInterface>): InterfaceState {
  const networkInterface = { ...state.networkInterface, ...changed };
  return { ...state, networkInterface };
}

/** The interface as the planner sees it. */
export function useOf({ networkInterface, blocks, ipv6 }: InterfaceState): InterfaceUse {
  const uses = blocks.map(({ use }) => use);
  if (ipv6.length === 0) return { networkInterface, blocks: uses };
  return { networkInterface, blocks: uses, ipv6: ipv6.map(({ use }) => use) };
}

const NO_IPV6: readonly Ipv6Block[] = [];

function withoutIpv6Prefixes(networkInterface: NetworkInterface): NetworkInterface {
  if (!('ipv6Prefixes' in networkInterface)) return networkInterface;
  const { ipv6Prefixes: _, ...rest } = networkInterface;
  return rest;
}

function withIpv6Blocks(state: InterfaceState, unsorted: readonly Ipv6Block[]): InterfaceState {
  const ipv6 = unsorted.toSorted((a, b) => (a.cidr < b.cidr ? -1 : 1));
  const networkInterface = { ...state.networkInterface, ipv6Prefixes: ipv6.map(({ cidr }) => cidr) };
  return {
    networkInterface,
    blocks: state.blocks,
    columns: state.columns,
    ipv6,
    tally: ipv6.reduce((tally, block) => addIpv6ToTally(tally, block, 1), state.tally),
  };
}

/** Free addresses by the kind of block they lie in. */
export function freeIn({ freeSingle, freeInPrefixes }: Tally, kind: AllocationMode): number {
  return kind === 'prefix' ? freeInPrefixes : freeSingle;
}

/** The state with the block at `index` replaced by the same block in another use. */
export function replaceBlock(state: InterfaceState, index: number, block: Block): InterfaceState {
  return replaceBlocks(state, [[index, block]]);
}

/** The state with several blocks replaced, each by the same block in another use. */
export function replaceBlocks(state: InterfaceState, changes: readonly (readonly [number, Block])[]): InterfaceState {
  const blocks = state.blocks.slice();
  const free = state.columns.free.slice();
  const coolUntil = state.columns.coolUntil.slice();
  const sums = new Sums(state.tally);
  for (const [index, block] of changes) {
    const before = blocks[index];
    if (before !== undefined) sums.add(before.use, -1);
    sums.add(block.use, 1);
    blocks[index] = block;
    free[index] = block.use.free;
    coolUntil[index] = block.use.coolUntil ?? Infinity;
  }
  const columns = { bases: state.columns.bases, free, coolUntil };
  return { ...state, blocks, columns, tally: sums.tally() };
}

/** The state with the /80 at `index` replaced by the same /80 in another use. */
export function replaceIpv6Block(state: InterfaceState, index: number, block: Ipv6Block): InterfaceState {
  const before = state.ipv6[index];
  const rest = before === undefined ? state.tally : addIpv6ToTally(state.tally, before, -1);
  return {
    ...state,
    ipv6: state.ipv6.with(index, block),
    tally: addIpv6ToTally(rest, block, 1),
  };
}

/** Where an address lies in an interface; `undefined` where it lies in none of its blocks. */
export function findBlock(state: InterfaceState, address: Ipv4): { index: number; block: Block } | undefined {
  const index = lastUpTo(state.columns.bases, address);
  const block = state.blocks[index];
  return block !== undefined && address - block.base < block.size ? { index, block } : undefined;
}

/** Whether a block of an interface has an address in common with the range. */
export function hasOverlap({ columns: { bases }, blocks }: InterfaceState, range: Ipv4Block): boolean {
  // Of blocks that have no address in common, none but the last to begin before the range ends can.
  const last = blocks[lastUpTo(bases, range.base + blockSize(range) - 1)];
  return last !== undefined && overlaps(last, range);
}

/** The place of the last block that does not begin after the address; -1 where all do. */
function lastUpTo(bases: readonly Ipv4[], address: Ipv4): number {
  let [index, high] = [-1, bases.length - 1];
  // All up to `index` are such, and none after `high`.
  while (index < high) {
    const middle = (index + high + 1) >> 1;
    if ((bases[middle] ?? Infinity) <= address) index = middle;
    else high = middle - 1;
  }
  return index;
}

/** Where an address lies on the node. */
export function findAddress(
  ledger: Ledger,
  address: Ipv4,
): { state: InterfaceState; index: number; block: Block } | undefined {
  for (const state of ledger.interfaces.values()) {
    const found = findBlock(state, address);
    if (found !== undefined) return { state, ...found };
  }
  return undefined;
}

/** Where an IPv6 address lies on the node; its position may be free, held or cooling. */
export function findIpv6(
  ledger: Pick<Ledger, 'interfaces'>,
  address: string,
): { state: InterfaceState; index: number; block: Ipv6Block; position: number } | undefined {
  const parsed = parseIpv6(address);
  if (parsed === undefined) return undefined;
  for (const state of ledger.interfaces.values()) {
    const index = state.ipv6.findIndex(({ network }) => network === parsed.network);
    const block = state.ipv6[index];
    if (block !== undefined) return { state, index, block, position: parsed.position };
  }
  return undefined;
}

/** An address rests that no interface holds; the later of two times counts. */
export function restStray(ledger: Ledger, { address, until }: CoolDown): Ledger {
  const later = Math.max(until, ledger.strayCoolDowns.get(address) ?? until);
  const strayCoolDowns = new Map(ledger.strayCoolDowns).set(address, later);
  return { ...ledger, strayCoolDowns, coolUntil: Math.min(ledger.coolUntil, later) };
}

const EMPTY_TALLY: Tally = {
  assigned: 0,
  alone: 0,
  ipv6Assigned: 0,
  ipv6Cooling: 0,
  cooling: 0,
  freeSingle: 0,
  freeInPrefixes: 0,
  coolUntil: Infinity,
};

function addIpv6ToTally(tally: Tally, { use }: Ipv6Block, sign: 1 | -1): Tally {
  return {
    ...tally,
    alone: tally.alone + sign * use.alone,
    ipv6Assigned: tally.ipv6Assigned + sign * use.assigned,
    ipv6Cooling: tally.ipv6Cooling + sign * use.cooling,
    coolUntil: sign > 0 ? Math.min(tally.coolUntil, use.coolUntil ?? Infinity) : tally.coolUntil,
  };
}

function tallyOf(blocks: readonly Block[]): Tally {
  const sums = new Sums(EMPTY_TALLY);
  for (const { use } of blocks) sums.add(use, 1);
  return sums.tally();
}

/** A tally while it is added up. */
class Sums {
  readonly #start: Tally;
  #assigned: number;
  #cooling: number;
  #freeSingle: number;
  #freeInPrefixes: number;
  #coolUntil: number;

  constructor(start: Tally) {
    this.#start = start;
    this.#assigned = start.assigned;
    this.#cooling = start.cooling;
    this.#freeSingle = start.freeSingle;
    this.#freeInPrefixes = start.freeInPrefixes;
    this.#coolUntil = start.coolUntil;
  }

  add({ block, assigned, cooling, free, coolUntil }: BlockUse, sign: 1 | -1): void {
    this.#assigned += sign * assigned;
    this.#cooling += sign * cooling;
    if (block.kind === 'prefix') this.#freeInPrefixes += sign * free;
    else this.#freeSingle += sign * free;
    // A time that is too early costs one look in vain; a time that is too late would hold an address back.
    if (sign > 0 && coolUntil !== undefined && coolUntil < this.#coolUntil) this.#coolUntil = coolUntil;
  }

  tally(): Tally {
    const { alone, ipv6Assigned, ipv6Cooling } = this.#start;
    return {
      assigned: this.#assigned,
      alone,
      ipv6Assigned,
      ipv6Cooling,
      cooling: this.#cooling,
      freeSingle: this.#freeSingle,
      freeInPrefixes: this.#freeInPrefixes,
      coolUntil: this.#coolUntil,
    };
  }
}
