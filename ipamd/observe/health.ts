/** `/metrics` for Prometheus, `/healthz` and `/readyz` for probes: they answer while the event loop turns. */
import { text, type Routes } from './http.ts';
import type { Metrics } from './metrics.ts';

export function healthRoutes(metrics: Metrics): Routes {
  return {
    '/metrics': async () => ({
      status: 200,
      contentType: metrics.registry.contentType,
      body: await metrics.registry.metrics(),
    }),
    '/healthz': () => text('ok'),
    '/readyz': () => text('ok'),
  };
}
