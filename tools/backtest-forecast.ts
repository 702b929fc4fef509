/** Prints how often the forecast's 90 % interval holds on generated histories: `node tools/backtest-forecast.ts [--cases N] [--seed N] [--json]`. */
import { parseArgs } from 'node:util';
import { backTest, FAMILIES } from '#warm-pool/forecast/back-test.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    family: { type: 'string', multiple: true },
    json: { type: 'boolean' },
  },
});
const percent = (part: number, of: number): string => `${((100 * part) / of).toFixed(1)} %`;
const results = (values.family ?? Object.keys(FAMILIES)).map((family) => {
  const result = backTest(family, Number(values.cases), Number(values.seed));
  if (values.json !== true)
    process.stdout.write(
      `${family.padEnd(24)} holds ${percent(result.held, result.cases).padStart(7)}  sooner ${String(result.sooner).padStart(3)}  later ${String(result.later).padStart(3)}  exhausted ${percent(result.exhausted, result.cases).padStart(7)}  bounded ${percent(result.bounded, result.cases).padStart(7)}  width ${result.width.toFixed(2)}\n`,
    );
  return result;
});
const all = results.reduce((sum, { held, cases }) => ({ held: sum.held + held, cases: sum.cases + cases }), {
  held: 0,
  cases: 0,
});
if (values.json === true) process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
else process.stdout.write(`${'all'.padEnd(24)} holds ${percent(all.held, all.cases).padStart(7)} of ${all.cases}\n`);
