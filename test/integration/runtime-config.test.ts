/** Host ports and limits through the binary, the daemon and its journal: asked for, refused, kept over a crash, given up. */
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { addressIn, podsOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import type { CniOutcome } from '#test/support/cni-runner.ts';
import { runCommand } from '#test/support/command.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { Probe, PROBE_PORT } from '#test/support/probe.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';

let cluster: Cluster;
let node: ClusterNode;
let other: ClusterNode;
const pods: TestPod[] = [];

async function add(name: string, runtimeConfig?: object): Promise<{ pod: TestPod; outcome: CniOutcome }> {
  const pod = pods.find((each) => each.name === name) ?? (await node.createSandbox(name));
  if (!pods.includes(pod)) pods.push(pod);
  return { pod, outcome: await node.cni('ADD', pod, runtimeConfig === undefined ? {} : { runtimeConfig }) };
}

const web = (hostPort: number, change: object = {}) => ({
  portMappings: [{ hostPort, containerPort: PROBE_PORT, protocol: 'tcp', hostIP: '', ...change }],
});
const inNode = (...command: readonly string[]) => runCommand('nsenter', [`--net=${node.netnsPath}`, ...command]);

describeWith(['root', 'ip', 'nft'], 'runtimeConfig', () => {
  beforeAll(async () => {
    // Damage stays, so that CHECK can be asked about it.
    const env = { WELLSPRING_DRIFT_REPAIR: 'false', AWS_VPC_K8S_CNI_VETHPREFIX: 'wsx' };
    cluster = await testCluster({ instanceTypes: ['m5.large', 'm5.large'], env });
    [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
    await node.startDaemon();
  });
  afterEach(async () => {
    for (const pod of pods.splice(0)) {
      await node.cni('DEL', pod);
      await node.removeSandbox(pod);
    }
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('is announced by the conflist', () => {
    expect(node.conflist).toMatchObject({ plugins: [{ capabilities: { portMappings: true, bandwidth: true } }] });
  });

  it('the links of pods are named by AWS_VPC_K8S_CNI_VETHPREFIX and the sandbox', async () => {
    const { pod, outcome } = await add('named');
    const digest = createHash('sha1').update(`${pod.containerId}/eth0`).digest('hex');
    const links = JSON.parse(await inNode('ip', '-j', 'link', 'show', 'type', 'veth')) as readonly { ifname: string }[];
    const ofPods = links.map(({ ifname }) => ifname).filter((name) => /^[a-z]+[0-9a-f]{11}$/.test(name));
    expect(ofPods).toEqual([`wsx${digest.slice(0, 11)}`]);
    expect(outcome.document).toMatchObject({
      interfaces: expect.arrayContaining([expect.objectContaining({ name: ofPods[0] })]),
    });
  });

  it('is kept over kill -9: another node reaches the port before, meanwhile and after, until the DEL', async () => {
    const limits = { ingressRate: 80_000_000, ingressBurst: 4_294_967_295, egressRate: 0, egressBurst: 0 };
    const { pod, outcome } = await add('p1', { ...web(8080), bandwidth: limits });
    expect(outcome).toMatchObject({ ok: true });
    await using client = await Probe.start('client', other.netnsPath);
    await using server = await Probe.start('server', `/run/netns/${pod.netns}`);
    const address = (await inNode('ip', '-4', '-o', 'route', 'get', '169.254.169.254')).match(/src (\S+)/)?.[1] ?? '';
    const reach = () => client.ask({ op: 'tcp', to: address, port: 8080, timeoutMs: 10_000 });
    expect((await reach()).seenFrom).toBeDefined();
    await node.stopDaemon('SIGKILL');
    expect((await reach()).seenFrom).toBeDefined();
    await node.startDaemon();
    expect((await reach()).seenFrom).toBeDefined();
    expect(server.name).toBe('server');
    expect(await node.cni('CHECK', pod, { prevResult: outcome.document })).toMatchObject({ ok: true });
    await inNode('nft', 'flush map inet wellspring host-ports-ip4');
    const [{ hostIfName } = { hostIfName: '' }] = await podsOf(node);
    await inNode('tc', 'qdisc', 'del', 'dev', hostIfName, 'root');
    expect((await node.cni('CHECK', pod, { prevResult: outcome.document })).document).toMatchObject({
      code: 110,
      details: expect.stringMatching(
        /ingress limit: expected tbf rate 80000000bit[^]*host port 8080\/tcp on every IPv4/,
      ),
    });
    // The same ADD again makes all of it anew, and the same again.
    expect((await add('p1', { ...web(8080), bandwidth: limits })).outcome).toMatchObject({ ok: true });
    expect(await node.cni('CHECK', pod, { prevResult: outcome.document })).toMatchObject({ ok: true });
    expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
    expect(await reach()).toMatchObject({ error: expect.stringContaining('ECONNREFUSED') });
    expect(await inNode('nft', 'list', 'table', 'inet', 'wellspring')).not.toContain(addressIn(outcome.document));
  });

  it('gives a port to one pod at a time, and names the pod that has it, also after a restart', async () => {
    expect((await add('p1', web(8080))).outcome).toMatchObject({ ok: true });
    const taken = (where: string) => ({
      ok: false,
      document: {
        code: 7,
        msg: `network configuration: runtimeConfig.portMappings: hostPort ${where} belongs to pod default/p1`,
      },
    });
    expect((await add('p2', web(8080))).outcome).toMatchObject(taken('8080/tcp on every IPv4 address'));
    await node.stopDaemon('SIGKILL');
    await node.startDaemon();
    expect((await add('p2', web(8080, { hostIP: '0.0.0.0' }))).outcome).toMatchObject(
      taken('8080/tcp on every IPv4 address'),
    );
    for (const free of [{ hostIP: '127.0.0.1' }, { protocol: 'udp' }, { hostPort: 8081 }]) {
      expect((await add('p2', web(8080, free))).outcome).toMatchObject({ ok: true });
    }
    const outcomes = await Promise.all(['p3', 'p4', 'p5'].map((name) => add(name, web(9090))));
    expect(outcomes.filter(({ outcome }) => outcome.ok)).toHaveLength(1);
    const [winner] = outcomes.filter(({ outcome }) => outcome.ok);
    await node.cni('DEL', winner?.pod ?? { name: '', containerId: '', netns: '' });
    expect((await add('p6', web(9090))).outcome).toMatchObject({ ok: true });
  });

  it.each([
    [web(8080, { hostIP: 'example.org' }), 'runtimeConfig.portMappings: hostIP of host port 8080/tcp: "example.org"'],
    [web(8080, { hostIP: 'fd00::1' }), "an address of the pod's own family"],
    [web(70_000), 'runtimeConfig.portMappings[0].hostPort: 70000'],
    [{ bandwidth: { ingressRate: 1 } }, 'runtimeConfig.bandwidth.ingressRate: 1 is not allowed'],
    [{ bandwidth: { egressRate: 1_000_000 } }, 'runtimeConfig.bandwidth.egressBurst: 0 is not allowed'],
  ])('%j is refused with code 7 and the key, and leaves nothing', async (runtimeConfig, msg) => {
    const { outcome } = await add('p1', runtimeConfig);
    expect(outcome).toMatchObject({ ok: false, document: { code: 7, msg: expect.stringContaining(msg) } });
    expect(await podsOf(node)).toEqual([]);
    expect(await kernelState(node.netns)).not.toMatch(/link eni|elements = \{ (tcp|udp|\d+\.\d+\.\d+\.\d+ \.)/);
  });

  it('is found in the kernel where the journal was lost', async () => {
    const { pod } = await add('p1', web(8080));
    await add('p2', web(8081, { hostIP: '127.0.0.1' }));
    await using client = await Probe.start('client', other.netnsPath);
    await using server = await Probe.start('server', `/run/netns/${pod.netns}`);
    const address = (await inNode('ip', '-4', '-o', 'route', 'get', '169.254.169.254')).match(/src (\S+)/)?.[1] ?? '';
    await node.stopDaemon('SIGKILL');
    await node.forgetState();
    await node.startDaemon();
    expect((await client.ask({ op: 'tcp', to: address, port: 8080, timeoutMs: 10_000 })).seenFrom).toBeDefined();
    expect(server.name).toBe('server');
    const taken = {
      ok: false,
      document: { code: 7, msg: expect.stringContaining(`belongs to container ${pod.containerId}`) },
    };
    expect((await add('p3', web(8080))).outcome).toMatchObject(taken);
    expect((await add('p3', web(8081, { hostIP: '127.0.0.1' }))).outcome).toMatchObject({ document: { code: 7 } });
    await node.cni('DEL', pod);
    expect((await add('p3', web(8080))).outcome).toMatchObject({ ok: true });
  });

  it('is given up by GC', async () => {
    const { outcome } = await add('p1', web(8080));
    expect(outcome).toMatchObject({ ok: true });
    expect(await node.gc([])).toMatchObject({ ok: true });
    expect(await inNode('nft', 'list', 'map', 'inet', 'wellspring', 'host-ports-ip4')).not.toContain('elements');
  });
});
