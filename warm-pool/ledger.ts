/**
 * The ledger: what a node holds, as an immutable value with pure transitions.
 *
 * Promises (held by ledger.property.test.ts): an address is never in two hands; an address that cools is not given out;
 * a repeated assign gets the same address; `free + assigned + cooling` is always what the blocks hold; no assignment
 * vanishes without its unassign, whatever the cloud takes away (`orphans`).
 */

import { leavingBy } from './ledger-cloud.ts';
import type { Ledger, LedgerConfig } from './ledger-state.ts';
import { emptyShardedMap } from './sharded-map.ts';
import { SmallMap } from './small-map.ts';

/** What all ledgers share that have none: who simulates thousands finds them in the cache. */
const NONE: ReadonlyMap<string, never> = new Map<string, never>();

/** A node that holds nothing yet. */
export function emptyLedger(config: LedgerConfig): Ledger {
  return {
    config,
    interfaces: SmallMap.empty,
    attachments: emptyShardedMap(),
    orphans: NONE,
    ipv6Orphans: NONE,
    strayCoolDowns: NONE,
    subnets: NONE,
    inFlight: NONE,
    constraints: [],
    leaving: leavingBy(NONE),
    coolUntil: Infinity,
  };
}

export { withIpv6Prefixes } from './ledger-ipv6-prefixes.ts';
export { assign, expire, lookup, unassign } from './ledger-assign.ts';
export type { AssignResult, UnassignResult } from './ledger-assign.ts';
export { withAssignment, withCoolDown, withLostAssignment } from './ledger-restore.ts';
export type { RestoreResult } from './ledger-restore.ts';
export { withConstraints, withInFlight, withoutInFlight, withSubnetBackOff, withSubnets } from './ledger-cloud.ts';
export {
  orphans,
  withBlocks,
  withExclusions,
  withInterface,
  withoutBlocks,
  withoutInterface,
  withPhase,
} from './ledger-interfaces.ts';
export { cardsInUse, limitsOn, onCard, targetsOn } from './cards.ts';
export type { Card } from './cards.ts';
export { assignments, snapshot, summary } from './ledger-report.ts';
export type { Circumstances, InterfaceSummary, PoolSummary, PoolTotals } from './ledger-report.ts';
export { addressesOf, attachmentKey, useOf } from './ledger-state.ts';
export type { Ledger, LedgerConfig } from './ledger-state.ts';
