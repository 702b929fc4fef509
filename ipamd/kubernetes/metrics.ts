/** What is counted of the API server. */
import { Counter, Gauge, type Registry } from 'prom-client';

export type ClusterMetrics = ReturnType<typeof createClusterMetrics>;

export function createClusterMetrics(registry: Registry) {
  const registers = [registry];
  return {
    watchConnected: new Gauge({
      name: 'wellspring_kubernetes_watch_connected',
      help: 'Whether a watch of the API server is current: 1, or 0 while its last word may be stale',
      labelNames: ['resource'],
      registers,
    }),
    watchFailures: new Counter({
      name: 'wellspring_kubernetes_watch_failures_total',
      help: 'Lists and watches of the API server that failed',
      labelNames: ['resource'],
      registers,
    }),
    malformedObjects: new Counter({
      name: 'wellspring_kubernetes_malformed_objects_total',
      help: 'Objects of the API server that were left out because they have no name',
      labelNames: ['resource'],
      registers,
    }),
    writes: new Counter({
      name: 'wellspring_kubernetes_writes_total',
      help: 'Writes to the API server by what was written (event, pod-annotation, node) and outcome: done, refused, or dropped because too many waited or the API server was away for too long',
      labelNames: ['what', 'outcome'],
      registers,
    }),
  };
}
