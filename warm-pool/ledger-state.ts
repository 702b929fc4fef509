/** The shape of the ledger and the small steps its transitions are made of. Internal; `ledger.ts` is the public face. */

import { compareBlocks, compareIpv4, contains, type Ipv4 } from './address.ts';
import type { Block } from './ledger-block.ts';
import type {
  Action,
  AddressBlock,
  AllocationMode,
  Assignment,
  Attachment,
  InstanceLimits,
  InterfaceUse,
  NetworkInterface,
  Subnet,
} from './model.ts';
import type { ShardedMap } from './sharded-map.ts';

/** What does not change while the daemon runs. */
export interface LedgerConfig {
  readonly mode: AllocationMode;
  readonly limits: InstanceLimits;
  /** How long a released address rests before it is given out again; 0 for not at all. */
  readonly coolDownMs: number;
}

/** An interface, its blocks in ascending order, and sums over them. */
export interface InterfaceState {
  readonly networkInterface: NetworkInterface;
  readonly blocks: readonly Block[];
  readonly use: InterfaceUse;
  readonly tally: Tally;
}

/** Sums over the blocks of one interface. */
export interface Tally {
  readonly assigned: number;
  readonly cooling: number;
  /** Free addresses by the kind of block they lie in. */
  readonly free: Readonly<Record<AllocationMode, number>>;
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
  readonly interfaces: ReadonlyMap<string, InterfaceState>;
  /** By `attachmentKey`. */
  readonly attachments: ShardedMap<Assignment>;
  /** Assignments whose address no interface holds any more, by address. They wait for the address or for their DEL. */
  readonly orphans: ReadonlyMap<string, Assignment>;
  /** Cool-downs of addresses that no interface holds, by address: such an address may come back before it is rested. */
  readonly strayCoolDowns: ReadonlyMap<string, number>;
  readonly subnets: ReadonlyMap<string, Subnet>;
  readonly inFlight: ReadonlyMap<string, Action>;
  /** What calls under way are about to take away; follows from `inFlight`. */
  readonly leaving: Leaving;
  /** No cool-down ends before this time; Infinity where none runs. */
  readonly coolUntil: number;
}

/** A unique text for an attachment. None of its parts can hold the separator, as they are passed in the environment. */
export function attachmentKey(attachment: Attachment): string {
  return `${attachment.networkName}\u0000${attachment.containerId}\u0000${attachment.ifName}`;
}

/** The ledger with one interface's state put in place. */
export function putInterface(ledger: Ledger, state: InterfaceState): Ledger {
  const interfaces = new Map(ledger.interfaces).set(state.networkInterface.id, state);
  return { ...ledger, interfaces, coolUntil: Math.min(ledger.coolUntil, state.tally.coolUntil) };
}

/** An interface's state made from its description and its blocks, in any order. */
export function interfaceState(networkInterface: NetworkInterface, unsorted: readonly Block[]): InterfaceState {
  const blocks = unsorted.toSorted((a, b) => compareBlocks(a.range, b.range));
  const described = { ...networkInterface, blocks: blocks.map((block): AddressBlock => block.use.block) };
  return {
    networkInterface: described,
    blocks,
    use: { networkInterface: described, blocks: blocks.map((block) => block.use) },
    tally: blocks.reduce((tally, block) => addToTally(tally, block, 1), EMPTY_TALLY),
  };
}

/** The state with the block at `index` replaced by the same block in another use. */
export function replaceBlock(state: InterfaceState, index: number, block: Block): InterfaceState {
  const before = state.blocks[index];
  const rest = before === undefined ? state.tally : addToTally(state.tally, before, -1);
  return {
    networkInterface: state.networkInterface,
    blocks: state.blocks.with(index, block),
    use: { networkInterface: state.networkInterface, blocks: state.use.blocks.with(index, block.use) },
    tally: addToTally(rest, block, 1),
  };
}

/** Where an address lies in an interface; `undefined` where it lies in none of its blocks. */
export function findBlock(state: InterfaceState, address: Ipv4): { index: number; block: Block } | undefined {
  let low = 0;
  let high = state.blocks.length - 1;
  while (low <= high) {
    const index = (low + high) >> 1;
    const block = state.blocks[index];
    if (block === undefined) return undefined;
    if (contains(block.range, address)) return { index, block };
    if (compareIpv4(block.range.base, address) < 0) low = index + 1;
    else high = index - 1;
  }
  return undefined;
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

const EMPTY_TALLY: Tally = { assigned: 0, cooling: 0, free: { address: 0, prefix: 0 }, coolUntil: Infinity };

function addToTally(tally: Tally, { use }: Block, sign: 1 | -1): Tally {
  const free = tally.free[use.block.kind] + sign * use.free;
  return {
    assigned: tally.assigned + sign * use.assigned,
    cooling: tally.cooling + sign * use.cooling,
    free: use.block.kind === 'prefix' ? { ...tally.free, prefix: free } : { ...tally.free, address: free },
    // A time that is too early costs one look in vain; a time that is too late would hold an address back.
    coolUntil: sign > 0 ? Math.min(tally.coolUntil, use.coolUntil ?? Infinity) : tally.coolUntil,
  };
}
