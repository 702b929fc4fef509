/** Every metric of the subnet controller, in a registry of its own: it is a process of its own. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ObservedCall } from '#cloud/decorate/metrics.ts';
import type { Exhaustion } from '#warm-pool/forecast/exhaustion.ts';
import { KINDS, type SubnetState } from './assess.ts';

export type SubnetMetrics = ReturnType<typeof createSubnetMetrics>;

export function createSubnetMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge<L>({ name, help, labelNames: [...labelNames], registers });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter<L>({ name, help, labelNames: [...labelNames], registers });
  const gauges = subnetGauges(gauge);
  const calls = counter('wellspring_cloud_calls_total', 'EC2 calls by operation, cause and outcome', [
    'operation',
    'cause',
    'outcome',
  ]);
  const requests = counter('awscni_ec2api_req_count', 'The number of requests made to EC2 APIs by CNI', ['fn']);
  const errors = counter('awscni_ec2api_error_count', 'The number of failed EC2 API requests', ['fn']);
  return {
    registry,
    looks: counter('wellspring_subnet_looks_total', 'Looks at the subnets by outcome: ok or failed', ['outcome']),
    lookDuration: new Histogram({
      name: 'wellspring_subnet_look_duration_seconds',
      help: 'Time that a look at all subnets takes, its EC2 calls and forecasts included',
      buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers,
    }),
    lastLook: gauge(
      'wellspring_subnet_last_look_timestamp_seconds',
      'Time of the last look at the subnets that succeeded',
      [],
    ),
    leader: gauge('wellspring_subnet_leader', 'Whether this process is the one that looks: 1 or 0', []),
    historyDamaged: counter(
      'wellspring_subnet_history_damaged_total',
      'Histories on disk that could not be read and were put aside',
      [],
    ),
    historyFailures: counter(
      'wellspring_subnet_history_write_failures_total',
      'Histories that could not be written to disk',
      [],
    ),
    writes: counter('wellspring_kubernetes_writes_total', 'Writes to the API server by what was written and outcome', [
      'what',
      'outcome',
    ]),
    /** Of the last look; none: this process does not look. */
    show(subnets: readonly SubnetState[]): void {
      for (const each of Object.values(gauges)) each.reset();
      for (const subnet of subnets) showSubnet(gauges, subnet);
    },
    observeCloudCall({ operation, cause, outcome }: ObservedCall): void {
      const fn = operation.charAt(0).toUpperCase() + operation.slice(1);
      calls.inc({ operation, cause, outcome });
      requests.inc({ fn });
      if (outcome !== 'ok') errors.inc({ fn });
    },
  };
}

type MakeGauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) => Gauge<L>;
type Gauges = ReturnType<typeof subnetGauges>;

function subnetGauges(gauge: MakeGauge) {
  return {
    info: gauge('wellspring_subnet_info', 'Which subnet it is: 1', ['subnet', 'vpc', 'zone', 'cidr', 'name']),
    addresses: gauge('wellspring_subnet_addresses', 'Addresses that EC2 gives out of the subnet', ['subnet']),
    free: gauge('wellspring_subnet_free_addresses', 'Addresses of the subnet that nobody holds', ['subnet']),
    blocks: gauge('wellspring_subnet_prefix_blocks', 'Aligned /28 blocks of the subnet that can be a prefix', [
      'subnet',
    ]),
    freeBlocks: gauge('wellspring_subnet_free_prefix_blocks', 'Of them, those of which no address is held', ['subnet']),
    fragmentation: gauge(
      'wellspring_subnet_fragmentation_ratio',
      'From 0, the free addresses lie together in whole /28 blocks, to 1, in none',
      ['subnet'],
    ),
    held: gauge(
      'wellspring_subnet_held_addresses',
      'Held addresses by cluster; a cluster "other" is what no CNI made',
      ['subnet', 'cluster'],
    ),
    prefixes: gauge('wellspring_subnet_held_prefixes', 'Held /28 prefixes by cluster', ['subnet', 'cluster']),
    inUse: gauge(
      'wellspring_subnet_pod_addresses',
      'Held addresses that pods use; absent where the API server is not asked',
      ['subnet', 'cluster'],
    ),
    warm: gauge(
      'wellspring_subnet_warm_addresses',
      'Held for pods and used by none; absent where the API server is not asked',
      ['subnet', 'cluster'],
    ),
    leaked: gauge(
      'wellspring_subnet_leaked_interfaces',
      'ENIs made for a node that are attached to none for more than 5 minutes',
      ['subnet', 'cluster'],
    ),
    repair: gauge(
      'wellspring_subnet_repairable_prefix_blocks',
      '/28 blocks that the repairs of /v1/subnets would give back',
      ['subnet'],
    ),
    exhaustion: gauge(
      'wellspring_subnet_exhaustion_seconds',
      'Time until none is free, by what runs out (addresses, blocks) and quantile; +Inf beyond the horizon, 0 where none is free, absent without enough history',
      ['subnet', 'of', 'quantile'],
    ),
    probability: gauge(
      'wellspring_subnet_exhaustion_probability',
      'How likely it is that none is free within the hour, day or horizon',
      ['subnet', 'of', 'within'],
    ),
    horizon: gauge(
      'wellspring_subnet_forecast_horizon_seconds',
      'How far ahead the forecast looks; absent without enough history',
      ['subnet', 'of'],
    ),
    growth: gauge('wellspring_subnet_growth_per_day', 'How much more is in use each day, season left out', [
      'subnet',
      'of',
    ]),
  };
}

function showSubnet(gauges: Gauges, state: SubnetState): void {
  const { id: subnet, vpcId: vpc, zone, cidr, name, addresses, blocks, fragmentation, clusters, repairs } = state;
  gauges.info.set({ subnet, vpc, zone, cidr, name }, 1);
  gauges.addresses.set({ subnet }, addresses.total);
  gauges.free.set({ subnet }, addresses.free);
  gauges.blocks.set({ subnet }, blocks.total);
  gauges.freeBlocks.set({ subnet }, blocks.free);
  gauges.fragmentation.set({ subnet }, fragmentation);
  gauges.repair.set(
    { subnet },
    repairs.reduce((sum, repair) => sum + repair.blocks, 0),
  );
  for (const [cluster, held] of Object.entries(clusters)) {
    gauges.held.set({ subnet, cluster }, held.addresses);
    gauges.prefixes.set({ subnet, cluster }, held.prefixes);
    if (held.inUse !== undefined) gauges.inUse.set({ subnet, cluster }, held.inUse);
    if (held.warm !== undefined) gauges.warm.set({ subnet, cluster }, held.warm);
    if (cluster !== 'other') gauges.leaked.set({ subnet, cluster }, held.leaked);
  }
  for (const of of KINDS) showForecast(gauges, { subnet, of }, state[of].exhaustion);
}

function showForecast(
  gauges: Gauges,
  labels: { readonly subnet: string; readonly of: string },
  exhaustion: Exhaustion,
): void {
  if (exhaustion.kind === 'not-enough-history') return;
  const isExhausted = exhaustion.kind === 'exhausted';
  const seconds = (ms: number | undefined) => (ms === undefined ? Infinity : ms / 1000);
  const { lowerMs, medianMs, upperMs } = isExhausted ? { lowerMs: 0, medianMs: 0, upperMs: 0 } : exhaustion;
  gauges.exhaustion.set({ ...labels, quantile: '0.05' }, seconds(lowerMs));
  gauges.exhaustion.set({ ...labels, quantile: '0.5' }, seconds(medianMs));
  gauges.exhaustion.set({ ...labels, quantile: '0.95' }, seconds(upperMs));
  const within = isExhausted ? { hour: 1, day: 1, horizon: 1 } : exhaustion.within;
  for (const [name, share] of Object.entries(within)) gauges.probability.set({ ...labels, within: name }, share);
  if (isExhausted) return;
  gauges.horizon.set(labels, exhaustion.horizonMs / 1000);
  gauges.growth.set(labels, exhaustion.growthPerDay);
}
