/** Which interface and which kind of block may host a new pod. Ledger and planner decide by the same rule. */

import { modeOn } from './cards.ts';
import { USABLE_POSITIONS } from './ledger-ipv6.ts';
import { freeIn, isAmong, type InterfaceState, type Leaving, type Ledger } from './ledger-state.ts';
import type { AllocationMode, Family, Subnet } from './model.ts';

const NONE: readonly AllocationMode[] = [];
const PREFIX_ONLY: readonly AllocationMode[] = ['prefix'];
const ADDRESS_ONLY: readonly AllocationMode[] = ['address'];
const PREFIX_THEN_ADDRESS: readonly AllocationMode[] = ['prefix', 'address'];

/**
 * The kinds of block that may host a new pod, best first. Blocks of the other mode, left over from before the mode was
 * switched, are not used: they empty and are released. Except where prefix mode falls back: while the interface's subnet
 * refuses prefixes, single addresses on it are used, after its prefixes.
 */
export function hostingKinds(mode: AllocationMode, subnet: Subnet | undefined, now: number): readonly AllocationMode[] {
  if (mode === 'address') return ADDRESS_ONLY;
  return subnet !== undefined && refusesPrefixes(subnet, now) ? PREFIX_THEN_ADDRESS : PREFIX_ONLY;
}

/** Addresses in a /28. */
const PREFIX_SIZE = 16;

/**
 * Whether a subnet is not to be asked for a prefix: it refused one and its back-off runs, or it was described with fewer
 * addresses than one holds. Of a subnet that was never described (no CIDR) the count is not known.
 */
export function refusesPrefixes({ cidr, availableAddresses, prefixBackOffUntil }: Subnet, now: number): boolean {
  return prefixBackOffUntil > now || (cidr !== '' && availableAddresses < PREFIX_SIZE);
}

/** The kinds of IPv4 block that may host a new pod on a node of a family: none where pods get IPv6 alone. */
export function hostingKindsOf(
  family: Family | undefined,
  mode: AllocationMode,
  subnet: Subnet | undefined,
  now: number,
): readonly AllocationMode[] {
  return family === 'ipv6' ? NONE : hostingKinds(mode, subnet, now);
}

/** `hostingKindsOf` for an interface of the ledger. */
export function usableKinds(ledger: Ledger, state: InterfaceState, now: number): readonly AllocationMode[] {
  const { family, mode } = ledger.config;
  const kind = modeOn(mode, state.networkInterface.networkCardIndex);
  if (family !== 'ipv6' && kind === 'address') return ADDRESS_ONLY;
  return hostingKindsOf(family, kind, ledger.subnets.get(state.networkInterface.subnetId), now);
}

/**
 * Addresses of an interface that can be given out now: none unless it is ready, managed, not excluded, not about to go;
 * none either where the node's pods get an IPv6 address and it has no /80.
 */
export function usableFree(ledger: Ledger, state: InterfaceState, now: number): number {
  const { id, phase, managed, excludedFromPods } = state.networkInterface;
  if (phase !== 'ready' || !managed || excludedFromPods === true || isAmong(ledger.leaving.interfaceIds, id)) return 0;
  const { family = 'ipv4' } = ledger.config;
  if (family === 'ipv6') return freeIpv6(state);
  if (family === 'dual' && state.ipv6.length === 0) return 0;
  const kinds = usableKinds(ledger, state, now);
  let free = 0;
  for (const kind of kinds) free += freeIn(state.tally, kind);
  return ledger.leaving.cidrs.size === 0 ? free : free - leavingFree(ledger.leaving, state, kinds);
}

/** Positions of an interface's /80 prefixes that are neither held nor cooling. */
export function freeIpv6({ ipv6, tally }: InterfaceState): number {
  return ipv6.length * USABLE_POSITIONS - tally.ipv6Assigned - tally.ipv6Cooling;
}

function leavingFree({ cidrs }: Leaving, { blocks }: InterfaceState, kinds: readonly AllocationMode[]): number {
  return blocks.reduce((sum, { use: { block, free } }) => {
    return cidrs.has(block.cidr) && kinds.includes(block.kind) ? sum + free : sum;
  }, 0);
}

/**
 * Order in which interfaces are filled. The primary comes first, because it can never be removed and so a pod on it
 * holds nothing back; then the one with most pods, so that the others drain; then by position on the instance.
 */
export function compareAsHost(a: InterfaceState, b: InterfaceState): number {
  const [x, y] = [a.networkInterface, b.networkInterface];
  return (
    Number(y.isPrimary) - Number(x.isPrimary) ||
    b.tally.assigned + b.tally.alone - a.tally.assigned - a.tally.alone ||
    x.networkCardIndex - y.networkCardIndex ||
    x.deviceIndex - y.deviceIndex ||
    (x.id < y.id ? -1 : 1)
  );
}
