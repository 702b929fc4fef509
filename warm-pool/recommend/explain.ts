/** A search's outcome in sentences. Every number in them is of a run. */

import { labelOf, type PoolRule } from './candidate.ts';
import { meaningOf, type Objective, type Reference } from './objective.ts';
import type { Score } from './score.ts';
import type { Point } from './search.ts';
import { judge, type Measure, MEASURES, type Verdict } from './yardstick.ts';

export interface Explained {
  readonly group: string;
  readonly objective: Objective;
  readonly current: Point;
  readonly chosen: Point;
  readonly frontier: readonly Point[];
  readonly tried: number;
  /** amazon-vpc-cni-k8s with its defaults. */
  readonly reference: Reference;
}

export function sentencesFor(finding: Explained): readonly string[] {
  const { group, objective, current, chosen, frontier, tried, reference } = finding;
  return [
    `${tried} settings were tried for ${group}; ${frontier.length} of them are beaten by no other in idle addresses, delays and calls at once.`,
    `The objective is ${objective}: ${meaningOf(objective)}.`,
    chosen === current
      ? `The current settings, ${nameOf(chosen)}, serve it best: ${figures(chosen.score)}.`
      : `${nameOf(chosen)} serves it best: ${figures(chosen.score)}. The current settings, ${nameOf(current)}: ${changed(current.score, chosen.score)}.`,
    ruleSentence(chosen.candidate.rule),
    `amazon-vpc-cni-k8s with its defaults has ${figures(reference.score)}: ${verdictWords(judge(chosen.score, reference.score, reference.tolerance))}.`,
    ...alternatives(chosen, frontier, reference),
  ];
}

/** What the rule does on a node. */
export function ruleSentence(rule: PoolRule): string {
  switch (rule.kind) {
    case 'eni':
      return rule.warm === 0
        ? 'A node asks for a whole ENI of addresses when no address is free any more.'
        : `A node keeps the addresses of ${plural(rule.warm, 'ENI')} free beside those in use.`;
    case 'prefix':
      return rule.warm === 0
        ? 'A node asks for a /28 prefix when no address is free any more.'
        : `A node keeps ${plural(rule.warm, '/28 prefix', '/28 prefixes')} free beside those in use.`;
    case 'ip': {
      const [kept, floor] = [plural(rule.warm, 'free address', 'free addresses'), rule.minimum];
      const unit = rule.mode === 'prefix' ? ', in whole /28 prefixes' : '';
      if (floor === 0) return `A node keeps ${kept} beside those in use${unit}.`;
      const then = rule.warm === 0 ? 'it asks for more when none is free' : `beyond that it keeps ${kept}`;
      return `A node holds ${plural(floor, 'address', 'addresses')} from its start on${unit}, so that up to so many pods, resting addresses included, come and go without a call; ${then}.`;
    }
    default:
      return rule satisfies never;
  }
}

/** Those of the frontier that are best in one thing, with what that costs. */
function alternatives(chosen: Point, frontier: readonly Point[], reference: Reference): readonly string[] {
  const isServed = ({ score }: Point): boolean => judge(score, reference.score, reference.tolerance).delay !== 'worse';
  const least = (of: (score: Score) => number, points: readonly Point[]): Point | undefined =>
    points.reduce<Point | undefined>(
      (best, each) => (best && of(best.score) <= of(each.score) ? best : each),
      undefined,
    );
  const served = frontier.filter(isServed);
  const named: readonly (readonly [string, Point | undefined])[] = [
    ['Fewest idle addresses with delays no worse', least(({ idle }) => idle, served)],
    ['Fewest calls with delays no worse', least(({ calls }) => calls, served)],
    ['Fewest delayed pods', least(({ delayed, p99Ms }) => delayed * 1e9 + p99Ms, frontier)],
  ];
  const told = new Set<Point | undefined>([chosen, undefined]);
  return named.flatMap(([what, point]) => {
    if (point === undefined || told.has(point)) return [];
    told.add(point);
    return [`${what}: ${nameOf(point)}, ${figures(point.score)}.`];
  });
}

function nameOf({ candidate }: Point): string {
  return `${labelOf(candidate.rule)} on ${candidate.instanceType}`;
}

function figures({ idle, delayed, unserved, p99Ms, calls }: Score): string {
  const never = unserved > 0 ? `, ${count(unserved)} of them never served` : '';
  const wait = delayed > 0 ? ` (p99 ${seconds(p99Ms)}${never})` : '';
  return `${plural(Math.round(idle), 'idle address', 'idle addresses')}, ${plural(delayed, 'delayed pod')}${wait}, ${plural(calls, 'call')}`;
}

function changed(before: Score, after: Score): string {
  const part = (a: number, b: number): string => {
    const percent = a === 0 ? 0 : Math.round(((b - a) / a) * 100);
    return percent === 0 ? '' : ` (${percent > 0 ? '+' : ''}${percent} %)`;
  };
  const step = (what: string, a: number, b: number): string => `${what} ${count(a)} → ${count(b)}${part(a, b)}`;
  const waits = `p99 ${seconds(before.p99Ms)} → ${seconds(after.p99Ms)}`;
  return [
    step('idle addresses', before.idle, after.idle),
    step('delayed pods', before.delayed, after.delayed),
    waits,
    step('calls', before.calls, after.calls),
  ].join(', ');
}

const NAMES: Readonly<Record<Measure, string>> = { idle: 'idle addresses', delay: 'delays', calls: 'calls' };

function verdictWords(verdicts: Readonly<Record<Measure, Verdict>>): string {
  const those = (wanted: Verdict): string =>
    MEASURES.filter((measure) => verdicts[measure] === wanted)
      .map((measure) => NAMES[measure])
      .join(' and ');
  const parts = [
    ['better in', those('better')],
    ['not worse in', those('same')],
    ['worse in', those('worse')],
  ] as const;
  return `the choice is ${parts.flatMap(([words, which]) => (which === '' ? [] : [`${words} ${which}`])).join(', ')}`;
}

function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
