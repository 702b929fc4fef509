import { expect, it } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { gridOf } from '#warm-pool/recommend/grid.ts';
import type { GroupFinding, Tried } from './find.ts';
import { boundsOf, currentRule, groupOf, type Subject, withCandidate, withDefaults, writtenOut } from './groups.ts';
import { valuesOf } from './paste.ts';

const SUBJECT: Subject = {
  cluster: {
    durationHours: 1,
    settings: { WARM_IP_TARGET: '4', MAX_ENI: '2' },
    subnets: [{ id: 'subnet-a', cidr: '10.0.0.0/20' }],
    groups: [
      { name: 'workers', instanceType: 'm5.large', count: 7, settings: { MINIMUM_IP_TARGET: '9' } },
      { name: 'others', instanceType: 'm5.xlarge', count: 3, settings: { ENABLE_PREFIX_DELEGATION: 'true' } },
    ],
  },
  workload: [
    { kind: 'scale-out', atSeconds: 60, group: 'workers', nodes: 5, podsPerNode: 20, durationSeconds: 600 },
    { kind: 'scale-out', atSeconds: 60, group: 'others', nodes: 5, podsPerNode: 20, durationSeconds: 600 },
  ],
};
const written = writtenOut(SUBJECT, { WARM_IP_TARGET: '5' });
const group = (subject: Subject, name = 'workers') => {
  const found = groupOf(subject.cluster, name);
  if (found === undefined) throw new Error(`no group ${name}`);
  return found;
};

it('writes out what each group has, the command line last', () => {
  expect(currentRule(group(written))).toEqual({ kind: 'ip', mode: 'address', warm: 5, minimum: 9 });
  expect(currentRule(group(written, 'others'))).toEqual({ kind: 'ip', mode: 'prefix', warm: 5, minimum: 0 });
  expect(currentRule(group(withDefaults(written)))).toEqual({ kind: 'eni', mode: 'address', warm: 1 });
  expect(group(withDefaults(written)).settings).toEqual({ MAX_ENI: '2' });
});

it('gives a group every rule of the grid, as the daemon reads its settings, and leaves the other group alone', () => {
  const bounds = boundsOf(group(written), 'm5.large');
  for (const candidate of gridOf(bounds)) {
    const changed = withCandidate(written, 'workers', candidate);
    expect(currentRule(group(changed))).toEqual(candidate.rule);
    expect(group(changed).settings).toMatchObject({ MAX_ENI: '2' });
    expect(group(changed, 'others')).toEqual(group(written, 'others'));
    expect(changed.workload).toEqual(written.workload);
  }
});

it('keeps the vCPUs and the pods of a group that gets another type', () => {
  const candidate = { instanceType: 'm5.xlarge', rule: { kind: 'eni', mode: 'address', warm: 1 } } as const;
  const changed = withCandidate(written, 'workers', candidate);
  expect(group(changed)).toMatchObject({ instanceType: 'm5.xlarge', count: 4 });
  expect(changed.workload).toMatchObject([
    { nodes: 3, podsPerNode: 34 },
    { nodes: 5, podsPerNode: 20 },
  ]);
});

it('offers no prefixes to a type that has none', () => {
  expect(boundsOf(group(written), 'm4.large').podCapacity.prefix).toBeUndefined();
  expect(boundsOf(group(written), 'm5.large').podCapacity.prefix).toBeGreaterThan(0);
});

it('writes values that a reader of YAML reads back: one document for all, or one for each group', () => {
  const finding = (name: string, warm: number): GroupFinding => {
    const rule = { kind: 'ip', mode: 'address', warm, minimum: 0 } as const;
    const score = { idle: 0, delayed: 0, unserved: 0, p99Ms: 0, calls: 0 };
    const tried: Tried = { candidate: { instanceType: 'm5.large', rule }, outcomes: [], score };
    return { group: name, current: tried, chosen: tried, frontier: [tried], tried: 1 };
  };
  const env = (warm: string) => ({ env: { ENABLE_PREFIX_DELEGATION: 'false', WARM_IP_TARGET: warm } });
  expect(parse(valuesOf([finding('a', 3), finding('b', 3)]))).toEqual(env('3'));
  const several = parseAllDocuments(valuesOf([finding('a', 3), finding('b', 4)]));
  expect('empty' in several ? [] : several.map((one): unknown => one.toJS())).toEqual([env('3'), env('4')]);
});
