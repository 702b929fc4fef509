/**
 * `/metrics` for Prometheus, `/healthz` and `/readyz` for probes. Healthy is a process whose event loop turns; ready is one
 * that serves pods. Neither waits for addresses: a full subnet is no fault of the daemon, and a restart would not help.
 */
import { text, type Routes } from './http.ts';
import type { Metrics } from './metrics.ts';

/** Why the daemon does not serve yet; undefined: it serves. */
export type NotReady = () => string | undefined;

export function healthRoutes(notReady: NotReady): Routes {
  return {
    '/healthz': () => text('ok'),
    '/readyz': () => {
      const why = notReady();
      return why === undefined ? text('ok') : text(why, 503);
    },
  };
}

export function metricsRoutes(metrics: Metrics, notReady: NotReady): Routes {
  return {
    '/metrics': async () => ({
      status: 200,
      contentType: metrics.registry.contentType,
      body: await metrics.registry.metrics(),
    }),
    ...healthRoutes(notReady),
  };
}
