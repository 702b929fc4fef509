/** What a check says of a node. */

/**
 * error: pods lose packets, or get no address. warning: they may, sooner or later. unknown: it could not be looked at.
 * info: worth knowing. ok: looked at, and right.
 */
export type Severity = 'error' | 'warning' | 'unknown' | 'info' | 'ok';

export interface Finding {
  /** The same in every version: for scripts and runbooks. */
  readonly check: string;
  readonly severity: Severity;
  /** What was seen, in words that name the object. */
  readonly seen: string;
  /** The exact command, or what to do where there is none; null where nothing is to be done. */
  readonly cure: string | null;
  /** A page below docs/runbooks; null where there is none. */
  readonly runbook: string | null;
}

export function ok(check: string, seen: string): Finding {
  return { check, severity: 'ok', seen, cure: null, runbook: null };
}

export function finding(
  check: string,
  severity: Severity,
  seen: string,
  cure: string | null,
  runbook: string | null,
): Finding {
  return { check, severity, seen, cure, runbook };
}

const ORDER: readonly Severity[] = ['error', 'warning', 'unknown', 'info', 'ok'];

/** The gravest first; within a severity as they came. */
export function byGravity(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}
