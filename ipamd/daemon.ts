/**
 * The daemon: the core (core.ts) with its edges, which are claims, journal files, the cloud, the kernel, sockets, spool
 * and endpoints; and the order in which they start and stop. No decisions are made here.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { systemClock } from '#cloud/decorate/clock.ts';
import { createMetadataProvider } from '#cloud/aws/metadata-provider.ts';
import { createNetworkMetadata } from '#cloud/aws/network-metadata.ts';
import type { CloudProvider, InstanceIdentity, InstanceMetadata, NetworkMetadata } from '#cloud/provider.ts';
import type { ObservedCall } from '#cloud/decorate/metrics.ts';
import { CloudStack } from './cloud-stack.ts';
import { attachedPods } from './cards/pod-interfaces.ts';
import { useOf } from '#warm-pool/ledger.ts';
import { withMaxPods } from '#warm-pool/ledger-limits.ts';
import type { InterfaceUse } from '#warm-pool/model.ts';
import type { Config } from './config/config.ts';
import { type Core, startCore } from './core.ts';
import { conntrackOf } from './datapath/conntrack.ts';
import { createKernelDatapath } from './datapath/kernel-datapath.ts';
import { openCluster } from './kubernetes/cluster.ts';
import type { ClusterView } from './kubernetes/cluster-view.ts';
import type { ClusterSource } from './kubernetes/source.ts';
import { prepareForGrowth } from './growth-ahead.ts';
import { giveMemoryBack } from './memory/give-back.ts';
import { MemoryRest } from './memory/memory-rest.ts';
import { provisioningDisabledBy, withoutWrites } from './execute/placement.ts';
import { createMetrics, type Metrics, NO_FIGURES } from './observe/metrics.ts';
import { DriftWatch } from './observe/drift.ts';
import { HttpEndpoint } from './observe/http.ts';
import { countedIdentity, countedNetwork } from './observe/counted-metadata.ts';
import { countFindings } from './observe/pool-findings.ts';
import { introspectionRoutes } from './observe/introspection.ts';
import { healthRoutes, metricsRoutes, type NotReady } from './observe/health.ts';
import type { Log } from './observe/log.ts';
import type { Pool } from './pool.ts';
import { ConflistKeeper } from './install/conflist-keeper.ts';
import { conflistFor } from './install/conflist-for.ts';
import { claim } from './server/claim.ts';
import { SocketServer } from './server/socket-server.ts';
import { toWireError } from './server/to-cni-error.ts';
import { guarded } from './migrate/guard.ts';
import { peerNode } from './start/peer-pods.ts';
import { Spool } from './start/spool.ts';
import { journalFiles } from './store/journal-files.ts';

export interface DaemonOptions {
  readonly config: Config;
  readonly metadata: InstanceMetadata;
  readonly log: Log;
  readonly bootId: string;
  readonly version: string;
  /** Where the API server is; undefined: there is none. */
  readonly clusterSource?: ClusterSource | undefined;
  /** Ends a start that waits for the cloud. */
  readonly signal: AbortSignal;
  /** What decisions of the pool go by; absent: what `clusterSource` says. */
  readonly clusterView?: ClusterView;
}

export interface Daemon {
  readonly pool: Pool;
  [Symbol.asyncDispose](): Promise<void>;
}

const now = () => systemClock.wallTime();

/** EC2, or what of it may be used. */
function providerFor(
  config: Config,
  identity: InstanceIdentity,
  network: NetworkMetadata,
  cloud: CloudStack,
): CloudProvider {
  if (config.imdsOnly) return createMetadataProvider(network, identity);
  const setting = provisioningDisabledBy(config);
  return setting === undefined ? cloud.provider(identity) : withoutWrites(cloud.provider(identity), setting);
}

/** Serving when it resolves. What was opened on the way is closed again when it rejects. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const startedAt = performance.now();
  const { config, log, metadata, version } = options;
  await using stack = new AsyncDisposableStack();
  const { socketPath, stateDirectory } = config;
  stack.use(await claim(`${socketPath}.claim`, `another daemon serves ${socketPath}; stop it first`));
  stack.use(
    await claim(join(stateDirectory, 'claim'), `another daemon keeps its journal in ${stateDirectory}; stop it first`),
  );
  const conflist = await conflistFor(config);
  let notReady: NotReady = () => 'ipamd starts; pods are not served yet';
  if (config.healthBind !== '')
    stack.use(
      await HttpEndpoint.listen(
        config.healthBind,
        healthRoutes(() => notReady()),
      ),
    );
  const { procSys } = config;
  const datapath = stack.use(
    await createKernelDatapath({ procSys, marks: { connmark: config.connmark, eniMarkMask: config.eniMarkMask } }),
  );
  let core: Core | undefined;
  const metrics = createMetrics(() => core?.pool.figures() ?? NO_FIGURES, version);
  const cluster = stack.use(
    openCluster({
      config,
      source: options.clusterSource,
      clock: systemClock,
      random: Math.random,
      metrics: metrics.kubernetes,
      log,
      version,
    }),
  );
  const observer = {
    observe: (call: ObservedCall) => {
      metrics.observeCloudCall(call);
      if (call.outcome === 'throttled' && core !== undefined) core.pool.throttledAt = now();
      if (call.outcome === 'denied') cluster.denied(call.operation);
    },
  };
  let rest: MemoryRest | undefined;
  const waiting = (): number => core?.pool.waiting ?? 0;
  const cloud = stack.use(
    new CloudStack({ config, observer, version, log, waiting, onAgentEnded: () => rest?.busy() }),
  );
  metrics.showBudget(() => cloud.calls().budget);
  const network = countedNetwork(stack.use(createNetworkMetadata(process.env)), metrics.peer);
  const ports = {
    journal: journalFiles(join(stateDirectory, 'journal')),
    datapath,
    conntrack: conntrackOf(),
    metadata: countedIdentity(metadata, metrics.peer),
    provider: (identity: Core['node']['identity']) => providerFor(config, identity, network, cloud),
    network,
    cluster: options.clusterView ?? cluster.view,
    clock: systemClock,
    random: Math.random,
    newId: randomUUID,
    peer: guarded(peerNode(config.backingStore), { config, source: options.clusterSource, signal: options.signal }),
    news: cluster.news,
    metrics,
    log,
  };
  core = stack.use(await startCore(ports, options));
  const driftPorts = { metrics: metrics.drift, log, now };
  const drift = stack.use(new DriftWatch({ ...driftPorts, datapath: config.driftRepair ? datapath : undefined }));
  const { handle, node, attachments } = core;
  stack.use(
    await Spool.open({
      directory: config.spoolDirectory,
      log,
      handle: (request, signal) => handle(request, { signal, deadline: now() + request.deadlineMs, log }),
    }),
  );
  core.begin();
  const { pool, targets } = core;
  prepareForGrowth({ pool, targets, cloud, clock: { soon: core.soon, wallTime: now } });
  rest = stack.use(new MemoryRest({ pool, clock: systemClock, giveBack: giveMemoryBack, log }));
  stack.use(await SocketServer.listen({ path: socketPath, handle, toWireError, log }));
  await openEndpoints(
    { config, core, metrics, cloud, drift, version, view: ports.cluster, notReady: () => notReady() },
    stack,
  );
  log.info({ instance: node.identity.instanceId, socket: socketPath, pods: attachments.size }, 'serving');
  const keeper =
    conflist === undefined ? undefined : stack.use(new ConflistKeeper({ ...conflist, clock: systemClock, log }));
  notReady = () => keeper?.problem;
  showServing(metrics, pool);
  const withApiServer = cluster.view.schedulable() !== undefined;
  metrics.peer.started({ totalMs: process.uptime() * 1000, initMs: performance.now() - startedAt, withApiServer });
  cluster.serving(attachedPods(new Map([...attachments, ...core.branches])));
  if (config.maxPods === undefined) stack.defer(followPodCapacity(cluster.view, core.pool));
  const held = stack.move();
  return { pool: core.pool, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function showServing({ peer }: Metrics, pool: Pool): void {
  peer.show({
    underWay: () => pool.ledger.inFlight.values(),
    blocks: () => pool.ledger.interfaces.values().flatMap((state) => blockUses(useOf(state))),
    isServing: () => true,
  });
  countFindings(pool, peer);
}

function blockUses({
  blocks,
  ipv6 = [],
}: InterfaceUse): readonly { readonly cidr: string; readonly assigned: number }[] {
  return [...blocks.map(({ block, assigned }) => ({ cidr: block.cidr, assigned })), ...ipv6];
}

/** kubelet's own bound is the pool's: nothing is asked for that no pod could use. The returned function ends it. */
function followPodCapacity(view: ClusterView, pool: Pool): () => void {
  const follow = () => {
    const capacity = view.podCapacity();
    if (capacity === undefined || capacity === pool.ledger.config.limits.maxPods) return;
    pool.update((ledger) => withMaxPods(ledger, capacity));
  };
  follow();
  return view.onChange(follow);
}

interface Endpoints {
  readonly config: Config;
  readonly core: Core;
  readonly metrics: Metrics;
  readonly cloud: CloudStack;
  readonly drift: DriftWatch;
  readonly version: string;
  readonly view: ClusterView;
  readonly notReady: NotReady;
}

async function openEndpoints(
  { config, core, metrics, cloud, drift, version, view, notReady }: Endpoints,
  stack: AsyncDisposableStack,
): Promise<void> {
  const { node, pool, targets, attachments, branches } = core;
  const source = { node, pool, targets, attachments, branches, version };
  const routes = introspectionRoutes({
    ...source,
    config,
    calls: () => cloud.calls(),
    drift: () => drift.answer(),
    eniConfig: () => view.eniConfig(),
    startedAt: core.now(),
    now: core.now,
  });
  if (!config.disableMetrics)
    stack.use(await HttpEndpoint.listen(config.metricsBind, metricsRoutes(metrics, notReady)));
  if (!config.disableIntrospection) stack.use(await HttpEndpoint.listen(config.introspectionBind, routes));
  // Last: whoever is answered here finds the others open.
  stack.use(await HttpEndpoint.listen(`unix:${join(config.socketPath, '..', 'introspect.sock')}`, routes));
}
