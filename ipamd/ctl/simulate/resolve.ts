/** From a description to what is simulated: limits of instance types, settings by their environment names, EC2's throttling. */
import { ACTION_CLASSES } from '#cloud/emulator/ec2/actions.data.ts';
import { EC2_THROTTLING } from '#cloud/emulator/throttle.ts';
import { instanceTypeRecords, instanceTypeTable } from '#cloud/instance-types.ts';
import { parseCidr } from '#warm-pool/address.ts';
import { HOST_NETWORK_PODS, maxPodsOf } from '#warm-pool/max-pods.ts';
import {
  CLOUD_CALLS,
  type CloudCall,
  type CloudPace,
  type Cluster,
  type NodeKind,
  type PodSchedule,
  type SimulatedNode,
} from '#warm-pool/simulator/cluster.ts';
import type { ClusterDescription, GroupDescription } from '#warm-pool/simulator/description.ts';
import { type Generator, type Joining, joiningTimes, scheduleOf } from '#warm-pool/simulator/workload.ts';
import type { Rate } from '#warm-pool/tokens.ts';
import { ConfigError, parseConfig } from '../../config/config.ts';
import { allocationMode, instanceLimits } from '../../start/discover.ts';
import { usage } from '../failure.ts';

export interface Resolved {
  readonly cluster: Cluster;
  readonly pods: PodSchedule;
}

/** Throws Failure (2) that says what of the description cannot be. */
export function resolve(
  description: ClusterDescription,
  workload: readonly Generator[] | PodSchedule,
  seed: number,
  overriding: Readonly<Record<string, string>>,
): Resolved {
  const durationMs = Math.round(description.durationHours * 3_600_000);
  const subnets = description.subnets.map(({ id, cidr }) => {
    const range = parseCidr(cidr);
    if (range === undefined || range.prefixLength > 28)
      throw wrong(`the CIDR ${JSON.stringify(cidr)} of ${id} is not a block of /28 or larger`);
    return { id, range };
  });
  const ids = subnets.map(({ id }) => id);
  const kinds = new Map(
    description.groups.map((group) => [
      group.name,
      kindOf(group, { ...description.settings, ...group.settings, ...overriding }),
    ]),
  );
  const nodes: SimulatedNode[] = description.groups.flatMap((group) => nodesOf(group, kinds, ids));
  const joining: Joining[] = [];
  const generators = isSchedule(workload) ? [] : workload;
  for (const generator of generators) {
    if (generator.kind !== 'scale-out') continue;
    const group = description.groups.find(({ name }) => name === generator.group);
    if (group === undefined) throw wrong(`a scale-out names the group ${JSON.stringify(generator.group)}`);
    joining.push({ first: nodes.length, generator });
    const places = nodesOf({ ...group, count: generator.nodes }, kinds, ids);
    for (const [index, times] of joiningTimes(generator).entries()) {
      const place = places[index];
      if (place !== undefined) nodes.push({ ...place, ...times });
    }
  }
  const pods = isSchedule(workload) ? workload : scheduleOf(workload, joining, durationMs, seed);
  const outside = pods.node.find((node) => node >= nodes.length);
  if (outside !== undefined) throw wrong(`the workload names node ${outside} of ${nodes.length} (they count from 0)`);
  const { placement = 'random' } = description;
  return { pods, cluster: { subnets, nodes, placement, pace: paceOf(description), durationMs } };
}

function isSchedule(workload: readonly Generator[] | PodSchedule): workload is PodSchedule {
  return 'start' in workload;
}

function wrong(what: string) {
  return usage(what, 'the description does not fit together.', 'See docs/simulator.md for the form.');
}

/** A node of a group under settings of the daemon. Throws Failure (2). */
export function kindOf(group: GroupDescription, env: Readonly<Record<string, string>>): NodeKind {
  const type = instanceTypeTable().get(group.instanceType);
  const record = instanceTypeRecords().get(group.instanceType);
  if (type === undefined || record === undefined)
    throw wrong(`the instance type ${JSON.stringify(group.instanceType)} is not in the table`);
  const config = configOf(env);
  if (config.enableIpv6 || config.customNetworking || !config.enableIpv4)
    throw wrong(`the settings of ${group.name} ask for IPv6 or custom networking, which is not simulated`);
  const limits = instanceLimits(type, config);
  const mode = allocationMode(type, config);
  const { maxPods } = maxPodsOf({ ...limits, vcpus: record.vcpus, mode, customNetworking: false });
  const admitted = config.maxPods ?? maxPods;
  return {
    group: group.name,
    mode,
    limits: { ...limits, maxPods: admitted },
    podCapacity: Math.max(0, admitted - HOST_NETWORK_PODS),
    targets: {
      warmEniTarget: config.warmEniTarget,
      warmIpTarget: config.warmIpTarget,
      minimumIpTarget: config.minimumIpTarget,
      warmPrefixTarget: config.warmPrefixTarget,
      interfaceMinimumAgeMs: config.eniMinimumAgeSeconds * 1000,
    },
    coolDownMs: config.coolDownSeconds * 1000,
    looksMs: {
      reconcile: config.reconcileIntervalSeconds * 1000,
      leaks: config.leakedEniIntervalSeconds * 1000,
      subnets: 3_600_000,
    },
  };
}

function configOf(env: Readonly<Record<string, string>>) {
  try {
    return parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) throw usage('a setting is not allowed', error.problems.join(' '));
    throw error;
  }
}

function nodesOf(
  group: GroupDescription,
  kinds: ReadonlyMap<string, NodeKind>,
  ids: readonly string[],
): readonly SimulatedNode[] {
  const kind = kinds.get(group.name);
  if (kind === undefined) return [];
  const indexOf = (id: string): number => {
    const index = ids.indexOf(id);
    if (index < 0) throw wrong(`the group ${group.name} names the subnet ${JSON.stringify(id)}`);
    return index;
  };
  const own = (group.subnets ?? ids).map(indexOf);
  const shared = (group.podSubnets ?? []).map(indexOf);
  return Array.from({ length: group.count }, (_, n) => {
    const mine = own[n % own.length] ?? 0;
    return {
      kind,
      subnets: [mine, ...shared.filter((other) => other !== mine)],
      from: Math.round(((group.joinSeconds ?? 0) * 1000 * n) / group.count),
      until: Infinity,
    };
  });
}

function paceOf({ pace = {} }: ClusterDescription): CloudPace {
  const account = Object.fromEntries(CLOUD_CALLS.map((call) => [call, accountRate(call)])) as Record<CloudCall, Rate>;
  const { latency = { least: 150, most: 450 }, link = { least: 1500, most: 3500 } } = pace;
  return { latency, latencyOf: {}, link, detach: pace.detach ?? { least: 2000, most: 6000 }, account };
}

/** EC2's buckets for an account and region, as the emulator has them. */
function accountRate(call: CloudCall): Rate {
  const { capacity, refillPerSecond } = EC2_THROTTLING.actions?.[call] ?? EC2_THROTTLING.classes[ACTION_CLASSES[call]];
  return { burst: capacity, perSecond: refillPerSecond };
}
