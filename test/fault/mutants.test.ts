/** The fault test finds what it is there for: each planted bug, within a bounded number of seeds. */
import { describe, expect, it } from '@jest/globals';
import { MUTANTS } from './mutants.ts';
import { run } from './run.ts';
import type { Violation } from './world.ts';

const MOST_SEEDS = 150;
const STEPS = 30;

async function firstViolation(name: string): Promise<Violation | undefined> {
  for (let seed = 1; seed <= MOST_SEEDS; seed += 1) {
    const { violation } = await run({ seed, steps: STEPS, mutation: MUTANTS[name] });
    if (violation !== undefined) return violation;
  }
  return undefined;
}

describe(`each planted bug is found within ${MOST_SEEDS} seeds`, () => {
  it.each(Object.entries(MUTANTS).map(([name, { about, breaks }]) => ({ name, about, breaks })))(
    '$name: $about',
    async ({ name, breaks }) => {
      const violation = await firstViolation(name);
      expect(breaks).toContain(violation?.invariant);
    },
  );
});
