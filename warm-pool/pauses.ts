/** How long the daemon waits after a refusal before it asks again. One rule for the daemon and the simulator. Pure; milliseconds. */

const FIRST_NODE_PAUSE_MS = 500;
const FIRST_SUBNET_PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 60_000;
/** Addresses stand in for prefixes meanwhile, and on a full interface each new try costs one of them. */
const LONGEST_PREFIX_PAUSE_MS = 900_000;

/** After a failure that concerns the whole node, the `failures`-th before it in a row (0 for the first). */
export function nodePause(failures: number): number {
  return Math.min(FIRST_NODE_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
}

/** After a subnet refused, `refusals` times before; `prefix`: it has addresses and no /28. */
export function subnetPause(refusals: number, what: 'all' | 'prefix'): number {
  const longest = what === 'prefix' ? LONGEST_PREFIX_PAUSE_MS : LONGEST_PAUSE_MS;
  return Math.min(FIRST_SUBNET_PAUSE_MS * 2 ** refusals, longest);
}

/** The longest pause before the next attempt of one request, after so many failures of it (1 for the first). */
export function attemptPause(failures: number, firstMs = 200, longestMs = 5000): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(20, failures - 1));
}

/** How much depends on a call: on an `urgent` one a pod that waits, on a `patient` one nothing that anybody waits for. */
export type Urgency = 'urgent' | 'usual' | 'patient';

/**
 * The longest pause before a `patient` request that EC2 throttled is sent again. The limit is the account's, for all nodes and
 * whoever else calls EC2: what only keeps the pool at its targets leaves it to those that need it.
 */
export function patientPause(failures: number): number {
  return attemptPause(failures, 10_000, 30_000);
}

/** So often a call that pauses looks whether it has become urgent. */
export const URGENCY_LOOK_MS = 1000;

const FIRST_DETACH_PAUSE_MS = 100;
const LONGEST_DETACH_PAUSE_MS = 5000;

/**
 * How long a node waits for its detachments. EC2 takes some seconds for one, as many for the next, and refuses to delete the
 * interface until then; so the wait before the first attempt follows what the last ones took, and few attempts are in vain.
 */
export interface DetachPace {
  /** Before the first attempt to delete; 0 until one was seen. */
  readonly waitMs: number;
}

/** The pause before the next attempt to delete, after so many that were refused because the interface was in use. */
export function detachPause({ waitMs }: DetachPace, refusals: number): number {
  if (refusals === 0) return waitMs;
  return Math.min(LONGEST_DETACH_PAUSE_MS, Math.max(FIRST_DETACH_PAUSE_MS, waitMs / 2) * 2 ** (refusals - 1));
}

/** The pace after a deletion that took `tookMs` from the answer of the detachment on, with so many refusals. */
export function withDetachment({ waitMs }: DetachPace, tookMs: number, refusals: number): DetachPace {
  const next = refusals === 0 ? waitMs * 0.9 : (waitMs + Math.min(tookMs, 4 * LONGEST_DETACH_PAUSE_MS)) / 2;
  return { waitMs: next < FIRST_DETACH_PAUSE_MS ? 0 : Math.round(next) };
}
