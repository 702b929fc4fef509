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
