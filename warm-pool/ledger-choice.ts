/** Which interface and which kind of block may host a new pod. Ledger and planner decide by the same rule. */

import type { InterfaceState, Leaving, Ledger } from './ledger-state.ts';
import type { AllocationMode, Subnet } from './model.ts';

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
  return subnet !== undefined && subnet.prefixBackOffUntil > now ? PREFIX_THEN_ADDRESS : PREFIX_ONLY;
}

/** `hostingKinds` for an interface of the ledger. */
export function usableKinds(ledger: Ledger, state: InterfaceState, now: number): readonly AllocationMode[] {
  return hostingKinds(ledger.config.mode, ledger.subnets.get(state.networkInterface.subnetId), now);
}

/** Addresses of an interface that can be given out now: none unless it is ready, managed, not excluded, not about to go. */
export function usableFree(ledger: Ledger, state: InterfaceState, now: number): number {
  const { id, phase, managed, excludedFromPods } = state.networkInterface;
  if (phase !== 'ready' || !managed || excludedFromPods === true || ledger.leaving.interfaceIds.has(id)) return 0;
  const kinds = usableKinds(ledger, state, now);
  const free = kinds.reduce((sum, kind) => sum + state.tally.free[kind], 0);
  return ledger.leaving.cidrs.size === 0 ? free : free - leavingFree(ledger.leaving, state, kinds);
}

function leavingFree({ cidrs }: Leaving, { use }: InterfaceState, kinds: readonly AllocationMode[]): number {
  return use.blocks.reduce((sum, { block, free }) => {
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
    b.tally.assigned - a.tally.assigned ||
    x.networkCardIndex - y.networkCardIndex ||
    x.deviceIndex - y.deviceIndex ||
    (x.id < y.id ? -1 : 1)
  );
}
