/** An API server under test, and the daemon's side of it. */
import { Writable } from 'node:stream';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { Registry } from 'prom-client';
import pino from 'pino';
import type { Clock } from '#cloud/decorate/clock.ts';
import { type Cluster, openCluster } from '#ipamd/kubernetes/cluster.ts';
import type { ClusterSource } from '#ipamd/kubernetes/source.ts';
import { createClusterMetrics } from '#ipamd/kubernetes/metrics.ts';
import type { Json } from '#test/support/kubernetes/patch.ts';
import { scaledClock } from '#test/support/scaled-clock.ts';

export interface ApiSubject {
  /** As ipamd: with no more rights than its role has. */
  readonly kubeconfig: string;
  /** As somebody who may do everything; rejects when the answer is no success. */
  admin(method: string, path: string, body?: unknown, contentType?: string): Promise<Json>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface OpenedCluster {
  readonly cluster: Cluster;
  readonly registry: Registry;
  /** Log lines so far. */
  readonly log: readonly Json[];
  /** The hurried one. */
  readonly clock: Clock;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface OpenOptions {
  /** Or `source`. */
  readonly kubeconfig?: string;
  readonly source?: ClusterSource | undefined;
  readonly nodeName: string;
  readonly podName?: string;
  readonly customNetworking?: boolean;
  readonly podEni?: boolean;
  readonly annotatePodIp?: boolean;
}

/** Time passes this many times faster for the daemon's side. */
export const SPEED = 20;

export function openFor({ kubeconfig = '', nodeName, source, ...more }: OpenOptions): OpenedCluster {
  const registry = new Registry();
  const clock = scaledClock(SPEED);
  const log: Json[] = [];
  const lines = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      log.push(JSON.parse(chunk.toString('utf8')) as Json);
      done();
    },
  });
  const cluster = openCluster({
    config: {
      nodeName,
      podName: more.podName ?? '',
      eniConfigAnnotation: 'k8s.amazonaws.com/eniConfig',
      eniConfigLabel: 'k8s.amazonaws.com/eniConfig',
      annotatePodIp: more.annotatePodIp ?? false,
      customNetworking: more.customNetworking ?? false,
      podEni: more.podEni ?? false,
    },
    source: source ?? { kind: 'kubeconfig', files: [kubeconfig], server: undefined },
    clock,
    random: Math.random,
    metrics: createClusterMetrics(registry),
    log: pino({ level: 'debug', base: null }, lines),
    version: 'test',
    newKubeConfig: wholeImport,
  });
  return { cluster, registry, log, clock, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
}

/** Jest lets no resolve hook in; test/integration/kubernetes-import.test.ts has the narrow import. */
export async function wholeImport(): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  return new KubeConfig();
}

/** The value of a metric with these labels; 0 where it has none. */
export async function metric(
  registry: Registry,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<number> {
  const found = (await registry.getMetricsAsJSON()).find((each) => each.name === name);
  const values = (found?.values ?? []) as readonly { value: number; labels: Record<string, string> }[];
  return values.find((each) => Object.entries(labels).every(([key, value]) => each.labels[key] === value))?.value ?? 0;
}
