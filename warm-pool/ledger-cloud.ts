/** What is known of the cloud around the node: subnets, their back-offs, and calls that are under way. */

import type { Leaving, Ledger } from './ledger-state.ts';
import type { Action, Subnet } from './model.ts';

/**
 * Replaces what is known of the subnets. A back-off that still runs is kept even where the new description does not
 * know of it; subnets that are not named are forgotten.
 */
export function withSubnets(ledger: Ledger, subnets: readonly Subnet[]): Ledger {
  const merged = subnets.map((subnet): [string, Subnet] => {
    const known = ledger.subnets.get(subnet.id);
    return [
      subnet.id,
      {
        ...subnet,
        backOffUntil: Math.max(subnet.backOffUntil, known?.backOffUntil ?? 0),
        prefixBackOffUntil: Math.max(subnet.prefixBackOffUntil, known?.prefixBackOffUntil ?? 0),
      },
    ];
  });
  return { ...ledger, subnets: new Map(merged) };
}

/**
 * Nothing (`what: 'all'`), or no prefix (`what: 'prefix'`, after InsufficientCidrBlocks), is asked of a subnet before
 * `until`. Times given replace earlier ones; 0 ends a back-off. A subnet that was never described is noted with no
 * available address, so that nothing is asked of it until it is described.
 */
export function withSubnetBackOff(ledger: Ledger, subnetId: string, what: 'all' | 'prefix', until: number): Ledger {
  const known = ledger.subnets.get(subnetId) ?? {
    id: subnetId,
    cidr: '',
    availableAddresses: 0,
    backOffUntil: 0,
    prefixBackOffUntil: 0,
  };
  const changed = what === 'all' ? { ...known, backOffUntil: until } : { ...known, prefixBackOffUntil: until };
  return { ...ledger, subnets: new Map(ledger.subnets).set(subnetId, changed) };
}

/**
 * Notes an action whose call is under way; the planner counts it as done. What it takes away is given to no pod from
 * here on: do this in the same step as the plan, before the call is sent.
 */
export function withInFlight(ledger: Ledger, actionId: string, action: Action): Ledger {
  return putInFlight(ledger, new Map(ledger.inFlight).set(actionId, action));
}

/** Forgets an action that was answered. Put its result into the ledger in the same step, or it is asked for again. */
export function withoutInFlight(ledger: Ledger, actionId: string): Ledger {
  if (!ledger.inFlight.has(actionId)) return ledger;
  const inFlight = new Map(ledger.inFlight);
  inFlight.delete(actionId);
  return putInFlight(ledger, inFlight);
}

/** What the actions take away. */
export function leavingBy(inFlight: ReadonlyMap<string, Action>): Leaving {
  const actions = [...inFlight.values()];
  return {
    cidrs: new Set(actions.flatMap((action) => (action.kind === 'release' ? action.cidrs : []))),
    interfaceIds: new Set(
      actions.flatMap((action) => (action.kind === 'delete-interface' ? [action.interfaceId] : [])),
    ),
  };
}

function putInFlight(ledger: Ledger, inFlight: ReadonlyMap<string, Action>): Ledger {
  return { ...ledger, inFlight, leaving: leavingBy(inFlight) };
}
