/** /80 prefixes come to interfaces and go: who held an address in one is set aside, and taken up again when it returns. */

import { formatIpv6Prefix, ipv6Prefix, isIpv6Text, parseIpv6 } from './ipv6.ts';
import {
  coolingIn,
  heldIn,
  holdingAt,
  holdIpv6,
  ipv6AddressAt,
  type Ipv6Block,
  letGoIpv6,
  newIpv6Block,
} from './ledger-ipv6.ts';
import {
  attachmentKey,
  interfaceState,
  type InterfaceState,
  type Ledger,
  putInterface,
  replaceIpv6Block,
} from './ledger-state.ts';
import type { Assignment } from './model.ts';
import { valuesOf, withEntry } from './sharded-map.ts';

/**
 * Adds /80 prefixes to an interface. One that another interface held is taken from it: the newest word of the cloud
 * counts. Prefixes that are there already, and those for an interface that is gone, change nothing. Throws RangeError
 * where a prefix is no /80.
 */
export function withIpv6Prefixes(ledger: Ledger, id: string, add: readonly string[]): Ledger {
  const known = new Set(ledger.interfaces.get(id)?.ipv6.map(({ cidr }) => cidr));
  const fresh = [...new Set(add.map((text) => formatIpv6Prefix(ipv6Prefix(text))))].filter((cidr) => !known.has(cidr));
  if (fresh.length === 0 || !ledger.interfaces.has(id)) return ledger;
  const cleared = [...ledger.interfaces.keys()].reduce(
    (next, other) => withoutIpv6Prefixes(next, other, fresh),
    ledger,
  );
  const state = cleared.interfaces.get(id);
  if (state === undefined) return cleared;
  const ipv6 = [...state.ipv6, ...fresh.map(newIpv6Block)];
  const placed = putInterface(cleared, interfaceState(state.networkInterface, state.blocks, ipv6));
  return adoptCoolDowns(adoptSecond(adoptOrphans(placed, id), id), id);
}

/** Takes /80 prefixes from an interface; pods with an address in them are left without it. */
export function withoutIpv6Prefixes(ledger: Ledger, id: string, cidrs: readonly string[]): Ledger {
  const state = ledger.interfaces.get(id);
  const gone = state?.ipv6.filter(({ cidr }) => cidrs.includes(cidr)) ?? [];
  if (state === undefined || gone.length === 0) return ledger;
  const kept = state.ipv6.filter(({ cidr }) => !cidrs.includes(cidr));
  const rest = gone.reduce(setAsideIpv6, ledger);
  return putInterface(rest, interfaceState(state.networkInterface, state.blocks, kept));
}

/** Notes who held or rested in a /80 that goes. */
export function setAsideIpv6(ledger: Ledger, block: Ipv6Block): Ledger {
  if (block.held.size === 0 && block.cooling.size === 0) return ledger;
  const lost = new Set(heldIn(block).map((position) => ipv6AddressAt(block, position)));
  const holders = lost.size === 0 ? [] : [...valuesOf(ledger.attachments)];
  const alone = holders.filter(({ address }) => lost.has(address));
  const beside = holders.flatMap((held): [string, Assignment][] =>
    held.ipv6Address !== undefined && lost.has(held.ipv6Address) ? [[held.ipv6Address, held]] : [],
  );
  const coolDowns = coolingIn(block).map(({ position, until }): [string, number] => [
    ipv6AddressAt(block, position),
    until,
  ]);
  return {
    ...ledger,
    orphans: new Map([...ledger.orphans, ...alone.map((held): [string, Assignment] => [held.address, held])]),
    ipv6Orphans: new Map([...ledger.ipv6Orphans, ...beside]),
    strayCoolDowns: new Map([...ledger.strayCoolDowns, ...coolDowns]),
  };
}

function adoptOrphans(ledger: Ledger, id: string): Ledger {
  return [...ledger.orphans.values()].reduce((next, orphan) => {
    const place = locate(next, id, orphan.address);
    if (place === undefined) return next;
    const assignment = { ...orphan, interfaceId: id, cidr: place.block.cidr };
    const attachments = withEntry(next.attachments, attachmentKey(orphan.attachment), assignment);
    const settled = { ...next, orphans: without(next.orphans, orphan.address), attachments };
    return place.put(settled, holdIpv6(place.block, place.position, true));
  }, ledger);
}

function adoptSecond(ledger: Ledger, id: string): Ledger {
  return [...ledger.ipv6Orphans.keys()].reduce((next, address) => {
    const place = locate(next, id, address);
    if (place === undefined) return next;
    const settled = { ...next, ipv6Orphans: without(next.ipv6Orphans, address) };
    return place.put(settled, holdIpv6(place.block, place.position, false));
  }, ledger);
}

function adoptCoolDowns(ledger: Ledger, id: string): Ledger {
  return [...ledger.strayCoolDowns].reduce((next, [address, until]) => {
    const place = isIpv6Text(address) ? locate(next, id, address) : undefined;
    if (place === undefined) return next;
    const settled = { ...next, strayCoolDowns: without(next.strayCoolDowns, address) };
    if (holdingAt(place.block, place.position)?.kind === 'held') return settled;
    return place.put(settled, letGoIpv6(place.block, place.position, until));
  }, ledger);
}

function locate(ledger: Ledger, id: string, address: string) {
  const state: InterfaceState | undefined = ledger.interfaces.get(id);
  const parsed = parseIpv6(address);
  const index = state?.ipv6.findIndex(({ network }) => network === parsed?.network) ?? -1;
  const block = state?.ipv6[index];
  if (state === undefined || parsed === undefined || block === undefined) return undefined;
  const put = (next: Ledger, changed: Ipv6Block): Ledger => putInterface(next, replaceIpv6Block(state, index, changed));
  return { block, position: parsed.position, put };
}

function without<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
