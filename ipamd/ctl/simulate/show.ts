/** A simulation's result for people. */
import type { Preset } from '#warm-pool/simulator/description.ts';
import type { SimulationResult } from '#warm-pool/simulator/result.ts';
import { aligned, table } from '../table.ts';
import type { SimulateAnswer } from './command.ts';
import { overTime } from './over-time.ts';

type Figure = readonly [name: string, of: (result: SimulationResult) => string];

const count = (value: number): string => Math.round(value).toLocaleString('en-US');
const span = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

const FIGURES: readonly Figure[] = [
  ['pods served', (one) => count(one.podsServed)],
  ['delayed', (one) => count(one.delayed)],
  ['  delay p50', (one) => span(one.delayMs.p50)],
  ['  delay p99', (one) => span(one.delayMs.p99)],
  ['  delay max', (one) => span(one.delayMs.max)],
  ['never served', (one) => `${count(one.failed)}${reasons(one.failedByReason)}`],
  ['failed ADDs', (one) => `${count(one.failedAdds)}${reasons(one.failedAddsByReason)}`],
  ['waiting at the end', (one) => count(one.waitingAtEnd + one.unschedulableAtEnd)],
  ['idle addresses, mean', (one) => count(one.idleAddresses)],
  ['  p99', (one) => count(one.idleOverTime.p99)],
  ['addresses in use, mean', (one) => count(one.assignedOverTime.mean)],
  ['ENIs, mean', (one) => count(one.interfaces.mean)],
  ['EC2 calls', (one) => count(one.calls)],
  ['  throttled', (one) => count(one.throttledCalls)],
  ['  a second, mean', (one) => one.callsPerSecond.mean.toFixed(2)],
  ['  a second, peak', (one) => count(one.callsPerSecond.peak)],
];

export function showComparison(answer: SimulateAnswer): string {
  const results: readonly (readonly [string, SimulationResult])[] = [
    [answer.policy, answer],
    ...(answer.peer === undefined ? [] : [['peer', answer.peer] as const]),
  ];
  const head = `${answer.workload}: ${count(answer.nodes)} nodes, ${answer.hours} h, ${count(answer.podEvents)} pod events, seed ${answer.seed}`;
  const figures = FIGURES.map(([name, of]) => [name, ...results.map(([, result]) => of(result))]);
  const parts = [`${head}\n`, aligned([['', ...results.map(([name]) => name)], ...figures])];
  parts.push(`Over time, the highest of each span\n${overTime(results)}`);
  for (const [name, result] of results) {
    const title = results.length > 1 ? ` (${name})` : '';
    parts.push(`Calls and their part of what the account may send${title}\n${callRows(result)}`);
    parts.push(`Subnets at the end${title}\n${subnetRows(result)}`);
  }
  return parts.join('\n');
}

export function showPresets(presets: Readonly<Record<string, Preset>>): string {
  return aligned(Object.entries(presets).map(([name, { summary }]) => [name, summary]));
}

function callRows({ callsByAction }: SimulationResult): string {
  const rows = Object.entries(callsByAction).map(([action, { calls, throttled, budgetShare }]) => ({
    action,
    calls: count(calls),
    throttled: count(throttled),
    share: `${(budgetShare * 100).toFixed(1)} %`,
  }));
  return table(
    [
      ['ACTION', 'action'],
      ['CALLS', 'calls'],
      ['THROTTLED', 'throttled'],
      ['BUDGET', 'share'],
    ],
    rows,
    'none',
  );
}

function subnetRows({ subnets }: SimulationResult): string {
  const rows = subnets.map(({ id, size, free, freeBlocks, fragmentation }) => ({
    id,
    size: count(size),
    free: count(free),
    blocks: count(freeBlocks),
    fragmentation: `${(fragmentation * 100).toFixed(0)} %`,
  }));
  return table(
    [
      ['SUBNET', 'id'],
      ['SIZE', 'size'],
      ['FREE', 'free'],
      ['FREE /28', 'blocks'],
      ['FRAGMENTED', 'fragmentation'],
    ],
    rows,
  );
}

function reasons(by: Readonly<Record<string, number>>): string {
  const parts = Object.entries(by).map(([reason, times]) => `${reason} ${count(times)}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}
