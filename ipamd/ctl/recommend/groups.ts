/** A cluster's description with the settings of its groups written out, and with one group changed. Pure. */
import { instanceTypeRecords } from '#cloud/instance-types.ts';
import { type Candidate, type PoolRule, settingsOf, withoutPoolKeys } from '#warm-pool/recommend/candidate.ts';
import type { NodeBounds } from '#warm-pool/recommend/grid.ts';
import type { NodeKind } from '#warm-pool/simulator/cluster.ts';
import type { ClusterDescription, GroupDescription } from '#warm-pool/simulator/description.ts';
import type { Input } from '../simulate/read-input.ts';
import { kindOf } from '../simulate/resolve.ts';

type Settings = Readonly<Record<string, string>>;

/** What is simulated when the settings are as they are. */
export type Subject = Pick<Input, 'cluster' | 'workload'>;

/** Every group bears all of its settings, `overriding` last, and the cluster none, so that a group can be changed alone. */
export function writtenOut({ cluster, workload }: Subject, overriding: Settings): Subject {
  const groups = cluster.groups.map((group) => ({
    ...group,
    settings: { ...cluster.settings, ...group.settings, ...overriding },
  }));
  return { cluster: { ...cluster, settings: {}, groups }, workload };
}

/** No group has a setting of the pool, as where nobody ever set one. */
export function withDefaults({ cluster, workload }: Subject): Subject {
  const groups = cluster.groups.map((group) => ({ ...group, settings: withoutPoolKeys(group.settings ?? {}) }));
  return { cluster: { ...cluster, groups }, workload };
}

/** The group has the candidate's settings and type; of another type as many nodes as have the vCPUs of those it had. */
export function withCandidate(subject: Subject, name: string, { instanceType, rule }: Candidate): Subject {
  const before = subject.cluster.groups.find((group) => group.name === name);
  const factor = before === undefined ? 1 : vcpusOf(before.instanceType) / vcpusOf(instanceType);
  const nodes = (count: number): number => Math.max(1, Math.ceil(count * factor));
  const changed = (group: GroupDescription): GroupDescription => ({
    ...group,
    instanceType,
    count: nodes(group.count),
    settings: { ...withoutPoolKeys(group.settings ?? {}), ...settingsOf(rule) },
  });
  const { cluster, workload } = subject;
  const generators = 'start' in workload ? workload : workload.map((one) => scaled(one, name, nodes));
  const groups = cluster.groups.map((group) => (group.name === name ? changed(group) : group));
  return { cluster: { ...cluster, groups }, workload: generators };
}

/** What the group's nodes have now, as a rule. */
export function currentRule(group: GroupDescription): PoolRule {
  const { mode, targets } = kindOf(group, group.settings ?? {});
  const [warm, minimum] = [targets.warmIpTarget ?? 0, targets.minimumIpTarget ?? 0];
  if (warm > 0 || minimum > 0) return { kind: 'ip', mode, warm, minimum };
  if (mode === 'prefix') return { kind: 'prefix', mode, warm: targets.warmPrefixTarget };
  return { kind: 'eni', mode, warm: targets.warmEniTarget };
}

/** Between which settings there is a choice on nodes of a type. Throws Failure (2) for a type that is not known. */
export function boundsOf(group: GroupDescription, instanceType: string): NodeBounds {
  const [single, prefix] = (['false', 'true'] as const).map((ENABLE_PREFIX_DELEGATION) =>
    kindOf({ ...group, instanceType }, { ...withoutPoolKeys(group.settings ?? {}), ENABLE_PREFIX_DELEGATION }),
  ) as [NodeKind, NodeKind];
  const { limits, podCapacity } = single;
  return {
    instanceType,
    maxInterfaces: limits.maxInterfaces,
    perInterface: Math.max(0, limits.ipv4PerInterface - 1),
    podCapacity: { address: podCapacity, ...(prefix.mode === 'prefix' ? { prefix: prefix.podCapacity } : {}) },
  };
}

function scaled<T extends { readonly kind: string }>(generator: T, group: string, nodes: (count: number) => number): T {
  if (!isScaleOut(generator) || generator.group !== group) return generator;
  const count = nodes(generator.nodes);
  return { ...generator, nodes: count, podsPerNode: Math.ceil((generator.podsPerNode * generator.nodes) / count) };
}

function isScaleOut(
  generator: object,
): generator is { readonly group: string; readonly nodes: number; readonly podsPerNode: number } {
  return 'kind' in generator && generator.kind === 'scale-out';
}

function vcpusOf(instanceType: string): number {
  return instanceTypeRecords().get(instanceType)?.vcpus ?? 1;
}

/** A group of that name; undefined where there is none. */
export function groupOf(cluster: ClusterDescription, name: string): GroupDescription | undefined {
  return cluster.groups.find((group) => group.name === name);
}
