/**
 * The composition of the daemon: wires the rooms and knows the order of start and stop. No decisions are made here.
 *
 * Start: journal and kernel first, so that a restarted daemon serves before the cloud has answered; a node that the
 * journal does not know (first start, reboot) is identified from metadata and described once.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { InstanceMetadata } from '#cloud/provider.ts';
import { attachmentKey } from '#warm-pool/ledger.ts';
import type { WarmTargets } from '#warm-pool/model.ts';
import { isManaged, networkInterfaceTags } from '#cloud/aws/tags.ts';
import { CloudStack } from './cloud-stack.ts';
import type { Config } from './config/config.ts';
import { conntrackOf } from './datapath/conntrack.ts';
import { createKernelDatapath } from './datapath/kernel-datapath.ts';
import type { ExecuteContext } from './execute/context.ts';
import { createExecutor } from './execute/execute.ts';
import { CoolDownWatch } from './execute/cool-down-watch.ts';
import { OwnWrites, withOwnWrites } from './execute/remember-writes.ts';
import { SecondLooks } from './execute/second-looks.ts';
import { type LeakOutcome, LeakSweep } from './execute/leak-sweep.ts';
import { Leftovers } from './execute/leftovers.ts';
import { SubnetWatch } from './execute/subnet-watch.ts';
import { createMetrics, type Metrics, NO_FIGURES } from './observe/metrics.ts';
import { HttpEndpoint } from './observe/http.ts';
import { introspectionRoutes } from './observe/introspection.ts';
import { healthRoutes } from './observe/health.ts';
import type { Log } from './observe/log.ts';
import { Pool } from './pool.ts';
import { Reconciler } from './reconciler.ts';
import { AttachmentLocks } from './server/attachment-locks.ts';
import { claim } from './server/claim.ts';
import { createDispatcher } from './server/dispatch.ts';
import type { HandlerContext } from './server/handlers/context.ts';
import { SocketServer } from './server/socket-server.ts';
import { toWireError } from './server/to-cni-error.ts';
import type { Node } from './start/discover.ts';
import { type ProviderOf, restore, setUpKernel, storeRecovery } from './start/restore.ts';
import { Spool } from './start/spool.ts';
import { createSubnetCache } from './start/subnets.ts';
import { compareWithCloud, type Synchronisation } from './start/synchronise.ts';
import { openJournal } from './store/journal.ts';
import { JOURNAL_VERSION } from './store/records.ts';

export interface DaemonOptions {
  readonly config: Config;
  readonly metadata: InstanceMetadata;
  readonly log: Log;
  readonly bootId: string;
  readonly version: string;
  /** Ends a start that waits for the cloud. */
  readonly signal: AbortSignal;
}

export interface Daemon {
  readonly pool: Pool;
  [Symbol.asyncDispose](): Promise<void>;
}

const now = () => Date.now();

/** Serving when it resolves. What was opened on the way is closed again when it rejects. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { config, log, bootId, version, signal } = options;
  await using stack = new AsyncDisposableStack();
  const { socketPath, stateDirectory } = config;
  stack.use(await claim(`${socketPath}.claim`, `another daemon serves ${socketPath}; stop it first`));
  stack.use(
    await claim(join(stateDirectory, 'claim'), `another daemon keeps its journal in ${stateDirectory}; stop it first`),
  );
  const opened = await openJournal(join(config.stateDirectory, 'journal'), now);
  const journal = stack.use(opened.journal);
  const datapath = stack.use(
    await createKernelDatapath({ marks: { connmark: config.connmark, eniMarkMask: config.eniMarkMask } }),
  );
  let pool: Pool | undefined;
  const metrics = createMetrics(() => pool?.figures() ?? NO_FIGURES, version);
  if (opened.damaged > 0) {
    metrics.journalDamaged.inc(opened.damaged);
    log.warn({ records: opened.damaged }, 'journal records could not be read and are left out');
  }
  const cloud = stack.use(
    new CloudStack({ config, observer: { observe: (call) => metrics.observeCloudCall(call) }, version }),
  );
  const ownWrites = new OwnWrites({ journal, log, now, earlier: opened.state.ownWrites });
  const outranked: ProviderOf = (identity) => withOwnWrites(cloud.provider(identity), ownWrites, now);
  const from = { ...options, state: opened.state, provider: outranked, datapath, now };
  const { node, ledger, recovery, attached } = await restore(from);
  await journal.append({ kind: 'start', version: JOURNAL_VERSION, bootId, at: now() }, { kind: 'node', ...node });
  await storeRecovery(recovery, journal, log);
  pool = new Pool(ledger, now);
  const coolDownMs = config.coolDownSeconds * 1000;
  if (config.conntrackCoolDown && coolDownMs > 0)
    stack.use(new CoolDownWatch({ pool, journal, conntrack: conntrackOf(), coolDownMs, now, log }));

  const targets = warmTargets(config);
  const provider = outranked(node.identity);
  const secondLooks = stack.use(new SecondLooks());
  const leftovers = stack.use(new Leftovers({ provider, identity: node.identity, pool, journal, log }));
  const execution: ExecuteContext = {
    leftovers,
    provider,
    datapath,
    journal,
    pool,
    log,
    now,
    identity: node.identity,
    newId: randomUUID,
    secondLooks,
    subnets: createSubnetCache({
      provider,
      identity: node.identity,
      pool,
      log,
      rules: { discovery: config.subnetDiscovery, clusterName: config.clusterName },
      remembered: [...opened.state.interfaces.values()].map(({ networkInterface, subnetCidr }) => ({
        id: networkInterface.subnetId,
        cidr: subnetCidr,
      })),
    }),
    tags: (at) =>
      networkInterfaceTags({
        instanceId: node.identity.instanceId,
        clusterName: config.clusterName,
        additional: config.additionalEniTags,
        now: at,
      }),
    isManaged: (description) => isManaged(description.tags, node.identity.instanceId, config.manageUntaggedEni),
  };
  await Promise.all([
    setUpKernel({ config, node, state: opened.state, recovery }, execution),
    // A node that the journal knows also remembers which interfaces are excluded from pods.
    attached && execution.subnets.refresh({ signal: firstLook(signal), cause: 'start' }),
  ]);

  const attachments = new Map(recovery.assignments.map((stored) => [attachmentKey(stored.attachment), stored]));
  let reconciler: Reconciler | undefined;
  const handlers: HandlerContext = {
    pool,
    journal,
    datapath,
    metrics,
    attachments,
    now,
    locks: new AttachmentLocks(),
    vethPrefix: config.vethPrefix,
    podMtu: config.podMtu ?? config.eniMtu,
    refusals: () => reconciler?.refusals ?? [],
  };
  const handle = createDispatcher(handlers);
  stack.use(
    await Spool.open({
      directory: config.spoolDirectory,
      log,
      handle: (request, spoolSignal) =>
        handle(request, { signal: spoolSignal, deadline: now() + request.deadlineMs, log }),
    }),
  );
  reconciler = await startReconciling(
    execution,
    targets,
    {
      attached,
      intents: [...opened.state.intents.values()],
      ownWrites: opened.state.ownWrites,
      journalDamaged: opened.damaged > 0,
    },
    stack,
    signal,
  );
  if (!config.disableLeakedEniCleanup) {
    const count = (outcome: LeakOutcome) => metrics.leakedInterfaces.inc({ outcome });
    const intervalMs = config.leakedEniIntervalSeconds * 1000;
    stack.use(new LeakSweep({ context: execution, clusterName: config.clusterName, intervalMs, count }));
  }
  stack.use(await SocketServer.listen({ path: config.socketPath, handle, toWireError, log }));
  await openEndpoints({ config, node, pool, targets, attachments, metrics, cloud, version }, stack);
  log.info({ instance: node.identity.instanceId, socket: config.socketPath, pods: attachments.size }, 'serving');
  const held = stack.move();
  return { pool, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** For what is better known before the first pod comes, but not worth a long wait. */
function firstLook(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(5000)]);
}

/** The cloud is compared in the background; the planner starts when that is done, or when it cannot be. */
async function startReconciling(
  execution: ExecuteContext,
  targets: WarmTargets,
  from: Synchronisation,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Reconciler> {
  const stop = new AbortController();
  const subnetWatch = new SubnetWatch(execution);
  const reconciler = new Reconciler({
    pool: execution.pool,
    targets,
    execute: createExecutor(execution),
    onPlan: (plan) => subnetWatch.planned(plan),
    now,
    log: execution.log,
  });
  const compared = compareWithCloud(execution, from, AbortSignal.any([stop.signal, signal])).then(() =>
    reconciler.wake(),
  );
  stack.defer(async () => {
    stop.abort(new Error('the daemon stops'));
    await compared;
    await reconciler[Symbol.asyncDispose]();
    await subnetWatch[Symbol.asyncDispose]();
  });
  return reconciler;
}

interface Endpoints {
  readonly config: Config;
  readonly node: Node;
  readonly pool: Pool;
  readonly targets: WarmTargets;
  readonly attachments: HandlerContext['attachments'];
  readonly metrics: Metrics;
  readonly cloud: CloudStack;
  readonly version: string;
}

async function openEndpoints(
  { config, metrics, cloud, ...source }: Endpoints,
  stack: AsyncDisposableStack,
): Promise<void> {
  const routes = introspectionRoutes({ ...source, config, calls: () => cloud.recentCalls(), startedAt: now(), now });
  stack.use(await HttpEndpoint.listen(`unix:${join(config.socketPath, '..', 'introspect.sock')}`, routes));
  if (!config.disableIntrospection) stack.use(await HttpEndpoint.listen(config.introspectionBind, routes));
  if (!config.disableMetrics) stack.use(await HttpEndpoint.listen(config.metricsBind, healthRoutes(metrics)));
}

function warmTargets(config: Config): WarmTargets {
  const { warmEniTarget, warmIpTarget, minimumIpTarget, warmPrefixTarget } = config;
  return {
    warmEniTarget,
    warmIpTarget,
    minimumIpTarget,
    warmPrefixTarget,
    interfaceMinimumAgeMs: config.eniMinimumAgeSeconds * 1000,
  };
}
