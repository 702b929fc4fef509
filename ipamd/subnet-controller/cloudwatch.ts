/**
 * Lines of CloudWatch's embedded metric format (CloudWatch user guide, "Specification: Embedded metric format"): whatever ships the log of the
 * controller to CloudWatch Logs makes metrics of them. Those of a cluster have the names, namespace and dimension of the peer's cni-metrics-helper,
 * as far as EC2 knows them; those of a subnet are ours. Pure.
 */
import type { SubnetsAnswer } from './subnet-watch.ts';
import type { SubnetState } from './assess.ts';

type Figures = Readonly<Record<string, number | undefined>>;

/** One line for each cluster and each subnet; none before the first look. */
export function cloudWatchLines({ at, subnets }: SubnetsAnswer): readonly string[] {
  if (at === undefined) return [];
  const time = Date.parse(at);
  const clusters = new Set(subnets.flatMap((subnet) => Object.keys(subnet.clusters)));
  clusters.delete('other');
  return [
    ...[...clusters].map((cluster) => line(time, 'Kubernetes', { CLUSTER_ID: cluster }, ofCluster(subnets, cluster))),
    ...subnets.map((subnet) => line(time, 'Wellspring', { SUBNET_ID: subnet.id }, ofSubnet(subnet))),
  ];
}

function ofCluster(subnets: readonly SubnetState[], cluster: string): Figures {
  const held = subnets.map((subnet) => subnet.clusters[cluster]).filter((each) => each !== undefined);
  const sum = (of: (each: (typeof held)[number]) => number) => held.reduce((total, each) => total + of(each), 0);
  const isKnown = held.every(({ inUse }) => inUse !== undefined);
  return {
    eniAllocated: sum(({ interfaces }) => interfaces),
    totalIPAddresses: sum(({ forPods }) => forPods),
    totalIPv4Prefixes: sum(({ prefixes }) => prefixes),
    assignIPAddresses: isKnown ? sum(({ inUse = 0 }) => inUse) : undefined,
  };
}

function ofSubnet({ addresses, blocks, fragmentation }: SubnetState): Figures {
  const { exhaustion } = addresses;
  return {
    freeIPAddresses: addresses.free,
    freePrefixBlocks: blocks.free,
    fragmentation,
    secondsToExhaustion:
      exhaustion.kind === 'exhausted' ? 0 : exhaustion.kind === 'forecast' ? seconds(exhaustion.medianMs) : undefined,
  };
}

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.round(ms / 1000));

function line(time: number, namespace: string, dimensions: Readonly<Record<string, string>>, figures: Figures): string {
  const known = Object.entries(figures).filter(([, value]) => value !== undefined);
  const Metrics = known.map(([Name]) => ({ Name, Unit: Name === 'secondsToExhaustion' ? 'Seconds' : 'None' }));
  const CloudWatchMetrics = [{ Namespace: namespace, Dimensions: [Object.keys(dimensions)], Metrics }];
  return JSON.stringify({ _aws: { Timestamp: time, CloudWatchMetrics }, ...dimensions, ...Object.fromEntries(known) });
}
