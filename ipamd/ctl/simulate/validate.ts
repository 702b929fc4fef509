/** JSON from files, checked: what passes is what the simulator can run, and all else is refused with its place. */
import type { ClusterDescription } from '#warm-pool/simulator/description.ts';
import type { Generator } from '#warm-pool/simulator/workload.ts';
import { usage } from '../failure.ts';

type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, readonly [check: Check, need: 'must' | 'may']>>;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text: Check = (value) => typeof value === 'string' && value !== '';
/** More nodes or pods than this, or longer times, are a slip of the pen and would only fill the memory. */
const MOST = 10_000_000;
const count: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= MOST;
const seconds: Check = (value) => typeof value === 'number' && value >= 0 && value <= 1000 * MOST;
const positive: Check = (value) => seconds(value) && Number(value) > 0;
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every(check);
const texts: Check = (value) => isRecord(value) && Object.values(value).every((each) => typeof each === 'string');
const span: Check = (value) =>
  isRecord(value) &&
  seconds(value['least']) &&
  seconds(value['most']) &&
  Number(value['least']) <= Number(value['most']);
const any: Check = () => true;

const WINDOW: Shape = { fromSeconds: [seconds, 'may'], untilSeconds: [seconds, 'may'] };

const GENERATORS: Readonly<Record<Generator['kind'], Shape>> = {
  churn: { podsPerHour: [positive, 'must'], lifetimeSeconds: [positive, 'must'], ...WINDOW },
  cron: {
    everySeconds: [positive, 'must'],
    pods: [count, 'must'],
    spreadSeconds: [seconds, 'must'],
    lifetimeSeconds: [positive, 'must'],
    ...WINDOW,
  },
  rollout: {
    pods: [count, 'must'],
    atSeconds: [listOf(seconds), 'must'],
    surgePercent: [positive, 'must'],
    readySeconds: [positive, 'must'],
    ...WINDOW,
  },
  batch: {
    atSeconds: [seconds, 'must'],
    pods: [count, 'must'],
    parallelism: [count, 'must'],
    lifetimeSeconds: [positive, 'must'],
  },
  'scale-out': {
    atSeconds: [seconds, 'must'],
    group: [text, 'must'],
    nodes: [count, 'must'],
    podsPerNode: [count, 'must'],
    durationSeconds: [positive, 'must'],
  },
};

const GROUP: Shape = {
  name: [text, 'must'],
  instanceType: [text, 'must'],
  count: [count, 'must'],
  subnets: [listOf(text), 'may'],
  podSubnets: [listOf(text), 'may'],
  joinSeconds: [seconds, 'may'],
  settings: [texts, 'may'],
};

const CLUSTER: Shape = {
  durationHours: [(value) => positive(value) && Number(value) <= 24 * 31, 'must'],
  settings: [texts, 'may'],
  subnets: [listOf(any), 'must'],
  groups: [listOf(any), 'must'],
  placement: [(value) => value === 'lowest' || value === 'random', 'may'],
  pace: [isRecord, 'may'],
};

/** Throws Failure (2). */
export function clusterIn(value: unknown): ClusterDescription {
  const cluster = shaped(value, CLUSTER, 'the cluster') as Omit<ClusterDescription, 'settings'> &
    Partial<ClusterDescription>;
  for (const [index, subnet] of cluster.subnets.entries())
    shaped(subnet, { id: [text, 'must'], cidr: [text, 'must'] }, `subnets[${index}]`);
  for (const [index, group] of cluster.groups.entries()) shaped(group, GROUP, `groups[${index}]`);
  if (cluster.pace !== undefined)
    shaped(cluster.pace, { latency: [span, 'may'], link: [span, 'may'], detach: [span, 'may'] }, 'pace');
  return { ...cluster, settings: cluster.settings ?? {} };
}

/** Throws Failure (2). */
export function generatorsIn(value: unknown): readonly Generator[] {
  if (!Array.isArray(value)) throw wrong('the workload must be a list of generators');
  return value.map((each: unknown, index) => {
    const kind = isRecord(each) ? each['kind'] : undefined;
    const place = `workload[${index}]`;
    if (typeof kind !== 'string' || !Object.hasOwn(GENERATORS, kind))
      throw wrong(`${place}.kind must be one of ${Object.keys(GENERATORS).join(', ')}`);
    return shaped(each, { kind: [text, 'must'], ...GENERATORS[kind as Generator['kind']] }, place) as Generator;
  });
}

/** The value, where it has all it must have, nothing it may not have, and each of the right form. */
function shaped(value: unknown, shape: Shape, place: string): unknown {
  if (!isRecord(value)) throw wrong(`${place} must be an object`);
  const unknown = Object.keys(value).find((key) => !Object.hasOwn(shape, key));
  if (unknown !== undefined)
    throw wrong(`${place}.${unknown} is not known; known are ${Object.keys(shape).join(', ')}`);
  for (const [key, [check, need]] of Object.entries(shape)) {
    if (value[key] === undefined && need === 'may') continue;
    if (!check(value[key])) throw wrong(`${place}.${key} must not be ${JSON.stringify(value[key]) ?? 'absent'}`);
  }
  return value;
}

function wrong(what: string) {
  return usage(what, 'the file is not of the form that simulate takes.', 'See docs/simulator.md for the form.');
}
