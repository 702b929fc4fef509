/**
 * Metrics that amazon-vpc-cni-k8s has and that say nothing new here beside `wellspring_*`, so that its dashboards and alerts go
 * on: names, types and labels are the peer's (metrics/metrics.go, pkg/ipamd/ipamd.go there), the values ours.
 */
import { Counter, Gauge, Histogram, type Registry, Summary } from 'prom-client';
import type { CloudErrorCode } from '#cloud/errors.ts';
import type { Action } from '#warm-pool/model.ts';
import type { DriftMetrics } from './drift.ts';

/** What the peer calls the work of its daemon, in the label `fn`. */
export const WORK = ['nodeInit', 'increaseDatastorePool', 'decreaseDatastorePool', 'nodeIPPoolReconcile'] as const;
type Work = (typeof WORK)[number];

/** How pool and cloud were found to differ, in the label `fn` of awscni_reconcile_count. */
export const FINDINGS = [
  'eniReconcileAdd',
  'eniReconcileDel',
  'eniDataStorePoolReconcileAdd',
  'eniIPPoolReconcileDel',
] as const;
export type Finding = (typeof FINDINGS)[number];

const SECONDS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300];
const KINDS: Readonly<Record<Action['kind'], Work>> = {
  assign: 'increaseDatastorePool',
  'assign-ipv6-prefix': 'increaseDatastorePool',
  'create-interface': 'increaseDatastorePool',
  release: 'decreaseDatastorePool',
  'delete-interface': 'decreaseDatastorePool',
};
/** Statuses of EC2's answers, by what became of them (EC2 API reference, "Error codes for the Amazon EC2 API"). */
const STATUS: Readonly<Partial<Record<'ok' | CloudErrorCode, string>>> = { ok: '200', denied: '403', throttled: '503' };

export interface PeerSources {
  /** Actions that are under way. */
  readonly underWay: () => Iterable<Pick<Action, 'kind'>>;
  /** Blocks with the number of pods that have an address of each. */
  readonly blocks: () => Iterable<{ readonly cidr: string; readonly assigned: number }>;
  readonly isServing: () => boolean;
}

/** Before there is a pool. */
export const NO_SOURCES: PeerSources = { underWay: () => [], blocks: () => [], isServing: () => false };

export type PeerMetrics = ReturnType<typeof createPeerMetrics>;

export function createPeerMetrics(registry: Registry, drift: DriftMetrics) {
  const registers = [registry];
  let sources = NO_SOURCES;
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter<L>({ name, help, labelNames: [...labelNames], registers });
  const errors = counter('awscni_ipamd_error_count', 'The number of errors encountered in ipamd', ['fn']);
  const reconciled = counter(
    'awscni_reconcile_count',
    'The number of times ipamd found its pool and the cloud to differ',
    ['fn'],
  );
  for (const fn of WORK) errors.inc({ fn }, 0);
  for (const fn of FINDINGS) reconciled.inc({ fn }, 0);
  const latency = new Summary({
    name: 'awscni_aws_api_latency_ms',
    help: 'AWS API call latency in ms',
    labelNames: ['api', 'error', 'status'],
    percentiles: [0.5, 0.9, 0.99],
    registers,
  });
  const startUp = new Histogram({
    name: 'awscni_ipamd_startup_duration_seconds',
    help: 'Time from the start of the process until ipamd serves',
    labelNames: ['success', 'with_api_server', 'failure_reason'],
    buckets: SECONDS,
    registers,
  });
  const initialization = new Histogram({
    name: 'awscni_ipamd_node_initialization_duration_seconds',
    help: 'Time until the node’s network is set up and ipamd serves',
    labelNames: ['success'],
    buckets: SECONDS,
    registers,
  });
  return {
    pulled: pulled(registry, drift, () => sources),
    reconciled,
    podEniErrors: counter('awscni_pod_eni_error_count', 'The number of errors encountered for pod ENIs', ['fn']),
    metadataErrors: counter('awscni_aws_utils_error_count', 'The number of errors reading instance metadata', [
      'fn',
      'error',
    ]),
    forcedInterfaces: counter(
      'awscni_force_removed_enis',
      'The number of ENIs that were gone from the node while pods had addresses of them',
    ),
    forcedAddresses: counter(
      'awscni_force_removed_ips',
      'The number of addresses that were gone from the node while pods had them',
    ),
    /** Where gauges are read at each scrape. */
    show(of: PeerSources): void {
      sources = of;
    },
    /** A call of EC2 has ended. */
    observeCloudCall(call: {
      readonly action: string;
      readonly outcome: 'ok' | CloudErrorCode;
      readonly durationMs: number;
    }) {
      const { action: api, outcome } = call;
      const status = STATUS[outcome] ?? '';
      latency.observe({ api, error: String(outcome !== 'ok'), status }, call.durationMs);
      if (outcome !== 'ok') errors.inc({ fn: workOf(api) });
    },
    /** ipamd serves; `initMs` is the part that the node's own set-up took. */
    started({ totalMs, initMs, withApiServer }: { totalMs: number; initMs: number; withApiServer: boolean }): void {
      startUp.observe({ success: 'true', with_api_server: String(withApiServer), failure_reason: '' }, totalMs / 1000);
      initialization.observe({ success: 'true' }, initMs / 1000);
    },
  };
}

/** Gauges and counters that are read when they are scraped. */
function pulled(registry: Registry, drift: DriftMetrics, sources: () => PeerSources) {
  const registers = [registry];
  const inProgress = new Gauge({
    name: 'awscni_ipamd_action_inprogress',
    help: 'The number of ipamd actions in progress',
    labelNames: ['fn'],
    registers,
    collect() {
      const { underWay, isServing } = sources();
      const running = [...underWay()].map(({ kind }) => KINDS[kind]);
      for (const fn of WORK) this.set({ fn }, running.filter((each) => each === fn).length);
      if (!isServing()) this.set({ fn: 'nodeInit' }, 1);
    },
  });
  const perCidr = new Gauge({
    name: 'awscni_assigned_ip_per_cidr',
    help: 'The number of IP addresses assigned per CIDR',
    labelNames: ['cidr'],
    registers,
    collect() {
      this.reset();
      for (const { cidr, assigned } of sources().blocks()) if (assigned > 0) this.set({ cidr }, assigned);
    },
  });
  const backend = new Gauge({
    name: 'awscni_connmark_backend',
    help: 'Which backend carries the connection mark rules',
    labelNames: ['backend'],
    registers,
  });
  backend.set({ backend: 'nftables' }, 1);
  // Set once when ipamd begins to serve; what is put back later, or cannot be, is drift of the nftables table.
  const marked = new Counter({
    name: 'awscni_connmark_reconcile_total',
    help: 'The number of times the connection mark rules were put in place, by result',
    labelNames: ['result'],
    registers,
    async collect() {
      const times = async (each: DriftMetrics['repairs']) =>
        (await each.get()).values.find(({ labels }) => labels['object'] === 'nft')?.value ?? 0;
      const [again, failed] = [await times(drift.repairs), await times(drift.failures)];
      this.reset();
      this.inc({ result: 'success' }, again + (sources().isServing() ? 1 : 0));
      this.inc({ result: 'failure' }, failed);
    },
  });
  return { inProgress, perCidr, backend, marked };
}

function workOf(action: string): Work {
  if (/^(Assign|Create|Attach|Modify)/.test(action)) return 'increaseDatastorePool';
  return /^(Unassign|Delete|Detach)/.test(action) ? 'decreaseDatastorePool' : 'nodeIPPoolReconcile';
}
