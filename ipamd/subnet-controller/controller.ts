/** The subnet controller: looks while it leads, serves what it knows, and tells who must know. */
import { systemClock } from '#cloud/decorate/clock.ts';
import { HttpEndpoint, json, type Page, type Routes, text } from '../observe/http.ts';
import type { Log } from '../observe/log.ts';
import type { ClusterSource } from '../kubernetes/source.ts';
import { openCloud } from './cloud.ts';
import { subnetsPage } from '../report/subnets-page.ts';
import { cloudWatchLines } from './cloudwatch.ts';
import { ControllerCluster } from './cluster.ts';
import { createSubnetMetrics } from './metrics.ts';
import { notices, type Said } from './notices.ts';
import type { ControllerOptions } from './options.ts';
import { type SubnetsAnswer, SubnetWatch } from './subnet-watch.ts';

export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly source: ClusterSource | undefined;
  /** No other process has the same. */
  readonly identity: string;
  readonly version: string;
  readonly log: Log;
  /** Takes lines for CloudWatch. */
  readonly writeLine: (line: string) => void;
}

/** Until `signal` fires. Rejects where it cannot listen. */
export async function runController(
  options: ControllerOptions,
  around: Surroundings,
  signal: AbortSignal,
): Promise<void> {
  const { environment, source, identity, version, log, writeLine } = around;
  const metrics = createSubnetMetrics();
  metrics.leader.set(0);
  await using cloud = openCloud({ ...options, version, environment, onCall: (call) => metrics.observeCloudCall(call) });
  await using cluster =
    source &&
    new ControllerCluster({
      source,
      podName: environment['MY_POD_NAME'] ?? '',
      identity,
      leaseName: options.lease,
      clock: systemClock,
      random: Math.random,
      metrics,
      log,
      version,
    });
  let said: Said = new Map();
  const onLook = (answer: SubnetsAnswer): void => {
    const news = notices(said, answer.subnets);
    ({ said } = news);
    for (const notice of news.notices) {
      const fields = { subnet: notice.subnet, of: notice.kind, reason: notice.reason, message: notice.message };
      if (notice.level === 'calm') log.info(fields, 'a subnet has recovered');
      else log.warn(fields, 'a subnet runs dry');
      cluster?.tell(notice);
    }
    if (options.cloudWatch) for (const line of cloudWatchLines(answer)) writeLine(line);
  };
  const pods = (until: AbortSignal) => cluster?.pods(until) ?? Promise.resolve(undefined);
  const watch = new SubnetWatch({
    ...options,
    provider: cloud.provider,
    clock: systemClock,
    metrics,
    log,
    pods,
    onLook,
  });
  await using _endpoint = await HttpEndpoint.listen(options.bind, routes(watch, metrics));
  log.info({ bind: options.bind, identity, lease: options.lease }, 'serving');
  const lead = async (until: AbortSignal): Promise<void> => {
    log.info({ identity }, 'looking at the subnets');
    await watch.run(options.intervalMs, until);
  };
  if (cluster === undefined || options.lease === '') await lead(signal);
  else await cluster.whileLeading(lead, signal);
}

function routes(watch: SubnetWatch, metrics: ReturnType<typeof createSubnetMetrics>): Routes {
  const map = (query: URLSearchParams): Page => ({
    status: 200,
    contentType: 'text/html; charset=utf-8',
    body: subnetsPage(watch.answer, query.get('refresh') === 'on'),
  });
  return {
    '/': map,
    '/map': map,
    '/metrics': async () => ({
      status: 200,
      contentType: metrics.registry.contentType,
      body: await metrics.registry.metrics(),
    }),
    '/healthz': () => text('ok'),
    '/readyz': () => text('ok'),
    '/v1/subnets': () => json(watch.answer),
  };
}
