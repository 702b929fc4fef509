/**
 * The daemon's API-server side: what it knows of the cluster, and what it tells it. Where no API server is configured there
 * is nothing: no module of it is loaded and nothing is tried.
 */
import type { Clock } from '#cloud/decorate/clock.ts';
import type { CniError } from '#cni/spec/errors.ts';
import type { PodReference } from '#warm-pool/model.ts';
import type { Config } from '../config/config.ts';
import { errorFields, type Log } from '../observe/log.ts';
import { ApiServer } from './api-server.ts';
import { repeatUntilDone } from './catch-up.ts';
import { type ClusterView, WITHOUT_CLUSTER } from './cluster-view.ts';
import { loadCredentials, type NewKubeConfig } from './credentials.ts';
import { DeniedCalls } from './denied-calls.ts';
import { Events } from './events.ts';
import { announceFeatures, featuresOf, NotYet } from './cni-node.ts';
import type { ClusterMetrics } from './metrics.ts';
import { newKubeConfig } from './narrow-import.ts';
import { hasStartupTaint, NodeStatus, SHORTAGE_CONDITION } from './node-status.ts';
import { Outbox, type OutboxOptions } from './outbox.ts';
import { PodAnnotations } from './pod-annotations.ts';
import { NO_NEWS, type PodNews } from './pod-news.ts';
import { PodReports, reasonOf } from './pod-reports.ts';
import type { ClusterSource } from './source.ts';
import { WatchedCluster } from './watch.ts';

export interface ClusterOptions {
  readonly config: Pick<
    Config,
    'nodeName' | 'podName' | 'eniConfigAnnotation' | 'eniConfigLabel' | 'annotatePodIp' | 'customNetworking' | 'podEni'
  >;
  readonly source: ClusterSource | undefined;
  readonly clock: Clock;
  /** From 0 (included) to 1 (not included). */
  readonly random: () => number;
  readonly metrics: ClusterMetrics;
  readonly log: Log;
  readonly version: string;
  /** In place of the narrow import. */
  readonly newKubeConfig?: NewKubeConfig;
}

/** A pod and what it holds. */
export interface PodWithAddresses {
  readonly pod: PodReference;
  readonly addresses: readonly string[];
}

export interface Cluster {
  readonly view: ClusterView;
  readonly news: PodNews;
  /** EC2 refused an operation for lack of permission. */
  denied(operation: string): void;
  /** To be called once, when pods are served; `pods` holds who has addresses at that time. */
  serving(pods: readonly PodWithAddresses[]): void;
  [Symbol.asyncDispose](): Promise<void>;
}

const RETRY = { baseMs: 500, maxMs: 30_000 };
const NO_CLUSTER: Cluster = {
  view: WITHOUT_CLUSTER,
  news: NO_NEWS,
  denied: () => undefined,
  serving: () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
};

/** Begins to watch at once and waits for nothing. */
export function openCluster(options: ClusterOptions): Cluster {
  const { source, config } = options;
  if (source === undefined || config.nodeName === '') return NO_CLUSTER;
  return connected(options, source);
}

function connected(options: ClusterOptions, source: ClusterSource): Cluster {
  const { config, clock, random, metrics, log, version } = options;
  const { nodeName } = config;
  const api = new ApiServer({
    load: () => loadCredentials(source, options.newKubeConfig ?? newKubeConfig),
    userAgent: `wellspring-ipamd/${version}`,
    timeoutMs: 10_000,
    silenceMs: 150_000,
  });
  const stop = new AbortController();
  const outbox = (what: string, limits: Pick<OutboxOptions, 'capacity' | 'maxAgeMs' | 'concurrency' | 'paceMs'>) =>
    new Outbox({
      ...limits,
      backOff: RETRY,
      clock,
      random,
      onOutcome: (outcome, error) => {
        metrics.writes.inc({ what, outcome });
        if (outcome === 'refused') log.warn({ what, ...errorFields(error) }, 'the API server refused a write');
      },
    });
  // An event that is a minute late misleads; an annotation or a condition is what is true now, however late.
  const eventBox = outbox('event', { capacity: 100, maxAgeMs: 60_000, concurrency: 1, paceMs: 50 });
  const nodeBox = outbox('node', { capacity: 10, maxAgeMs: Infinity, concurrency: 1, paceMs: 100 });
  const podBox = outbox('pod-annotation', { capacity: 2000, maxAgeMs: Infinity, concurrency: 4, paceMs: 0 });
  const view = new WatchedCluster({
    api,
    nodeName,
    pods: config.podEni,
    eniConfigs: config.customNetworking,
    eniConfigKeys: { annotation: config.eniConfigAnnotation, label: config.eniConfigLabel },
    clock,
    random,
    backOff: RETRY,
    metrics,
    log,
  });
  const events = new Events({
    api,
    outbox: eventBox,
    source: { component: 'wellspring', host: nodeName },
    rules: { intervalMs: 60_000, burst: 50, perMinute: 30, capacity: 500 },
    clock,
    onDropped: () => metrics.writes.inc({ what: 'event', outcome: 'dropped' }),
  });
  const status = new NodeStatus({ api, outbox: nodeBox, nodeName, wallTime: () => clock.wallTime() });
  const annotations = config.annotatePodIp ? new PodAnnotations(api, podBox) : undefined;
  const news = new PodReports({ events, annotations, clock, onShortage: (error) => onShortage(error) });
  const denials = new DeniedCalls({ api, events, outbox: eventBox, podName: config.podName, node: () => nodeOf() });

  const nodeOf = () => ({ kind: 'Node', namespace: 'default', name: nodeName, uid: view.node?.uid ?? '' }) as const;
  function onShortage(error: CniError | undefined): void {
    status.shortage(shortageStatus(error), clock.wallTime());
    if (error !== undefined)
      events.report({ regarding: nodeOf(), reason: reasonOf(error), message: error.msg, type: 'Warning' });
  }

  let ended = () => undefined as void;
  let caughtUp: Promise<void> = Promise.resolve();
  let announced: Promise<void> = Promise.resolve();
  return {
    view,
    news,
    denied: (operation) => denials.report(operation),
    serving: (pods) => {
      let isFirst = true;
      const look = () => {
        const { node } = view;
        if (node === undefined) return;
        if (hasStartupTaint(node)) status.removeStartupTaint();
        // A shortage that an earlier process reported may be over.
        if (isFirst && node.conditions[SHORTAGE_CONDITION] === 'True' && !news.isShort)
          status.shortage(shortageStatus(undefined), clock.wallTime());
        isFirst = false;
      };
      ended = view.onChange(look);
      look();
      if (config.podEni)
        announced = repeatUntilDone(
          () =>
            announceFeatures(
              api,
              nodeName,
              featuresOf(config, () => view.eniConfig()),
              stop.signal,
            ),
          { what: 'CNINode features', backOff: RETRY, clock, random, log, isWorth: (error) => error instanceof NotYet },
          stop.signal,
        );
      if (annotations !== undefined)
        caughtUp = repeatUntilDone(
          () => annotations.catchUp(nodeName, pods, stop.signal),
          { what: 'pod annotations', backOff: RETRY, clock, random, log },
          stop.signal,
        );
    },
    [Symbol.asyncDispose]: async () => {
      ended();
      stop.abort(new Error('the daemon stops'));
      news[Symbol.dispose]();
      await Promise.all([view, eventBox, nodeBox, podBox].map((each) => each[Symbol.asyncDispose]()));
      await Promise.all([caughtUp, announced]);
      api[Symbol.dispose]();
    },
  };
}

function shortageStatus(error: CniError | undefined) {
  if (error === undefined)
    return { isShort: false, reason: 'AddressesAvailable', message: 'Pods of this node get their addresses.' };
  return { isShort: true, reason: reasonOf(error), message: error.msg };
}
