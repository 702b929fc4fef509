/** What the outcome of each check means, given what is known of the back end. Pure. */
import { stripVTControlCharacters } from 'node:util';

/** A check that a back end is known to fail: what of it is missing there, and what of the failure's text shows that. */
export interface ExpectedGap {
  readonly reason: string;
  /** In the text of the failure; another failure of the same check is a new gap. */
  readonly failure: string;
}

/** By the check's name: titles of its groups and its own, ` › ` between them. */
export type ExpectedGaps = Readonly<Record<string, ExpectedGap>>;

export interface Outcome {
  readonly check: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  readonly failure: string;
}

export interface Verdict {
  readonly passed: number;
  readonly skipped: number;
  readonly expected: readonly { readonly check: string; readonly reason: string }[];
  /** Each fails the lane. `closed`: a check that was expected to fail passes; `gone`: no check has the name. */
  readonly failed: readonly {
    readonly check: string;
    readonly kind: 'new' | 'closed' | 'gone';
    readonly text: string;
  }[];
}

export function judge(outcomes: readonly Outcome[], gaps: ExpectedGaps): Verdict {
  const expected: { check: string; reason: string }[] = [];
  const failed: { check: string; kind: 'new' | 'closed' | 'gone'; text: string }[] = [];
  let [passed, skipped] = [0, 0];
  for (const { check, status, failure } of outcomes) {
    const gap = gaps[check];
    if (status === 'skipped') skipped += 1;
    else if (status === 'passed' && gap === undefined) passed += 1;
    else if (status === 'passed') failed.push({ check, kind: 'closed', text: gap?.reason ?? '' });
    else if (gap !== undefined && plain(failure).includes(gap.failure)) expected.push({ check, reason: gap.reason });
    else failed.push({ check, kind: 'new', text: plain(failure) });
  }
  const names = new Set(outcomes.map(({ check }) => check));
  for (const check of Object.keys(gaps).filter((name) => !names.has(name))) {
    failed.push({ check, kind: 'gone', text: gaps[check]?.reason ?? '' });
  }
  return { passed, skipped, expected, failed };
}

/** Without the colours of a terminal. */
function plain(text: string): string {
  return stripVTControlCharacters(text);
}

const MEANING = {
  new: 'fails, and no gap is known there',
  closed: 'passes now: take it out of expected-gaps.data.ts',
  gone: 'is in expected-gaps.data.ts, but no check has this name',
} as const;

/** For people: what was tested, and what came of it. */
export function report(subject: string, { passed, skipped, expected, failed }: Verdict): string {
  return [
    `${subject}:`,
    ...expected.map(({ check, reason }) => `gap   ${check}: ${reason}`),
    ...failed.map(({ check, kind, text }) => `FAIL  ${check} ${MEANING[kind]}\n${text.replaceAll(/^/gm, '      ')}`),
    `${String(passed)} passed, ${String(expected.length)} expected gaps, ${String(failed.length)} failed, ${String(skipped)} skipped`,
    '',
  ].join('\n');
}

/** The line that CI reads, of all subjects together. */
export function closingLine(verdicts: readonly Verdict[]): string {
  const sum = (of: (verdict: Verdict) => number): string =>
    String(verdicts.reduce((total, verdict) => total + of(verdict), 0));
  return `${sum((one) => one.passed)} passed, ${sum((one) => one.failed.length)} failed, ${sum((one) => one.skipped)} skipped`;
}
