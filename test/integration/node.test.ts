/** One real ipamd, the real binary, the emulator and the kernel: the life of pods, and what goes wrong in it. */
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { interfacesOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import { FROM_SOURCES } from '#test/support/daemon-program.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

interface Shown {
  readonly name: string;
  readonly address: string;
  readonly eni: string;
}

let cluster: Cluster;
let node: ClusterNode;
let sequence = 0;

const sandbox = () => node.createSandbox(`p${(sequence += 1)}`);
const shown = () => node.introspect<readonly Shown[]>('/v1/pods');
const addressOf = (document: Record<string, unknown>) =>
  (document['ips'] as readonly { readonly address: string }[])[0]?.address;

async function attached(): Promise<{ readonly pod: TestPod; readonly result: Record<string, unknown> }> {
  const pod = await sandbox();
  const { ok, document } = await node.cni('ADD', pod);
  expect({ ok, document }).toMatchObject({ ok: true });
  return { pod, result: document };
}

async function detachAll(): Promise<void> {
  for (const { name } of await shown()) {
    const pod = node.knownSandbox(name);
    await node.cni('DEL', pod);
  }
}

/** Nothing is done, planned or waited for: the daemon may be stopped without interrupting anything. */
async function idle(): Promise<void> {
  await until('nothing is done or planned', 20_000, async () => {
    const { actions, inFlight, wakeAt } = await node.introspect<{
      readonly actions: readonly unknown[];
      readonly inFlight: readonly unknown[];
      readonly wakeAt: string | null;
    }>('/v1/plan');
    return actions.length === 0 && inFlight.length === 0 && wakeAt === null;
  });
}

describeWith(['root', 'ip', 'nft'], 'a node', () => {
  beforeAll(async () => {
    cluster = await testCluster({ program: FROM_SOURCES });
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());
  beforeEach(detachAll);

  it('gives a pod an address that EC2 holds for this node, and takes it back without a trace', async () => {
    const before = await kernelState(node.netns);
    const { pod, result } = await attached();
    const address = addressOf(result)?.replace('/32', '');
    const held = cluster.cloud.region
      .networkInterfaces()
      .find(
        (each) => each.attachment?.instanceId === node.instanceId && each.secondaryAddresses.includes(address ?? ''),
      );
    expect(held).toBeDefined();
    expect(result).toMatchObject({
      cniVersion: '1.0.0',
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
      ips: [{ interface: 1 }],
    });
    expect((await node.cni('DEL', pod, { prevResult: result })).ok).toBe(true);
    expect(await shown()).toEqual([]);
    await until('the kernel is as before', 5000, async () => (await kernelState(node.netns)) === before);
  });

  it('repeats an ADD with the same address, and refuses one from another namespace', async () => {
    const { pod, result } = await attached();
    const again = await node.cni('ADD', pod);
    expect(addressOf(again.document)).toBe(addressOf(result));
    const other = await sandbox();
    const refused = await node.cni('ADD', pod, { netns: `/run/netns/${other.netns}` });
    expect(refused.document).toMatchObject({ code: 107 });
  });

  it('DEL is repeatable, also without the namespace and for what never was', async () => {
    const { pod } = await attached();
    expect((await node.cni('DEL', pod)).ok).toBe(true);
    await node.removeSandbox(pod);
    expect((await node.cni('DEL', pod, { netns: '' })).ok).toBe(true);
    expect((await node.cni('DEL', await sandbox())).ok).toBe(true);
  });

  it('gives the address back when the namespace is not there', async () => {
    const pod = await sandbox();
    const refused = await node.cni('ADD', pod, { netns: '/run/netns/never-made' });
    expect(refused.document).toMatchObject({ code: 8, msg: expect.stringContaining('/run/netns/never-made') });
    const noNamespace = await node.cni('ADD', pod, { netns: '/etc/hostname' });
    expect(noNamespace.document).toMatchObject({ code: 8 });
    expect(await shown()).toEqual([]);
  });

  it('CHECK passes, names damage, and does not know a stranger', async () => {
    const { pod, result } = await attached();
    expect(await node.cni('CHECK', pod, { prevResult: result })).toMatchObject({ ok: true });
    await node.inside(pod, 'ip', 'route', 'delete', 'default');
    expect((await node.cni('CHECK', pod, { prevResult: result })).document).toMatchObject({ code: 110 });
    const stranger = await sandbox();
    expect((await node.cni('CHECK', stranger, { prevResult: result })).document).toMatchObject({ code: 3 });
  });

  it('GC frees what the runtime no longer knows and nothing else', async () => {
    const kept = await attached();
    const lost = await attached();
    const { ok } = await node.gc([{ containerID: kept.pod.containerId, ifname: 'eth0' }]);
    expect(ok).toBe(true);
    expect((await shown()).map(({ name }) => name)).toEqual([kept.pod.name]);
    expect(lost.pod.name).not.toBe(kept.pod.name);
  });

  it('STATUS is fine while it serves and 50 while nobody does', async () => {
    expect(await node.status()).toMatchObject({ ok: true });
    await node.stopDaemon('SIGTERM');
    expect((await node.status()).document).toMatchObject({ code: 50 });
    await node.startDaemon();
  });

  it('serves metrics under the peer’s names and ours, health, and what it knows', async () => {
    await attached();
    const metrics = await node.page('/metrics');
    expect(metrics).toMatch(/^200 /);
    expect(metrics).toMatch(/^awscni_assigned_ip_addresses 1$/m);
    expect(metrics).toMatch(/^awscni_eni_max 3$/m);
    expect(metrics).toMatch(/^awscni_add_ip_req_count \d+$/m);
    expect(metrics).toMatch(/^wellspring_cni_request_duration_seconds_count\{method="Add",phase="total"\} \d+$/m);
    expect(await node.page('/healthz')).toMatch(/^200 ok/);
    expect(await node.page('/nowhere')).toMatch(/^404 .*\/metrics/);
    expect(await node.introspect('/v1/ipamd-env-settings')).toMatchObject({ WARM_ENI_TARGET: 1 });
    const enis = await interfacesOf(node);
    expect(enis.reduce((sum, { assigned }) => sum + assigned, 0)).toBe(1);
  });

  it('survives kill -9: pods are known again, and a DEL in between is made up for', async () => {
    const stays = await attached();
    const goes = await attached();
    await node.stopDaemon('SIGKILL');
    expect((await node.cni('ADD', await sandbox())).document).toMatchObject({ code: 11 });
    expect((await node.cni('DEL', goes.pod)).ok).toBe(true);
    expect(await readdir(node.spoolDirectory)).toHaveLength(1);
    await node.startDaemon();
    expect((await shown()).map(({ name }) => name)).toEqual([stays.pod.name]);
    expect(await readdir(node.spoolDirectory)).toEqual([]);
    expect((await node.cni('CHECK', stays.pod, { prevResult: stays.result })).ok).toBe(true);
  });

  it('a reboot voids every attachment', async () => {
    const { pod } = await attached();
    await node.stopDaemon('SIGKILL');
    // What a reboot does to the kernel's side of a pod.
    await node.removeSandbox(pod);
    await until('the pod’s link is gone', 5000, async () => !(await kernelState(node.netns)).includes('link eni'));
    await node.startDaemon({ WELLSPRING_BOOT_ID: `another-${sequence}` });
    expect(await shown()).toEqual([]);
    const status = await node.introspect<{ readonly pool: { readonly assigned: number } }>('/v1/status');
    expect(status.pool.assigned).toBe(0);
    await node.stopDaemon('SIGTERM');
    await node.startDaemon();
  });

  it('makes no EC2 call and no metadata request while nothing is missing', async () => {
    await node.stopDaemon('SIGTERM');
    await node.startDaemon({ WARM_IP_TARGET: '1', MINIMUM_IP_TARGET: '6' });
    await idle();
    const before = cluster.cloud.calls().length;
    for (let round = 0; round < 3; round += 1) await attached().then(({ pod }) => node.cni('DEL', pod));
    expect(cluster.cloud.calls().length).toBe(before);
    await node.stopDaemon('SIGTERM');
    await node.startDaemon();
  });

  it('starts with at most ten metadata requests and one Describe of interfaces and subnets', async () => {
    await idle();
    await node.stopDaemon('SIGTERM');
    await node.forgetState();
    const from = cluster.cloud.calls().length;
    await node.startDaemon();
    await until('subnets are described', 5000, () =>
      cluster.cloud
        .calls()
        .slice(from)
        .some(({ action }) => action === 'DescribeSubnets'),
    );
    const calls = cluster.cloud.calls().slice(from);
    expect(calls.filter(({ kind }) => kind === 'metadata').length).toBeLessThanOrEqual(10);
    expect(
      calls
        .filter(({ kind }) => kind === 'ec2')
        .map(({ action }) => action)
        .sort(),
    ).toEqual(['DescribeNetworkInterfaces', 'DescribeSubnets']);
  });
});
