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

/** A node that holds nothing yet. */
export function emptyLedger(config: LedgerConfig): Ledger {
  return {
    config,
    interfaces: new Map(),
    attachments: emptyShardedMap(),
    orphans: new Map(),
    strayCoolDowns: new Map(),
    subnets: new Map(),
    inFlight: new Map(),
    leaving: leavingBy(new Map()),
    coolUntil: Infinity,
  };
}

export { assign, expire, lookup, unassign, withAssignment, withCoolDown } from './ledger-assign.ts';
export type { AssignResult, RestoreResult, UnassignResult } from './ledger-assign.ts';
export { withInFlight, withoutInFlight, withSubnetBackOff, withSubnets } from './ledger-cloud.ts';
export {
  orphans,
  withBlocks,
  withExclusions,
  withInterface,
  withoutBlocks,
  withoutInterface,
  withPhase,
} from './ledger-interfaces.ts';
export { assignments, snapshot, summary } from './ledger-report.ts';
export type { Circumstances, InterfaceSummary, PoolSummary, PoolTotals } from './ledger-report.ts';
export { attachmentKey } from './ledger-state.ts';
export type { Ledger, LedgerConfig } from './ledger-state.ts';
