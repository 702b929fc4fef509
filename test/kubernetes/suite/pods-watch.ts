/** The watch of pods, which is on where a setting needs their annotations. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { systemClock } from '#cloud/decorate/clock.ts';
import { ApiServer } from '#ipamd/kubernetes/api-server.ts';
import { loadCredentials } from '#ipamd/kubernetes/credentials.ts';
import { createClusterMetrics } from '#ipamd/kubernetes/metrics.ts';
import { WatchedCluster } from '#ipamd/kubernetes/watch.ts';
import { wholeImport } from './subject.ts';

export function podsWatch(kubeconfig: string, nodeName: string): WatchedCluster {
  const source = { kind: 'kubeconfig', files: [kubeconfig], server: undefined } as const;
  const api = new ApiServer({
    load: () => loadCredentials(source, wholeImport),
    userAgent: 'test',
    timeoutMs: 10_000,
    silenceMs: 60_000,
  });
  return new WatchedCluster({
    api,
    nodeName,
    pods: true,
    eniConfigs: false,
    eniConfigKeys: { annotation: 'a', label: 'l' },
    clock: systemClock,
    random: Math.random,
    backOff: { baseMs: 20, maxMs: 1000 },
    metrics: createClusterMetrics(new Registry()),
    log: pino({ level: 'silent' }),
  });
}
