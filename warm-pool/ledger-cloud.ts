/** What is known of the cloud around the node: subnets, their back-offs, and calls that are under way. */

import type { Leaving, Ledger } from './ledger-state.ts';
import type { Action, Subnet } from './model.ts';
import type { PlanConstraint } from './plan-constraints.ts';

/**
 * Replaces what is known of the subnets. A back-off that still runs is kept even where the new description does not
 * know of it; subnets that are not named are forgotten.
 */
export function withSubnets(ledger: Ledger, subnets: readonly Subnet[]): Ledger {
  const merged = subnets.map((subnet): [string, Subnet] => {
    const known = ledger.subnets.get(subnet.id);
    const ipv6BackOffUntil = Math.max(subnet.ipv6BackOffUntil ?? 0, known?.ipv6BackOffUntil ?? 0);
    return [
      subnet.id,
      {
        ...subnet,
        ...(ipv6BackOffUntil > 0 ? { ipv6BackOffUntil } : {}),
        backOffUntil: Math.max(subnet.backOffUntil, known?.backOffUntil ?? 0),
        prefixBackOffUntil: Math.max(subnet.prefixBackOffUntil, known?.prefixBackOffUntil ?? 0),
      },
    ];
  });
  return { ...ledger, subnets: new Map(merged) };
}

const BACK_OFF_OF = {
  all: 'backOffUntil',
  prefix: 'prefixBackOffUntil',
  ipv6: 'ipv6BackOffUntil',
} as const satisfies Record<string, keyof Subnet>;

/**
 * Nothing (`what: 'all'`), no /28 (`what: 'prefix'`, after InsufficientCidrBlocks) or no /80 (`what: 'ipv6'`) is asked of
 * a subnet before `until`. Times given replace earlier ones; 0 ends a back-off. A subnet that was never described is noted with no
 * available address, so that nothing is asked of it until it is described.
 */
export function withSubnetBackOff(
  ledger: Ledger,
  subnetId: string,
  what: 'all' | 'prefix' | 'ipv6',
  until: number,
): Ledger {
  const known = ledger.subnets.get(subnetId) ?? {
    id: subnetId,
    cidr: '',
    availableAddresses: 0,
    backOffUntil: 0,
    prefixBackOffUntil: 0,
  };
  return { ...ledger, subnets: new Map(ledger.subnets).set(subnetId, { ...known, [BACK_OFF_OF[what]]: until }) };
}

/**
 * Notes an action whose call is under way; the planner counts it as done. What it takes away is given to no pod from
 * here on: do this in the same step as the plan, before the call is sent.
 */
export function withInFlight(ledger: Ledger, actionId: string, action: Action): Ledger {
  return putInFlight(ledger, new Map(ledger.inFlight).set(actionId, action));
}

/** Replaces what holds actions back. The same ledger where nothing changes. */
export function withConstraints(ledger: Ledger, constraints: readonly PlanConstraint[]): Ledger {
  return JSON.stringify(constraints) === JSON.stringify(ledger.constraints) ? ledger : { ...ledger, constraints };
}

/** Forgets an action that was answered. Put its result into the ledger in the same step, or it is asked for again. */
export function withoutInFlight(ledger: Ledger, actionId: string): Ledger {
  if (!ledger.inFlight.has(actionId)) return ledger;
  if (ledger.inFlight.size === 1) return putInFlight(ledger, NONE_IN_FLIGHT);
  const inFlight = new Map(ledger.inFlight);
  inFlight.delete(actionId);
  return putInFlight(ledger, inFlight);
}

/** What the actions take away. */
export function leavingBy(inFlight: ReadonlyMap<string, Action>): Leaving {
  if (inFlight.size === 0) return NOTHING_LEAVES;
  const actions = [...inFlight.values()];
  return {
    cidrs: new Set(actions.flatMap((action) => (action.kind === 'release' ? action.cidrs : []))),
    interfaceIds: new Set(
      actions.flatMap((action) => (action.kind === 'delete-interface' ? [action.interfaceId] : [])),
    ),
  };
}

const NONE_IN_FLIGHT: ReadonlyMap<string, Action> = new Map();
const NOTHING_LEAVES: Leaving = { cidrs: new Set(), interfaceIds: new Set() };

function putInFlight(ledger: Ledger, inFlight: ReadonlyMap<string, Action>): Ledger {
  return { ...ledger, inFlight, leaving: leavingBy(inFlight) };
}
