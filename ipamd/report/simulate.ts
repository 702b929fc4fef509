/** The report of a simulation: one policy, or two on the same pods. Pure. */
import type { SimulationResult } from '#warm-pool/simulator/result.ts';
import type { SimulateAnswer } from '../ctl/simulate/command.ts';
import { barsChart } from './bars.ts';
import { html, type Html } from './html.ts';
import { linesChart, type Point } from './lines.ts';
import { page, type Section, type Tile, tiles } from './page.ts';
import { hour, HOURS, hoursOf, type Side } from './sides.ts';
import { subnetsSection } from './simulate-subnets.ts';
import { dataTable } from './table.ts';
import { count, counted, decimal, percent, span } from './words.ts';

export function simulateReport(answer: SimulateAnswer): string {
  const { workload, nodes, hours, podEvents, seed, policy, peer } = answer;
  const sides: readonly Side[] = [
    { name: policy, result: answer },
    ...(peer === undefined ? [] : [{ name: 'peer', result: peer }]),
  ];
  return page({
    title: `Simulation: ${workload}`,
    about: `${counted(nodes, 'node')}, ${decimal(hours)} h, ${counted(podEvents, 'pod event')}, seed ${seed}. Policy: ${sides.map(({ name }) => name).join(' beside ')}${peer === undefined ? '' : ' (amazon-vpc-cni-k8s as it is described)'}.`,
    madeBy: 'Made by wellspringctl simulate. What the figures mean, and what is left out, is in docs/simulator.md.',
    sections: [summary(sides), delays(sides), addresses(sides), calls(sides), subnetsSection(sides)],
  });
}

function summary(sides: readonly Side[]): Section {
  const tile = (
    name: string,
    of: (one: SimulationResult) => string,
    note?: (one: SimulationResult) => string,
  ): Tile => ({
    name,
    values: sides.map(({ name: side, result }) => {
      const more = note?.(result);
      return { of: sides.length > 1 ? side : '', value: of(result), ...(more === undefined ? {} : { note: more }) };
    }),
  });
  const list = [
    tile('Pods served', (one) => count(one.podsServed)),
    tile(
      'Pods delayed',
      (one) => count(one.delayed),
      (one) => (one.delayed === 0 ? '' : `p99 ${span(one.delayMs.p99)}`),
    ),
    tile(
      'Never served',
      (one) => count(one.failed),
      (one) => reasons(one.failedByReason),
    ),
    tile(
      'Idle addresses',
      (one) => count(one.idleAddresses),
      (one) => `mean; p99 ${count(one.idleOverTime.p99)}`,
    ),
    tile(
      'ENIs',
      (one) => count(one.interfaces.mean),
      (one) => `mean; most ${count(one.interfaces.max)}`,
    ),
    tile(
      'EC2 calls',
      (one) => count(one.calls),
      (one) => `${count(one.throttledCalls)} throttled`,
    ),
  ];
  return { id: 'summary', title: 'Summary', body: [tiles(list)] };
}

function delays(sides: readonly Side[]): Section {
  const buckets = sides[0]?.result.delayBuckets ?? [];
  const names = buckets.map(({ atMostMs }, index) =>
    atMostMs === null ? `> ${brief(buckets[index - 1]?.atMostMs ?? 0)}` : `≤ ${brief(atMostMs)}`,
  );
  const said = sides.map(({ name, result: { delayed, delayMs } }) =>
    delayed === 0
      ? `${name}: no pod waited.`
      : `${name}: ${counted(delayed, 'pod')} waited, half of them at most ${span(delayMs.p50)}, the longest ${span(delayMs.max)}.`,
  );
  const bars = barsChart({
    id: 'delay-chart',
    title: 'How long delayed pods waited',
    description: said.join(' '),
    categoryName: 'Time until the pod had its address',
    categories: names,
    valueName: 'Pods',
    sides: sides.map(({ name, result }) => ({ name, values: result.delayBuckets.map(({ pods }) => pods) })),
    format: count,
    isWhole: true,
  });
  const waiting = overTime(sides, {
    id: 'waiting-chart',
    title: 'ADDs that wait',
    unit: 'ADDs that the daemon lets wait',
    ...(sides.some(({ name }) => name === 'peer')
      ? { more: ' The peer lets none wait: an ADD that it cannot serve fails, and kubelet repeats it.' }
      : {}),
    of: (point) => point.waiting,
  });
  return { id: 'delays', title: 'Delays', body: [html`<div class="pair">${bars}${waiting}</div>`] };
}

function addresses(sides: readonly Side[]): Section {
  const idle = overTime(sides, {
    id: 'idle-chart',
    title: 'Idle addresses',
    unit: 'Addresses held and not in use',
    of: (point) => point.idle,
  });
  const interfaces = overTime(sides, {
    id: 'eni-chart',
    title: 'Network interfaces',
    unit: 'ENIs',
    of: (point) => point.interfaces,
  });
  const assigned = overTime(sides, {
    id: 'assigned-chart',
    title: 'Addresses in use',
    unit: 'Addresses that pods have',
    of: (point) => point.assigned,
  });
  return {
    id: 'addresses',
    title: 'Addresses and ENIs',
    body: [html`<div class="pair">${idle}${assigned}${interfaces}</div>`],
  };
}

interface OverTimeSpec {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly of: (point: SimulationResult['series'][number]) => number;
  /** Said after the figures. */
  readonly more?: string;
}

function overTime(sides: readonly Side[], { id, title, unit, of, more = '' }: OverTimeSpec): Html {
  const said = sides.map(({ name, result: { series } }) => {
    const values = series.map(of);
    return `${name}: from ${count(Math.min(...values, Infinity))} to ${count(Math.max(...values, 0))}, ${count(values.at(-1) ?? 0)} at the end.`;
  });
  return linesChart({
    id,
    title,
    description: `${said.join(' ')}${more}`,
    x: HOURS,
    y: { name: unit, min: 0, format: count, isWhole: true },
    xText: hour,
    lines: sides.map(({ name, result }) => ({
      name,
      points: result.series.map((point) => [hoursOf(point), of(point)]),
    })),
  });
}

function calls(sides: readonly Side[]): Section {
  const called = sides.flatMap(({ result }) => Object.entries(result.callsByAction));
  const [least] = called.toSorted(([, a], [, b]) => a.budgetPerSecond - b.budgetPerSecond);
  const said = sides.map(
    ({
      name,
      result: {
        callsPerSecond: { mean, peak },
      },
    }) => `${name}: ${decimal(mean)} a second in the mean, ${count(peak)} in the busiest second.`,
  );
  const budget =
    least === undefined
      ? ''
      : ` The account may send ${decimal(least[1].budgetPerSecond)} ${least[0]} a second in the long run, the least of those that were called.`;
  const rate = linesChart({
    id: 'calls-chart',
    title: 'EC2 calls a second',
    description: `${said.join(' ')}${budget}`,
    x: HOURS,
    y: {
      name: 'Calls a second, mean between two points',
      min: 0,
      format: decimal,
      ...roomFor(sides, least?.[1].budgetPerSecond),
    },
    xText: hour,
    lines: sides.map(({ name, result }) => ({ name, points: rates(result.series) })),
    limits:
      least === undefined ? [] : [{ name: `least budget: ${least[0]}`, at: least[1].budgetPerSecond, along: 'y' }],
  });
  const actions = [...new Set(called.map(([action]) => action))];
  const shares = barsChart({
    id: 'budget-chart',
    title: 'Part of the account’s budget',
    description:
      'What was sent of each action, as a part of what the account may send in the long run; above 100 % it would be throttled all along.',
    categoryName: 'Action',
    categories: actions,
    valueName: 'Part of the budget',
    sides: sides.map(({ name, result }) => {
      const byAction = new Map(Object.entries(result.callsByAction));
      return { name, values: actions.map((action) => byAction.get(action)?.budgetShare ?? 0) };
    }),
    format: (value) => `${decimal(value * 100)} %`,
    isLying: true,
  });
  return { id: 'calls', title: 'EC2 calls', body: [html`<div class="pair">${rate}${shares}</div>`, callTable(sides)] };
}

/** The budget is to be seen as well. */
function roomFor(
  sides: readonly Side[],
  budget: number | undefined,
): { readonly max?: number; readonly isMaxRoom?: true } {
  const most = Math.max(0, ...sides.flatMap(({ result }) => rates(result.series).map(([, rate]) => rate)));
  return budget === undefined || most >= budget ? {} : { max: budget * 1.15, isMaxRoom: true };
}

function callTable(sides: readonly Side[]): Html {
  const rows = sides.flatMap(({ name, result }) =>
    Object.entries(result.callsByAction).map(([action, { calls: sent, throttled, budgetPerSecond, budgetShare }]) => [
      action,
      name,
      count(sent),
      count(throttled),
      decimal(budgetPerSecond),
      percent(budgetShare, 1),
    ]),
  );
  const columns = ['Action', 'Policy', 'Calls', 'Throttled', 'Budget a second', 'Part of it'];
  return dataTable({ caption: 'EC2 calls by action', columns, rows });
}

function rates(series: SimulationResult['series']): readonly Point[] {
  return series.slice(1).map((point, index): Point => {
    const before = series[index] ?? point;
    const seconds = Math.max(1e-9, point.atSeconds - before.atSeconds);
    return [hoursOf(point), Math.round(((point.calls - before.calls) / seconds) * 1000) / 1000];
  });
}

function brief(ms: number): string {
  return ms < 1000 ? `${ms / 1000} s` : ms < 60_000 ? `${ms / 1000} s` : `${ms / 60_000} min`;
}

function reasons(by: Readonly<Record<string, number>>): string {
  return Object.entries(by)
    .map(([reason, times]) => `${reason} ${count(times)}`)
    .join(', ');
}
