/** What the demo proves by packets. */
import type { Cluster } from '#test/support/cluster.ts';
import { Probe, PROBE_PORT } from '#test/support/probe.ts';
import { runCommand } from '#test/support/command.ts';
import type { DemoPod } from './pods.ts';
import type { Checks } from './report.ts';

interface Probed {
  readonly pod: DemoPod;
  readonly probe: Probe;
}

/** Two pods on the primary and one on a secondary ENI for each node. */
interface Places {
  readonly primary: Probed;
  readonly primaryToo: Probed;
  readonly secondary: Probed;
}

export async function proveTraffic(cluster: Cluster, pods: readonly DemoPod[], checks: Checks): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const [a, b] = await Promise.all(cluster.nodes.map((node) => placesOn(node.name, pods, stack)));
  if (a === undefined || b === undefined) throw new Error('the demo needs two nodes');
  const pairs: readonly (readonly [string, Probed, Probed])[] = [
    ['same-node-primary-to-primary', a.primary, a.primaryToo],
    ['same-node-primary-to-secondary', a.primary, a.secondary],
    ['same-node-secondary-to-primary', a.secondary, a.primary],
    ['across-nodes-primary-to-primary', a.primary, b.primary],
    ['across-nodes-primary-to-secondary', a.primary, b.secondary],
    ['across-nodes-secondary-to-primary', a.secondary, b.primary],
    ['across-nodes-secondary-to-secondary', b.secondary, a.secondary],
  ];
  for (const [name, from, to] of pairs) {
    await checks.attempt(name, async () => {
      const seen = await from.probe.seenBy(to.pod.address);
      return {
        ok: seen === from.pod.address,
        detail: `${from.pod.address} -> ${to.pod.address} by UDP and TCP; the receiver saw ${seen ?? 'nothing'}`,
      };
    });
  }
  await proveInternet(
    cluster,
    [
      ['primary', a.primary],
      ['secondary', a.secondary],
    ],
    stack,
    checks,
  );
  await proveSpoofing(a, b, stack, checks);
}

async function proveInternet(
  cluster: Cluster,
  from: readonly (readonly [string, Probed])[],
  stack: AsyncDisposableStack,
  checks: Checks,
): Promise<void> {
  const { internet } = cluster.fabric;
  if (internet === undefined) throw new Error('this fabric has no internet side');
  const { namespace, address } = internet;
  stack.use(await Probe.start('internet', `/run/netns/${namespace}`));
  for (const [kind, { pod, probe }] of from) {
    await checks.attempt(`internet-from-${kind}-eni`, async () => {
      const seen = await probe.seenBy(address);
      const node = primaryAddress(cluster, pod.node.instanceId);
      return {
        ok: seen === node,
        detail: `${pod.address} -> ${address}: seen as ${seen ?? 'nothing'}, the node is ${node}`,
      };
    });
  }
}

/** A datagram with somebody else's source address, from the node itself and from a pod; a genuine one gets through. */
async function proveSpoofing(a: Places, b: Places, stack: AsyncDisposableStack, checks: Checks): Promise<void> {
  const stranger = b.primaryToo.pod.address;
  const send = async (what: string, netns: string, probe: Probe): Promise<{ ok: boolean; detail: string }> => {
    await runCommand('ip', ['-n', netns, 'address', 'add', `${stranger}/32`, 'dev', 'lo']);
    await probe.ask({ op: 'udp', to: b.secondary.pod.address, port: PROBE_PORT, from: stranger, timeoutMs: 300 });
    await runCommand('ip', ['-n', netns, 'address', 'delete', `${stranger}/32`, 'dev', 'lo']);
    const { count } = await b.secondary.probe.ask({ op: 'received', from: stranger });
    const genuine = await probe.seenBy(b.secondary.pod.address);
    return {
      ok: count === 0 && genuine !== undefined,
      detail: `${what} sent as ${stranger}: ${count} arrived; with its own address it arrived as ${genuine ?? 'nothing'}`,
    };
  };
  const nodeProbe = stack.use(await Probe.start(a.primary.pod.node.name, a.primary.pod.node.netnsPath));
  await checks.attempt('spoofed-source-dropped-by-fabric', () => send('the node', a.primary.pod.node.netns, nodeProbe));
  await checks.attempt('spoofed-source-dropped-by-node', () =>
    send('a pod', a.secondary.pod.sandbox.netns, a.secondary.probe),
  );
}

/** kill -9 of an ipamd under traffic, then its restart. */
export async function proveCrash(cluster: Cluster, pods: readonly DemoPod[], checks: Checks): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const [node, other] = cluster.nodes;
  if (node === undefined || other === undefined) throw new Error('the demo needs two nodes');
  const here = await placesOn(node.name, pods, stack);
  const there = await placesOn(other.name, pods, stack);
  const before = await node.introspect<readonly object[]>('/v1/pods');
  await here.secondary.probe.ask({ op: 'stream-start', to: there.primary.pod.address, port: PROBE_PORT, everyMs: 10 });
  await node.stopDaemon('SIGKILL');
  const duringCrash = await here.primary.probe.seenBy(there.secondary.pod.address);
  const from = performance.now();
  await node.startDaemon();
  const tookMs = performance.now() - from;
  const { sent = 0, answered = 0 } = await here.secondary.probe.ask({ op: 'stream-stop' });
  checks.add(
    'crash-breaks-no-pod',
    sent > 0 && sent === answered && duringCrash === here.primary.pod.address,
    `kill -9 of ipamd: ${answered} of ${sent} requests on an open connection answered, new connections work`,
  );
  await checks.attempt('restart-knows-every-assignment', async () => {
    const after = await node.introspect<readonly object[]>('/v1/pods');
    const same = JSON.stringify(sortedByName(after)) === JSON.stringify(sortedByName(before));
    return {
      ok: same && after.length > 0,
      detail: `${after.length} of ${before.length} assignments known, serving again after ${Math.round(tookMs)} ms`,
    };
  });
  await checks.attempt('cni-check-passes', async () => {
    const outcomes = await Promise.all(
      pods.filter((pod) => pod.node === node).map((pod) => node.cni('CHECK', pod.sandbox, { prevResult: pod.result })),
    );
    const bad = outcomes.filter(({ ok }) => !ok);
    return {
      ok: bad.length === 0,
      detail:
        bad.length === 0 ? `CHECK of ${outcomes.length} pods after the restart` : JSON.stringify(bad[0]?.document),
    };
  });
}

async function placesOn(node: string, pods: readonly DemoPod[], stack: AsyncDisposableStack): Promise<Places> {
  const here = pods.filter((pod) => pod.node.name === node);
  const [primary, primaryToo] = here.filter((pod) => pod.row.routeTable === 'main');
  const secondary = here.find((pod) => pod.row.routeTable !== 'main');
  const probed = async (pod: DemoPod | undefined, what: string): Promise<Probed> => {
    if (pod === undefined) throw new Error(`${node} has no pod on ${what}`);
    return { pod, probe: stack.use(await Probe.start(pod.sandbox.name, `/run/netns/${pod.sandbox.netns}`)) };
  };
  const [one, two, three] = await Promise.all([
    probed(primary, 'its primary ENI'),
    probed(primaryToo, 'its primary ENI, twice'),
    probed(secondary, 'a secondary ENI'),
  ]);
  return { primary: one, primaryToo: two, secondary: three };
}

function primaryAddress(cluster: Cluster, instanceId: string): string | undefined {
  return cluster.cloud.region
    .networkInterfaces()
    .find((each) => each.attachment?.instanceId === instanceId && each.attachment.deviceIndex === 0)?.primaryAddress;
}

function sortedByName(pods: readonly object[]): readonly object[] {
  return [...pods].sort((one, two) => JSON.stringify(one).localeCompare(JSON.stringify(two)));
}
