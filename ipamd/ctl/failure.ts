/** How the command fails: three lines (what, why, what to do) and an exit status. */

export interface FailureText {
  readonly what: string;
  readonly why: string;
  readonly fix: string;
}

/** 1: it could not be answered. 2: it was asked wrongly. 130 and 143: SIGINT or SIGTERM ended it. */
export type FailureStatus = 1 | 2 | 130 | 143;

export class Failure extends Error {
  readonly exitCode: FailureStatus;
  readonly text: FailureText;
  /** The daemon's own answer, where there is one: what `--json` prints. */
  readonly answer: unknown;

  constructor(exitCode: FailureStatus, text: FailureText, answer?: unknown) {
    super(text.what);
    this.name = 'Failure';
    this.exitCode = exitCode;
    this.text = text;
    this.answer = answer;
  }
}

export function usage(what: string, why: string, fix = 'See `wellspringctl --help`.'): Failure {
  return new Failure(2, { what, why, fix });
}

/** The three lines, each ended. */
export function failureLines({ what, why, fix }: FailureText): string {
  const flat = (text: string) => text.replaceAll(/\s*\n\s*/g, ' ');
  return `wellspringctl: ${flat(what)}\nwhy: ${flat(why)}\ndo:  ${flat(fix)}\n`;
}
