/**
 * Every metric of the daemon. `awscni_*` keep the peer's names, types and labels; `wellspring_*` are ours.
 * Pool gauges are read from the ledger at scrape time, so they cannot drift from it.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BudgetState } from '#cloud/decorate/call-budget.ts';
import type { CloudErrorCode } from '#cloud/errors.ts';
import { createClusterMetrics } from '../kubernetes/metrics.ts';
import { createDriftMetrics } from './drift.ts';
import { createPeerMetrics } from './peer-metrics.ts';

export interface PoolFigures {
  readonly interfaces: number;
  readonly maxInterfaces: number;
  readonly maxAddresses: number;
  readonly total: number;
  readonly assigned: number;
  readonly cooling: number;
  readonly free: number;
  readonly prefixes: number;
  readonly ipv6Prefixes: number;
  readonly waiting: number;
  readonly orphans: number;
  readonly ipv6Orphans: number;
  readonly byInterface: readonly { readonly id: string; readonly assigned: number }[];
}

/** Before there is a pool. */
export const NO_FIGURES: PoolFigures = {
  interfaces: 0,
  maxInterfaces: 0,
  maxAddresses: 0,
  total: 0,
  assigned: 0,
  cooling: 0,
  free: 0,
  prefixes: 0,
  ipv6Prefixes: 0,
  waiting: 0,
  orphans: 0,
  ipv6Orphans: 0,
  byInterface: [],
};

const FAST_SECONDS = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1, 2, 5, 10, 30];

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics(pool: () => PoolFigures, version: string) {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter<L>({ name, help, labelNames: [...labelNames], registers });
  const gauge = (name: string, help: string, read: (figures: PoolFigures) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(pool()));
      },
    });

  gauge('awscni_eni_max', 'The maximum number of ENIs that can be attached to the instance', (p) => p.maxInterfaces);
  gauge(
    'awscni_ip_max',
    'The maximum number of IP addresses that can be allocated to the instance',
    (p) => p.maxAddresses,
  );
  gauge('awscni_eni_allocated', 'The number of ENIs allocated', (p) => p.interfaces);
  gauge('awscni_total_ip_addresses', 'The total number of IP addresses', (p) => p.total);
  gauge('awscni_assigned_ip_addresses', 'The number of IP addresses assigned to pods', (p) => p.assigned);
  gauge('awscni_total_ipv4_prefixes', 'The total number of IPv4 prefixes', (p) => p.prefixes);
  gauge(
    'wellspring_ipv6_prefixes',
    'The number of IPv6 prefixes (/80) on the ENIs of this node',
    (p) => p.ipv6Prefixes,
  );
  gauge('wellspring_free_ip_addresses', 'Addresses that can be given to a pod now', (p) => p.free);
  gauge('wellspring_cooling_ip_addresses', 'Released addresses that rest before they are used again', (p) => p.cooling);
  gauge('wellspring_add_queue_length', 'ADD requests that wait for an address', (p) => p.waiting);
  gauge(
    'wellspring_orphaned_addresses',
    'Pods that run with an address that the cloud no longer gives to this node',
    (p) => p.orphans + p.ipv6Orphans,
  );
  const perInterface = new Gauge({
    name: 'awscni_assigned_ip_per_eni',
    help: 'The number of IP addresses assigned to pods by ENI',
    labelNames: ['eni'],
    registers,
    collect() {
      this.reset();
      for (const { id, assigned } of pool().byInterface) this.set({ eni: id }, assigned);
    },
  });
  let budget: () => readonly BudgetState[] = () => [];
  const budgetGauge = (name: string, help: string, read: (state: BudgetState) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['class'],
      registers,
      collect() {
        for (const state of budget()) this.set({ class: state.class }, read(state));
      },
    });
  budgetGauge(
    'wellspring_cloud_call_rate',
    'EC2 calls a second that this node allows itself; less than usual while EC2 throttles',
    (state) => state.perSecond,
  );
  budgetGauge('wellspring_cloud_calls_waiting', 'EC2 calls that wait for their turn', (state) => state.waiting);
  const buildInfo = new Gauge({
    name: 'awscni_build_info',
    help: 'Version of the daemon',
    labelNames: ['version', 'goversion'],
    registers,
  });
  buildInfo.set({ version, goversion: 'none' }, 1);

  const addRequests = counter('awscni_add_ip_req_count', 'The number of add IP address requests');
  const delRequests = counter('awscni_del_ip_req_count', 'The number of delete IP address requests', ['reason']);
  const noAddress = counter(
    'awscni_no_available_ip_addresses',
    'The number of pod IP assignments that found no available IP address',
  );
  const ec2Requests = counter('awscni_ec2api_req_count', 'The number of requests made to EC2 APIs by CNI', ['fn']);
  const ec2Errors = counter('awscni_ec2api_error_count', 'The number of failed EC2 API requests', ['fn']);
  const apiErrors = counter('awscni_aws_api_error_count', 'The number of times AWS API returns an error', [
    'api',
    'error',
  ]);
  const cloudCalls = counter('wellspring_cloud_calls_total', 'EC2 calls by operation, cause and outcome', [
    'operation',
    'cause',
    'outcome',
  ]);
  const cniErrors = counter('wellspring_cni_errors_total', 'CNI requests that failed, by method and CNI error code', [
    'method',
    'code',
  ]);
  const journalDamaged = counter('wellspring_journal_damaged_records_total', 'Journal records that could not be read');
  const leakedInterfaces = counter(
    'wellspring_leaked_interfaces_total',
    'Leaked ENIs that were found, by outcome: deleted, marked (age unknown) or failed',
    ['outcome'],
  );
  const interfaceUpdateFailures = counter(
    'wellspring_interface_update_failures_total',
    'Tags or security groups of ENIs that could not be set; the daemon tries again',
    ['what'],
  );
  const cniLatency = new Histogram({
    name: 'wellspring_cni_request_duration_seconds',
    help: 'Time from the arrival of a CNI request to its answer, by method and phase',
    labelNames: ['method', 'phase'],
    buckets: FAST_SECONDS,
    registers,
  });
  const cloudLatency = new Histogram({
    name: 'wellspring_cloud_call_duration_seconds',
    help: 'Duration of EC2 calls',
    labelNames: ['operation'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });

  const drift = createDriftMetrics(registry);
  const peer = createPeerMetrics(registry, drift);
  return {
    registry,
    kubernetes: createClusterMetrics(registry),
    drift,
    peer,
    perInterface,
    addRequests,
    delRequests,
    noAddress,
    cniErrors,
    cniLatency,
    journalDamaged,
    leakedInterfaces,
    interfaceUpdateFailures,
    /** Where the state of the call budget is read at each scrape. */
    showBudget(read: () => readonly BudgetState[]): void {
      budget = read;
    },
    /** Fits the observer of cloud/decorate/metrics.ts. */
    observeCloudCall(call: {
      readonly operation: string;
      readonly cause: string;
      readonly outcome: 'ok' | CloudErrorCode;
      readonly durationMs: number;
    }): void {
      // The port's methods have the names of the API's actions, in lower case at the beginning.
      const action = call.operation.charAt(0).toUpperCase() + call.operation.slice(1);
      ec2Requests.inc({ fn: action });
      cloudCalls.inc({ operation: call.operation, cause: call.cause, outcome: call.outcome });
      cloudLatency.observe({ operation: call.operation }, call.durationMs / 1000);
      peer.observeCloudCall({ ...call, action });
      if (call.outcome === 'ok') return;
      ec2Errors.inc({ fn: action });
      apiErrors.inc({ api: action, error: call.outcome });
    },
  };
}
