/**
 * The daemon without its edges: pool, ledger, journal, reconciler, executor, handlers and the watches around them, on
 * ports. It opens no file, socket or clock of its own, so that the fault test (test/fault) runs it whole on a virtual
 * clock. No decisions are made here; it wires the rooms and knows the order of start and stop.
 *
 * Start: journal and kernel first, so that a restarted daemon serves before the cloud has answered; a node that the
 * journal does not know (first start, reboot) is identified from metadata and described once.
 */
import type { Clock } from '#cloud/decorate/clock.ts';
import type { CloudProvider, InstanceMetadata, NetworkInterfaceDescription } from '#cloud/provider.ts';
import { networkInterfaceTags } from '#cloud/aws/tags.ts';
import { attachmentKey } from '#warm-pool/ledger.ts';
import type { WarmTargets } from '#warm-pool/model.ts';
import type { Config } from './config/config.ts';
import type { Conntrack } from './datapath/conntrack.ts';
import type { Datapath } from './datapath/datapath.ts';
import type { ExecuteContext } from './execute/context.ts';
import { createExecutor } from './execute/execute.ts';
import { CoolDownWatch } from './execute/cool-down-watch.ts';
import { type LeakOutcome, LeakSweep } from './execute/leak-sweep.ts';
import { Leftovers } from './execute/leftovers.ts';
import { take } from './execute/adopt.ts';
import { placementOf, type PlacementPorts, type PlacementWatches, watchPlacement } from './execute/placement.ts';
import { BranchPods } from './branch/branch-pods.ts';
import { startBranches } from './branch/start-branches.ts';
import { trunkOf } from './branch/trunk-slot.ts';
import { checkSubnets, familyOf, lacksIpv6Prefix } from './start/family.ts';
import { PodMove } from './migrate/move-pods.ts';
import { OwnWrites, withOwnWrites } from './execute/remember-writes.ts';
import { SecondLooks } from './execute/second-looks.ts';
import { SubnetWatch } from './execute/subnet-watch.ts';
import { WITHOUT_CLUSTER } from './kubernetes/cluster-view.ts';
import { NO_NEWS, type PodNews } from './kubernetes/pod-news.ts';
import { Lull } from './lull.ts';
import type { Log } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';
import { Pool } from './pool.ts';
import { type Planner, Reconciler } from './reconciler.ts';
import { AttachmentLocks } from './server/attachment-locks.ts';
import { createDispatcher } from './server/dispatch.ts';
import { nodeTime } from './node-time.ts';
import type { HandlerContext } from './server/handlers/context.ts';
import type { Handler } from './server/socket-server.ts';
import type { Node } from './start/discover.ts';
import type { PeerNode } from './start/peer-pods.ts';
import { type ProviderOf, type Restored, restore, setUpKernel, storeRecovery } from './start/restore.ts';
import { createSubnetCache } from './start/subnets.ts';
import { compareWithCloud, type Synchronisation } from './start/synchronise.ts';
import type { JournalStorage } from './store/journal-files.ts';
import { openJournalIn, type OpenedJournal } from './store/journal.ts';
import { outrank, releasesEnd } from './store/own-writes.ts';
import { JOURNAL_VERSION } from './store/records.ts';

/** Everything with an effect, and what is drawn by lot. */
export interface CorePorts extends PlacementPorts {
  readonly journal: JournalStorage;
  /** Not disposed of by the core. */
  readonly datapath: Datapath;
  readonly conntrack: Conntrack;
  readonly metadata: InstanceMetadata;
  /** With deadlines, retries and a budget (cloud/decorate). */
  readonly provider: ProviderOf;
  readonly clock: Clock;
  /** From 0 (included) to 1 (not included). */
  readonly random: () => number;
  /** Unique for ever: client tokens are made of it. */
  readonly newId: () => string;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Makes the plans; the production planner unless told. */
  readonly planner?: Planner;
  /** Told what becomes of pods, where somebody listens. */
  readonly news?: PodNews;
  /** What the CNI that ran here before left behind. */
  readonly peer?: PeerNode;
}

export interface CoreOptions {
  readonly config: Config;
  readonly bootId: string;
  /** Ends a start that waits for the cloud. */
  readonly signal: AbortSignal;
}

export interface Core {
  readonly node: Node;
  readonly pool: Pool;
  readonly targets: WarmTargets;
  readonly attachments: HandlerContext['attachments'];
  /** Pods with ENIs of their own, which the pool does not know. */
  readonly branches: HandlerContext['branches']['attachments'];
  /** The node's time (node-time.ts), by which the pool is kept. */
  readonly now: () => number;
  /** Calls work at the end of this turn of the event loop, or after the answers to pods that are being plugged. */
  readonly soon: Clock['soon'];
  /** Serves one request of the CNI binary. */
  readonly handle: Handler;
  /** Compares the pool with the cloud and plans from then on. To be called once, after what waited for a start is done. */
  begin(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Able to serve when it resolves. What was opened on the way is closed again when it rejects. */
export async function startCore(ports: CorePorts, options: CoreOptions): Promise<Core> {
  const { config, bootId } = options;
  const { datapath, log, metrics } = ports;
  await using stack = new AsyncDisposableStack();
  let time = nodeTime(ports.clock, { bootedAt: undefined, latest: 0 });
  const now = () => time.clock.wallTime();
  const opened = await openJournalIn(ports.journal, ({ bootId: earlier, bootedAt, latest }) => {
    time = nodeTime(ports.clock, { bootedAt: earlier === bootId ? bootedAt : undefined, latest });
    return now;
  });
  const { clock, bootedAt } = time;
  const openedAt = now();
  const { state, damaged } = opened;
  const journal = stack.use(opened.journal);
  if (damaged > 0) {
    metrics.journalDamaged.inc(damaged);
    log.warn({ records: damaged }, 'journal records could not be read and are left out');
  }
  const ownWrites = new OwnWrites({ journal, log, now, earlier: state.ownWrites });
  const outranked: ProviderOf = (identity) => withOwnWrites(ports.provider(identity), ownWrites, now);
  const restored = await restore({ ...ports, ...options, clock, state, provider: outranked });
  const { node, recovery, attached } = restored;
  // Of the boot before, and not there any more: a restart must not serve from them.
  const gone = attached === undefined ? [] : [...state.interfaces.keys()].filter((id) => !isAmong(attached, id));
  // The boot id last: a journal that has it is complete, and a start that was interrupted before it begins anew.
  await storeRecovery(recovery, journal, log);
  await journal.append(
    ...gone.map((interfaceId) => ({ kind: 'interface-gone', interfaceId }) as const),
    { kind: 'start', version: JOURNAL_VERSION, bootId, at: now(), bootedAt },
    { kind: 'node', ...node },
  );
  const { execution, placement } = executionOf(
    { ports, clock, ownWrites, config, opened, restored, provider: outranked(node.identity) },
    stack,
  );
  const { pool } = execution;
  const firstSubnets = () => execution.subnets.refresh({ signal: firstLook(options.signal, clock), cause: 'start' });
  if (lacksIpv6Prefix(pool.snapshot())) {
    // Before anything is changed: what cannot be had here is refused.
    await firstSubnets();
    checkSubnets(pool.snapshot());
  }
  await Promise.all([
    setUpKernel({ config, node, state, recovery }, execution),
    // A node that the journal knows also remembers which interfaces are excluded from pods.
    attached && !execution.subnets.answered && firstSubnets(),
  ]);
  const trunk = trunkOf(pool, node.instanceType, config, log);
  placement.onEachLook((seen) => trunk.seen(seen));
  if (attached !== undefined) trunk.seen(attached);
  const branches = new BranchPods({
    enabled: config.podEni,
    mode: config.podEniMode,
    family: familyOf(config),
    trunk,
    cluster: ports.cluster ?? WITHOUT_CLUSTER,
    journal,
    datapath,
    known: await startBranches({ state, bootId, datapath, journal, log, now: now() }),
  });
  const attachments = new Map(recovery.assignments.map((stored) => [attachmentKey(stored.attachment), stored]));
  let reconciler: Reconciler | undefined;
  const lull = new Lull(clock);
  const locks = new AttachmentLocks();
  const handle = createDispatcher({
    pool,
    journal,
    datapath,
    metrics,
    attachments,
    now,
    locks,
    lull,
    vethPrefix: config.vethPrefix,
    podMtu: config.podMtu ?? config.eniMtu,
    refusals: () => reconciler?.refusals ?? [],
    news: ports.news ?? NO_NEWS,
    branches,
    cluster: ports.cluster ?? WITHOUT_CLUSTER,
  });
  const targets = warmTargets(config);
  const held = stack.move();
  const begin = () => {
    const intents = [...state.intents.values()];
    const { onAttached } = placement;
    const { ownWrites: earlier } = state;
    const found = { attached, hasLost: gone.length > 0, journalDamaged: damaged > 0 };
    const from = { ...found, intents, ownWrites: earlier, openedAt, onAttached };
    const { random, planner } = ports;
    const reconciling = { execution, placement, targets, from, random, planner, soon: lull.soon };
    reconciler = startReconciling(reconciling, held, options.signal);
    const firstStart = state.bootId === undefined;
    if (ports.peer !== undefined)
      held.use(new PodMove({ pool, journal, datapath, attachments, locks, log, firstStart }));
    if (!config.disableLeakedEniCleanup && execution.provisioningDisabledBy === undefined)
      held.use(leakSweep(execution, config, ports));
  };
  const of = { node, pool, targets, attachments, branches: branches.attachments, now, soon: lull.soon };
  return { ...of, handle, begin, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function isAmong(described: readonly NetworkInterfaceDescription[], id: string): boolean {
  return described.some((each) => each.id === id);
}

interface ExecutionFrom {
  readonly ports: CorePorts;
  /** The node's (node-time.ts). */
  readonly clock: Clock;
  readonly ownWrites: OwnWrites;
  readonly config: Config;
  readonly opened: OpenedJournal;
  readonly restored: Restored;
  readonly provider: CloudProvider;
}

/** The pool and what carries out its plans; what has a lifetime goes on the stack. */
function executionOf(
  { ports, clock, ownWrites, config, opened: { journal, state }, restored, provider }: ExecutionFrom,
  stack: AsyncDisposableStack,
): { readonly execution: ExecuteContext; readonly placement: PlacementWatches } {
  const { datapath, conntrack, newId, log } = ports;
  const { identity } = restored.node;
  const now = () => clock.wallTime();
  const pool = new Pool(restored.ledger, now);
  const coolDownMs = config.coolDownSeconds * 1000;
  if (config.conntrackCoolDown && coolDownMs > 0)
    stack.use(new CoolDownWatch({ pool, journal, conntrack, coolDownMs, clock, log }));
  const secondLooks = stack.use(new SecondLooks());
  const { custom, ...place } = placementOf(config, identity, ports, state.eniConfig);
  const leftovers = stack.use(
    new Leftovers({
      ...place,
      provider,
      identity,
      pool,
      journal,
      clock,
      log,
      adopt: (found, signal) => take(found, execution, signal),
    }),
  );
  const remembered = [...state.interfaces.values()].map(({ networkInterface, subnetCidr }) => ({
    id: networkInterface.subnetId,
    cidr: subnetCidr,
  }));
  const rules = { discovery: config.subnetDiscovery, clusterName: config.clusterName };
  const { clusterName, additionalEniTags: additional } = config;
  const subnets = createSubnetCache({ provider, identity, pool, log, rules, remembered, custom });
  const execution: ExecuteContext = {
    ...place,
    bringingUp: new Set(),
    detaching: { pace: { waitMs: 0 } },
    leftovers,
    provider,
    datapath,
    journal,
    pool,
    log,
    clock,
    now,
    identity,
    newId,
    secondLooks,
    subnets,
    corrected: (description) =>
      outrank([description], ownWrites.all, {}, now()).find(({ id }) => id === description.id) ?? description,
    releasesEnd: (interfaceId) => releasesEnd(ownWrites.all, interfaceId, now()),
    // Other nodes read this time, so it is the wall clock's.
    tags: () =>
      networkInterfaceTags({ instanceId: identity.instanceId, clusterName, additional, now: ports.clock.wallTime() }),
  };
  const { network, metrics, random } = ports;
  const from = { config, node: restored.node, context: execution, subnets, network, metrics, random };
  return { execution, placement: stack.use(watchPlacement({ custom, ...place }, from)) };
}

/** For what is better known before the first pod comes, but not worth a long wait. */
function firstLook(signal: AbortSignal, clock: Clock): AbortSignal {
  return AbortSignal.any([signal, clock.deadline(5000)]);
}

interface ReconcilingFrom {
  readonly execution: ExecuteContext;
  readonly placement: PlacementWatches;
  readonly targets: WarmTargets;
  readonly from: Synchronisation;
  readonly random: () => number;
  readonly planner: Planner | undefined;
  readonly soon: Clock['soon'];
}

/** The cloud is compared in the background; the planner starts when that is done, or when it cannot be. */
function startReconciling(
  { execution, placement, targets, from, random, planner, soon }: ReconcilingFrom,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Reconciler {
  const { pool, clock, log } = execution;
  const stop = new AbortController();
  const subnetWatch = new SubnetWatch(execution, random);
  const reconciler = new Reconciler({
    pool,
    targets,
    execute: createExecutor(execution),
    planner,
    onPlan: (plan) => subnetWatch.planned(plan),
    clock,
    soon,
    log,
  });
  let nodeWatch: AsyncDisposable | undefined;
  const compared = compareWithCloud(execution, from, AbortSignal.any([stop.signal, signal])).then(() => {
    reconciler.wake();
    if (!stop.signal.aborted) nodeWatch = placement.begin();
  });
  stack.defer(async () => {
    stop.abort(new Error('the daemon stops'));
    await compared;
    await nodeWatch?.[Symbol.asyncDispose]();
    await reconciler[Symbol.asyncDispose]();
    await subnetWatch[Symbol.asyncDispose]();
  });
  return reconciler;
}

function leakSweep(execution: ExecuteContext, config: Config, { metrics, random, clock }: CorePorts): LeakSweep {
  const count = (outcome: LeakOutcome) => metrics.leakedInterfaces.inc({ outcome });
  const { clusterName, leakedEniIntervalSeconds } = config;
  // Interfaces carry the times of other nodes' clocks.
  const context = { ...execution, now: () => clock.wallTime() };
  return new LeakSweep({ context, clusterName, intervalMs: leakedEniIntervalSeconds * 1000, count, random });
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
