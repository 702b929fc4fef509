/** What the cloud has given to the node: interfaces and their blocks come, change and go. */

import { compareBlocks, overlaps, parseIpv4 } from './address.ts';
import { formatIpv6Prefix, ipv6Prefix } from './ipv6.ts';
import { addressAt, type Block, hold, letGo, newBlock } from './ledger-block.ts';
import { setAsideIpv6, withIpv6Prefixes } from './ledger-ipv6-prefixes.ts';
import {
  attachmentKey,
  findBlock,
  hasOverlap,
  interfaceState,
  type InterfaceState,
  type Ledger,
  putInterface,
  redescribed,
} from './ledger-state.ts';
import type { AddressBlock, Assignment, InterfacePhase, NetworkInterface } from './model.ts';
import { valuesOf, withEntry } from './sharded-map.ts';

/**
 * Adds an interface, or replaces its description and its blocks. Assignments and cool-downs in blocks that stay are
 * kept; those in blocks that go become orphans (see `orphans`), and are taken up again should the address come back.
 * `since` of an interface that is known is never moved later; an exclusion is kept unless the description speaks of it.
 */
export function withInterface(ledger: Ledger, networkInterface: NetworkInterface): Ledger {
  const known = ledger.interfaces.get(networkInterface.id);
  if (known === undefined && networkInterface.ipv6Prefixes === undefined) {
    const placed = putInterface(ledger, interfaceState(networkInterface, [], []));
    return withBlocks(placed, networkInterface.id, networkInterface.blocks);
  }
  const since = Math.min(known?.networkInterface.since ?? networkInterface.since, networkInterface.since);
  const named = new Set(networkInterface.blocks.map((block) => block.cidr));
  const kept = known?.blocks.filter((block) => named.has(block.use.block.cidr)) ?? [];
  const gone = known?.blocks.filter((block) => !named.has(block.use.block.cidr)) ?? [];
  const named6 = new Set(networkInterface.ipv6Prefixes?.map((text) => formatIpv6Prefix(ipv6Prefix(text))));
  const kept6 = known?.ipv6.filter(({ cidr }) => named6.has(cidr)) ?? [];
  const gone6 = known?.ipv6.filter(({ cidr }) => !named6.has(cidr)) ?? [];
  const rest = gone6.reduce(setAsideIpv6, gone.reduce(setAside, ledger));
  const excluded = networkInterface.excludedFromPods ?? known?.networkInterface.excludedFromPods;
  const described = { ...networkInterface, since, ...(excluded === undefined ? {} : { excludedFromPods: excluded }) };
  const placed = putInterface(rest, interfaceState(described, kept, kept6));
  const withIpv4 = withBlocks(placed, networkInterface.id, networkInterface.blocks);
  return withIpv6Prefixes(withIpv4, networkInterface.id, [...named6]);
}

/** Forgets an interface; assignments on it become orphans. The same ledger where the interface is not known. */
export function withoutInterface(ledger: Ledger, id: string): Ledger {
  const state = ledger.interfaces.get(id);
  if (state === undefined) return ledger;
  const rest = state.ipv6.reduce(setAsideIpv6, state.blocks.reduce(setAside, ledger));
  return { ...rest, interfaces: rest.interfaces.without(id) };
}

/** Moves an interface to another phase; its blocks stay. The same ledger where the interface is not known. */
export function withPhase(ledger: Ledger, id: string, phase: InterfacePhase): Ledger {
  const state = ledger.interfaces.get(id);
  if (state === undefined) return ledger;
  return putInterface(ledger, redescribed(state, { phase }));
}

/**
 * Says of every interface whether it is excluded from hosting new pods; where `isExcluded` does not know (`undefined`),
 * what was said before stays. The same ledger where nothing changes.
 */
export function withExclusions(
  ledger: Ledger,
  isExcluded: (networkInterface: NetworkInterface) => boolean | undefined,
): Ledger {
  return [...ledger.interfaces.values()].reduce((next, state) => {
    const { networkInterface } = state;
    const excludedFromPods = isExcluded(networkInterface);
    if (excludedFromPods === undefined || excludedFromPods === (networkInterface.excludedFromPods ?? false))
      return next;
    return putInterface(next, redescribed(state, { excludedFromPods }));
  }, ledger);
}

/**
 * Adds blocks to an interface. A block that another interface held is taken from it: the newest word of the cloud
 * counts, so that no address is ever on two interfaces. Blocks that are there already, and blocks for an interface that
 * is gone, change nothing. Throws RangeError where a CIDR is malformed.
 */
export function withBlocks(ledger: Ledger, id: string, add: readonly AddressBlock[]): Ledger {
  const known = ledger.interfaces.get(id);
  const blocks = known === undefined ? [] : newBlocks(known, add);
  if (blocks.length === 0) return ledger;
  const cleared = clearOverlaps(ledger, blocks);
  const state = cleared.interfaces.get(id);
  if (state === undefined) return cleared;
  const all = [...state.blocks, ...blocks];
  const placed = putInterface(cleared, interfaceState(state.networkInterface, all, state.ipv6));
  return adoptCoolDowns(adoptOrphans(placed, id), id);
}

/** Those that the interface does not hold, each once. */
function newBlocks(state: InterfaceState, add: readonly AddressBlock[]): readonly Block[] {
  const blocks = add.map(newBlock).sort(compareBlocks);
  return blocks.filter(
    (block, place) => !isSame(block, blocks[place - 1]) && !isSame(block, findBlock(state, block.base)?.block),
  );
}

function isSame(block: Block, other: Block | undefined): boolean {
  return other !== undefined && compareBlocks(block, other) === 0;
}

/** Takes blocks from an interface; assignments in them become orphans. CIDRs that are not there change nothing. */
export function withoutBlocks(ledger: Ledger, id: string, cidrs: readonly string[]): Ledger {
  const state = ledger.interfaces.get(id);
  const named = new Set(cidrs);
  const gone = state?.blocks.filter((block) => named.has(block.use.block.cidr)) ?? [];
  if (state === undefined || gone.length === 0) return ledger;
  const rest = gone.reduce(setAside, ledger);
  const kept = state.blocks.filter((block) => !named.has(block.use.block.cidr));
  return putInterface(rest, interfaceState(state.networkInterface, kept, state.ipv6));
}

/** Assignments whose address no interface of the node holds: their pods have lost their address in the cloud. */
export function orphans(ledger: Ledger): readonly Assignment[] {
  return [...ledger.orphans.values()];
}

/** Notes who held or rested in a block that goes. */
function setAside(ledger: Ledger, block: Block): Ledger {
  if (block.held.size === 0 && block.cooling.size === 0) return ledger;
  const lost = new Set([...block.held].map((position) => addressAt(block, position)));
  const holders = lost.size === 0 ? [] : [...valuesOf(ledger.attachments)].filter(({ address }) => lost.has(address));
  const coolDowns = [...block.cooling].map(([position, until]): [string, number] => [
    addressAt(block, position),
    until,
  ]);
  return {
    ...ledger,
    orphans: new Map([...ledger.orphans, ...holders.map((held): [string, Assignment] => [held.address, held])]),
    strayCoolDowns: new Map([...ledger.strayCoolDowns, ...coolDowns]),
  };
}

function clearOverlaps(ledger: Ledger, blocks: readonly Block[]): Ledger {
  return ledger.interfaces.values().reduce((next, state) => {
    if (!blocks.some((block) => hasOverlap(state, block))) return next;
    const stale = state.blocks.filter((old) => blocks.some((block) => overlaps(old, block)));
    return withoutBlocks(
      next,
      state.networkInterface.id,
      stale.map((block) => block.use.block.cidr),
    );
  }, ledger);
}

function adoptOrphans(ledger: Ledger, id: string): Ledger {
  if (ledger.orphans.size === 0) return ledger;
  return [...ledger.orphans.values()].reduce((next, orphan) => {
    const place = locate(next, id, orphan.address);
    if (place === undefined) return next;
    const held = hold(place.block, place.position);
    const assignment = { ...orphan, interfaceId: id, cidr: held.use.block.cidr };
    const remaining = new Map(next.orphans);
    remaining.delete(orphan.address);
    const attachments = withEntry(next.attachments, attachmentKey(orphan.attachment), assignment);
    return place.put({ ...next, orphans: remaining, attachments }, held);
  }, ledger);
}

function adoptCoolDowns(ledger: Ledger, id: string): Ledger {
  if (ledger.strayCoolDowns.size === 0) return ledger;
  return [...ledger.strayCoolDowns].reduce((next, [address, until]) => {
    const place = locate(next, id, address);
    if (place === undefined) return next;
    const remaining = new Map(next.strayCoolDowns);
    remaining.delete(address);
    const settled = { ...next, strayCoolDowns: remaining };
    return place.block.held.has(place.position)
      ? settled
      : place.put(settled, letGo(place.block, place.position, until));
  }, ledger);
}

function locate(ledger: Ledger, id: string, address: string) {
  const state: InterfaceState | undefined = ledger.interfaces.get(id);
  const value = parseIpv4(address);
  const found = state === undefined || value === undefined ? undefined : findBlock(state, value);
  if (state === undefined || value === undefined || found === undefined) return undefined;
  const put = (next: Ledger, block: Block): Ledger => {
    const blocks = state.blocks.with(found.index, block);
    return putInterface(next, interfaceState(state.networkInterface, blocks, state.ipv6));
  };
  return { block: found.block, position: value - found.block.base, put };
}
