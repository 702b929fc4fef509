/** A whole ipamd on a node of the embedded cloud, with an API server: what the cluster sees of it, and it of the cluster. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { annotationsOf, eventsAbout, getNode, makeNode, setPodCapacity } from '#test/kubernetes/suite/objects.ts';
import { addressIn, heldBy } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import { type FakeSubject, fakeSubject } from '#test/support/kubernetes/fake-subject.ts';
import type { Json } from '#test/support/kubernetes/patch.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const NAME = 'node-of-the-cluster';
const DEADLINE_MS = 10_000;
const POD_IPS = 'vpc.amazonaws.com/pod-ips';

describeWith(['root', 'ip', 'nft'], 'a node with an API server', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let api: FakeSubject;
  let directory: string;

  const env = () => ({ KUBECONFIG: api.kubeconfig, MY_NODE_NAME: NAME, ANNOTATE_POD_IP: 'true' });
  /** A pod as the API server knows it, with a sandbox as the runtime makes it. */
  async function makePod(name: string): Promise<TestPod> {
    const metadata = { name, namespace: 'default', uid: `uid-${name}` };
    await api.admin('POST', '/api/v1/namespaces/default/pods', { kind: 'Pod', metadata, spec: { nodeName: NAME } });
    return node.createSandbox(name);
  }
  const says = (name: string, value: string) =>
    until(`the annotation of ${name} is ${JSON.stringify(value)}`, DEADLINE_MS, async () => {
      return (await annotationsOf(api, { namespace: 'default', name, uid: '' }))[POD_IPS] === value;
    });
  const condition = async () =>
    (((await getNode(api, NAME))['status'] as Json)['conditions'] as readonly Json[] | undefined)?.find(
      ({ type }) => type === 'AddressShortage',
    );

  beforeAll(async () => {
    // Eleven usable addresses: one is the node's own, eight belong to somebody else.
    cluster = await testCluster({ subnetPrefixLength: 28 });
    [node] = cluster.nodes as [ClusterNode];
    cluster.cloud.region.execute('CreateNetworkInterface', {
      SubnetId: heldBy(cluster, node)[0]?.subnetId ?? '',
      SecondaryPrivateIpAddressCount: 7,
    });
    directory = mkdtempSync(join(tmpdir(), 'wellspring-kubernetes-'));
    api = await fakeSubject(directory, node.netns);
    await makeNode(api, NAME, {
      status: { capacity: { pods: '29' } },
      spec: { taints: [{ key: 'wellspring.dev/not-ready', effect: 'NoSchedule' }] },
    });
    await node.startDaemon(env());
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await api?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it('takes the start-up taint off, and asks for no more addresses than kubelet runs pods', async () => {
    const taints = async () => ((await getNode(api, NAME))['spec'] as { readonly taints: readonly unknown[] }).taints;
    await until('the taint is gone', DEADLINE_MS, async () => (await taints()).length === 0);
    const maxPods = async () => (await node.introspect<{ limits: { maxPods: number } }>('/v1/status')).limits.maxPods;
    await until('kubelet’s bound', DEADLINE_MS, async () => (await maxPods()) === 29);
    await setPodCapacity(api, NAME, '17');
    await until('its new bound', DEADLINE_MS, async () => (await maxPods()) === 17);
    await setPodCapacity(api, NAME, '29');
    expect(await node.introspect('/v1/max-pods')).toMatchObject({ instanceType: 'm5.large', maxPods: 29 });
  });

  it('annotates pods, and tells one that is refused why in the words of the CNI error', async () => {
    for (const name of ['a', 'b']) {
      const { ok, document } = await node.cni('ADD', await makePod(name));
      expect({ ok, document }).toMatchObject({ ok: true });
      await says(name, addressIn(document) ?? 'none');
    }
    const pod = await makePod('c');
    const { ok, document } = await node.cni('ADD', pod, { deadlineMs: 5000 });
    expect(ok).toBe(false);
    await until('an event on the pod', DEADLINE_MS, async () => (await eventsAbout(api, 'default', 'c')).length > 0);
    expect(await eventsAbout(api, 'default', 'c')).toMatchObject([
      { reason: 'SubnetExhausted', message: document['msg'], involvedObject: { uid: 'uid-c', kind: 'Pod' } },
    ]);
    await until('the shortage of the node', DEADLINE_MS, async () => (await condition())?.['status'] === 'True');
    expect(await condition()).toMatchObject({ reason: 'SubnetExhausted', message: document['msg'] });
  });

  it('serves while the API server is away, clears what a pod gave back when it is there again, and ends the shortage after a restart', async () => {
    await api.server.stop();
    const [a, c] = [node.knownSandbox('a'), node.knownSandbox('c')];
    expect((await node.cni('DEL', a)).ok).toBe(true);
    // Its address rests for a second.
    const { ok, document } = await node.cni('ADD', c, { deadlineMs: 60_000 });
    expect({ ok, document }).toMatchObject({ ok: true });
    await api.server.start();
    await says('a', '');
    await says('c', addressIn(document) ?? 'none');
    expect((await condition())?.['status']).toBe('True');
    await node.stopDaemon('SIGTERM');
    await node.startDaemon(env());
    await until('the shortage is over', DEADLINE_MS, async () => (await condition())?.['status'] === 'False');
  });

  it('shows its watches in the metrics', async () => {
    expect(await node.page('/metrics')).toMatch(/^wellspring_kubernetes_watch_connected\{resource="nodes"\} 1$/m);
  });
});
