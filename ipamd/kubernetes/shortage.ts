/**
 * Whether this node is short of addresses now: pods wait for longer than a moment, or were refused lately. kubelet tries a
 * refused pod again after 10 to 15 seconds, so a shortage is over only when nothing was heard of it for longer than that.
 */
import type { CniError } from '#cni/spec/errors.ts';

export interface Wait {
  readonly since: number;
  readonly why: () => CniError;
}

export interface ShortageInput {
  readonly waits: readonly Wait[];
  /** The last ADD that got no address. */
  readonly refused: { readonly at: number; readonly error: CniError } | undefined;
}

export interface Shortage {
  /** What would be said to a pod that is refused now; undefined: there is no shortage. */
  readonly error: CniError | undefined;
  /** When it may be otherwise without anything happening. */
  readonly lookAgainAt: number | undefined;
}

const MOMENT_MS = 3000;
const QUIET_MS = 45_000;

export function shortageOf({ waits, refused }: ShortageInput, now: number): Shortage {
  const eldest = waits.toSorted((one, other) => one.since - other.since)[0];
  if (eldest !== undefined && now - eldest.since >= MOMENT_MS)
    return { error: eldest.why(), lookAgainAt: now + QUIET_MS };
  const next = eldest === undefined ? undefined : eldest.since + MOMENT_MS;
  if (refused !== undefined && now - refused.at < QUIET_MS)
    return { error: refused.error, lookAgainAt: Math.min(next ?? Infinity, refused.at + QUIET_MS) };
  return { error: undefined, lookAgainAt: next };
}
