/** The demo itself, step by step. Every claim in its report comes from a packet, the kernel or an answer of the daemon. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '#test/support/cluster.ts';
import { DEFAULT_MARKS } from '#ipamd/datapath/marks.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { attachPods, type DemoPod, detachPods } from './pods.ts';
import { proveCrash, proveTraffic } from './proofs.ts';
import { Checks, type DemoReport, say } from './report.ts';
import { until } from '#test/support/until.ts';

const PODS = 40;
/** Short against the defaults (30 s, 300 s), so that the end of the demo, an empty pool, can be watched. */
const SETTINGS = { IP_COOLDOWN_PERIOD: '2', WELLSPRING_ENI_MINIMUM_AGE: '3', WARM_ENI_TARGET: '1' };
const SHRINK_DEADLINE_MS = 150_000;

export interface DemoOptions {
  readonly cni: { readonly path: string; readonly kind: string; readonly bytes: number };
  readonly keep: boolean;
  readonly isolation: string;
  readonly signal: AbortSignal;
  readonly announce: (text: string) => void;
  /** Called with the report before a kept demo waits. */
  readonly finished: (report: DemoReport) => void;
}

export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const { cni, signal } = options;
  await using stack = new AsyncDisposableStack();
  const workDirectory = await mkdtemp(join(tmpdir(), 'wellspring-demo-'));
  stack.defer(() => rm(workDirectory, { recursive: true, force: true }));
  const checks = new Checks();
  const timings: Record<string, number> = {};
  const timed = async <T>(name: string, work: Promise<T>): Promise<T> => {
    const from = performance.now();
    try {
      return await work;
    } finally {
      timings[name] = performance.now() - from;
      signal.throwIfAborted();
    }
  };

  say('Starting the cloud: one VPC, two subnets, two m5.large nodes, an internet side ...');
  const cluster = stack.use(
    await timed(
      'cloud',
      Cluster.create({
        prefix: namespacePrefix(),
        workDirectory,
        cniBinary: cni.path,
        instanceTypes: ['m5.large', 'm5.large'],
        env: SETTINGS,
        attachLinkDelayMs: 300,
      }),
    ),
  );
  say('Starting ipamd on both nodes ...');
  await timed('daemons', cluster.startDaemons());
  const idle = await Promise.all(cluster.nodes.map((node) => kernelState(node.netns)));

  say(`Attaching ${PODS} pods through the conflist and ${cni.kind} ...`);
  const pods = await timed('attach', attachPods(cluster, PODS, checks));
  say('Packets:');
  await timed('traffic', proveTraffic(cluster, pods, checks));
  say('A crash:');
  await timed('crash', proveCrash(cluster, pods, checks));
  const rows = pods.map(({ row }) => row);
  const report = (): DemoReport => ({
    ok: checks.all.every(({ ok }) => ok),
    cniBinary: { kind: cni.kind, bytes: cni.bytes },
    isolation: options.isolation,
    pods: rows,
    checks: checks.all,
    timings,
    ec2Calls: ec2Calls(cluster),
  });
  if (options.keep) {
    options.finished(report());
    options.announce(lookAround(cluster, pods));
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    return report();
  }
  say('Deleting all pods:');
  await timed('detach', detachPods(pods, checks));
  await timed('shrink', proveShrink(cluster, idle, checks));
  const finished = report();
  options.finished(finished);
  return finished;
}

/** After the last pod: one ENI a node, every address cooled down, and a kernel as before the first pod. */
async function proveShrink(cluster: Cluster, idle: readonly string[], checks: Checks): Promise<void> {
  await checks.attempt('pool-shrinks-to-target', async () => {
    const attached = () =>
      cluster.nodes.map(
        ({ instanceId }) =>
          cluster.cloud.region.networkInterfaces().filter((each) => each.attachment?.instanceId === instanceId).length,
      );
    await until('only the primary ENIs are attached', SHRINK_DEADLINE_MS, () =>
      attached().every((count) => count === 1),
    );
    return {
      ok: true,
      detail: `ENIs attached: ${attached().join(' and ')}; WARM_ENI_TARGET=1 is held by the primary ENI alone`,
    };
  });
  await checks.attempt('no-interface-leaked', async () => {
    const left = () => cluster.cloud.region.networkInterfaces().length;
    await until('detached ENIs are deleted', 10_000, () => left() === cluster.nodes.length);
    return { ok: true, detail: `${left()} ENIs exist in the account, one for each instance` };
  });
  for (const [index, node] of cluster.nodes.entries()) {
    await checks.attempt(`nothing-left-on-${node.name}`, async () => {
      let after = '';
      try {
        await until(
          'the kernel is as it was',
          10_000,
          async () => (after = await kernelState(node.netns)) === idle[index],
        );
      } catch {
        const extra = after.split('\n').filter((line) => !(idle[index] ?? '').includes(line));
        return { ok: false, detail: `left over: ${extra.join(' | ')}` };
      }
      return { ok: true, detail: 'routes, rules, links, addresses and nft objects are as before the first pod' };
    });
  }
}

/** `wsd-`, unless a kept demo has it already: namespaces of one prefix belong to one run. */
function namespacePrefix(): string {
  const taken = existsSync('/run/netns') && readdirSync('/run/netns').some((name) => name.startsWith('wsd-'));
  return taken ? `wsd${process.pid.toString(36)}-` : 'wsd-';
}

function ec2Calls(cluster: Cluster): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { kind, action } of cluster.cloud.calls()) if (kind === 'ec2') counts[action] = (counts[action] ?? 0) + 1;
  return counts;
}

function lookAround(cluster: Cluster, pods: readonly DemoPod[]): string {
  const [node] = cluster.nodes;
  const [pod] = pods;
  if (node === undefined || pod === undefined) return '';
  const inside =
    process.getuid?.() === 0 && process.env['WELLSPRING_DEMO_ISOLATED'] === 'root'
      ? ''
      : `nsenter -t ${process.pid} -U -n -m --preserve-credentials `;
  return [
    '',
    'It keeps running. Look around from another terminal; Ctrl-C here ends it.',
    ...cluster.nodes.map(
      (each) =>
        `  npm run ctl -- status --socket ${each.introspectionSocket}      # wellspringctl status, ${each.name}`,
    ),
    `  npm run ctl -- pods --socket ${node.introspectionSocket}        # wellspringctl pods`,
    `  npm run ctl -- enis --socket ${node.introspectionSocket}        # wellspringctl enis`,
    `  ${inside}ip netns exec ${node.netns} ip rule`,
    `  ${inside}ip netns exec ${node.netns} ip route show table ${DEFAULT_MARKS.podTable}`,
    `  ${inside}ip netns exec ${node.netns} nft list table inet wellspring`,
    `  ${inside}ip netns exec ${pod.sandbox.netns} ip addr`,
    `  logs: ${node.logPath}`,
  ].join('\n');
}
