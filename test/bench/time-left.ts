/** How long a run of several parts will still take. */

export interface Expected {
  readonly name: string;
  /** On a machine with two processors and nothing else to do. */
  readonly seconds: number;
}

/** Parts that are over took so many seconds in all; one has run for so long. */
export interface SoFar {
  readonly done: readonly (Expected & { readonly took: number })[];
  readonly current?: Expected & { readonly ran: number };
  readonly rest: readonly Expected[];
}

/** A machine that was twice as slow so far is expected to stay so. Never negative. */
export function secondsLeft({ done, current, rest }: SoFar): number {
  const expected = total(done.map(({ seconds }) => seconds));
  const took = total(done.map((part) => part.took));
  const slowness = expected === 0 ? 1 : took / expected;
  const ofCurrent = current === undefined ? 0 : Math.max(0, slowness * current.seconds - current.ran);
  return ofCurrent + slowness * total(rest.map(({ seconds }) => seconds));
}

/** `7 min`, or `40 s` where it is less than two minutes. */
export function roughly(seconds: number): string {
  return seconds < 120 ? `${Math.max(5, Math.ceil(seconds / 5) * 5)} s` : `${Math.round(seconds / 60)} min`;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
