/** Network cards and multi-NIC pods end to end: the CNI binary, ipamd, EC2's protocol, and packets over every interface. */
import { readFile } from 'node:fs/promises';
import { afterEach, expect, it } from '@jest/globals';
import { addPod, deletePods, heldBy, planOf, podsOf, poolOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { CniOutcome } from '#test/support/cni-runner.ts';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import { programWithFacts, say } from '#test/support/facts-file.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { Probe, PROBE_PORT } from '#test/support/probe.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const EVERY_CARD = {
  'io.kubernetes.cri.pod-annotations': { 'k8s.amazonaws.com/nicConfig': 'multi-nic-attachment' },
};
const ENV = { ENABLE_MULTI_NIC: 'true', MAX_ENI: '2', WARM_IP_TARGET: '1', MINIMUM_IP_TARGET: '2' };
/** Two network cards. */
const TWO_CARDS = 'c6in.32xlarge';

interface Shown {
  readonly id: string;
  readonly networkCardIndex: number;
  readonly deviceIndex: number;
  readonly managed: boolean;
  readonly phase: string;
  readonly free: number;
  readonly routeTable: number | 'main';
}

describeWith(['root', 'ip', 'nft'], 'a node with several network cards', () => {
  let cluster: Cluster;
  let node: ClusterNode;

  afterEach(() => cluster?.[Symbol.asyncDispose]());

  async function prepare(env: Readonly<Record<string, string>>, types: readonly string[] = [TWO_CARDS], ipv6 = false) {
    cluster = await testCluster({ instanceTypes: types, env, program: programWithFacts(), ipv6 });
    [node] = cluster.nodes as [ClusterNode];
  }
  const shown = async (of = node): Promise<readonly Shown[]> => {
    const cards = await of.introspect<Record<string, { readonly ENIs: Readonly<Record<string, Shown>> }>>('/v1/enis');
    return Object.values(cards).flatMap(({ ENIs }) => Object.values(ENIs));
  };
  const onCard = async (card: number, of = node) =>
    (await shown(of)).filter(({ networkCardIndex }) => networkCardIndex === card);
  const ready = (card: number, of = node) =>
    until(`card ${card} has a free address`, 15_000, async () =>
      (await onCard(card, of)).some(({ phase, free }) => phase === 'ready' && free > 0),
    );
  const ipsOf = ({ document }: CniOutcome) =>
    (document['ips'] as readonly { readonly address: string; readonly interface: number }[]).map((ip) => ({
      address: ip.address.replace(/\/(32|128)$/, ''),
      ifName: (document['interfaces'] as readonly { readonly name: string }[])[ip.interface]?.name,
    }));
  const cardOf = (address: string) =>
    heldBy(cluster, node).find(({ secondaryAddresses }) => secondaryAddresses.includes(address))?.attachment
      ?.networkCardIndex;
  async function addMulti(name: string): Promise<{ pod: TestPod; outcome: CniOutcome }> {
    const pod = await node.createSandbox(name);
    return { pod, outcome: await node.cni('ADD', pod, { runtimeConfig: EVERY_CARD }) };
  }
  function attachByHand(interfaceType: string, card: number, deviceIndex: number): string {
    const { region } = cluster.cloud;
    const SubnetId = heldBy(cluster, node)[0]?.subnetId ?? '';
    const made = region.execute('CreateNetworkInterface', { SubnetId, InterfaceType: interfaceType as 'efa' });
    const id = made.NetworkInterface?.NetworkInterfaceId ?? '';
    const place = { DeviceIndex: deviceIndex, NetworkCardIndex: card };
    region.execute('AttachNetworkInterface', { NetworkInterfaceId: id, InstanceId: node.instanceId, ...place });
    return id;
  }

  it('gives a multi-NIC pod an interface on each, and packets leave by the one whose address they carry', async () => {
    await prepare(ENV, [TWO_CARDS, 'm5.large']);
    const other = cluster.nodes[1] as ClusterNode;
    await Promise.all(cluster.nodes.map((each) => each.startDaemon(say(each, {}))));
    await ready(1);
    const before = await kernelState(node.netns);
    const plain = await addPod(node, 'plain');
    const { pod, outcome } = await addMulti('multi');
    expect(outcome).toMatchObject({ ok: true });
    const ips = ipsOf(outcome);
    expect(ips.map(({ ifName }) => ifName)).toEqual(['eth0', 'mNicIf1']);
    const [first, second] = ips.map(({ address }) => address) as [string, string];
    expect([plain.address, first, second].map(cardOf)).toEqual([0, 0, 1]);
    expect(outcome.document['routes']).toEqual([{ dst: '0.0.0.0/0', gw: '169.254.1.1' }]);
    expect(await node.inside(pod, 'ip', 'rule')).toContain(`1:\tfrom ${second} lookup 1`);
    expect(await node.inside(pod, 'ip', 'route', 'show', 'table', '1')).toMatch(
      /default via 169\.254\.1\.2 dev mNicIf1[^]*169\.254\.1\.2 dev mNicIf1 scope link/,
    );

    const far = await addPod(other, 'far');
    await using target = await Probe.start('far', `/run/netns/${far.pod.netns}`);
    await using near = await Probe.start('near', `/run/netns/${plain.pod.netns}`);
    await using probe = await Probe.start('multi', `/run/netns/${pod.netns}`);
    for (const [from, to] of [
      [first, far.address],
      [second, far.address],
      [first, plain.address],
      [second, plain.address],
    ] as const) {
      expect(await probe.ask({ op: 'udp', to, from, port: PROBE_PORT, timeoutMs: 10_000 })).toEqual({ seenFrom: from });
    }
    // The fabric drops what an ENI sends with a foreign address, so these arrived by the card that holds it.
    for (const to of [first, second]) {
      for (const client of [target, near]) {
        const { seenFrom } = await client.ask({ op: 'tcp', to, port: PROBE_PORT, timeoutMs: 10_000 });
        expect(seenFrom).toBe(client === target ? far.address : plain.address);
      }
    }

    expect(await node.cni('CHECK', pod, { prevResult: outcome.document })).toMatchObject({ ok: true });
    await node.stopDaemon('SIGKILL');
    await node.startDaemon(say(node, {}));
    expect(await probe.ask({ op: 'udp', to: far.address, from: second, port: PROBE_PORT, timeoutMs: 10_000 })).toEqual({
      seenFrom: second,
    });
    expect(await node.cni('CHECK', pod, { prevResult: outcome.document })).toMatchObject({ ok: true });
    const again = await node.cni('ADD', pod, { runtimeConfig: EVERY_CARD });
    expect(ipsOf(again)).toEqual(ips);
    await node.inside(pod, 'ip', 'rule', 'del', 'priority', '1');
    expect((await node.cni('CHECK', pod, { prevResult: outcome.document })).document).toMatchObject({
      details: expect.stringContaining(`from ${second} lookup 1`),
    });

    await deletePods(node, [plain]);
    expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
    expect(await podsOf(node)).toEqual([]);
    await until('the kernel is as before', 10_000, async () => (await kernelState(node.netns)) === before);
    expect(cluster.errors).toEqual([]);
  });

  it('believes the API server where the runtime hands no annotations over, and the runtime where both speak', async () => {
    await prepare(ENV);
    const annotations = { 'k8s.amazonaws.com/nicConfig': 'multi-nic-attachment' };
    await node.startDaemon(say(node, { podAnnotations: { 'default/a': annotations, 'default/b': annotations } }));
    await ready(1);
    const add = async (name: string, runtimeConfig?: object) =>
      node.cni('ADD', await node.createSandbox(name), runtimeConfig === undefined ? {} : { runtimeConfig });
    expect(ipsOf(await add('a'))).toHaveLength(2);
    expect(ipsOf(await add('b', { 'io.kubernetes.cri.pod-annotations': { other: 'x' } }))).toHaveLength(1);
    expect(ipsOf(await add('c'))).toHaveLength(1);
    expect((await add('d', { 'io.kubernetes.cri.pod-annotations': { other: 1 } })).document).toMatchObject({
      code: 7,
      msg: expect.stringContaining('runtimeConfig.io.kubernetes.cri.pod-annotations.other'),
    });
  });

  it('grows each card for the pods that wait there, all of a burst, and gives back what lies idle', async () => {
    await prepare({ ...ENV, MAX_ENI: '2' });
    await node.startDaemon(say(node, {}));
    await ready(1);
    const all = await Promise.all(Array.from({ length: 12 }, (_, index) => addMulti(`m${index}`)));
    for (const { outcome } of all) {
      expect(outcome).toMatchObject({ ok: true });
      expect(ipsOf(outcome).map(({ address }) => cardOf(address))).toEqual([0, 1]);
    }
    expect(new Set(all.flatMap(({ outcome }) => ipsOf(outcome).map(({ address }) => address))).size).toBe(24);
    for (const { pod } of all) expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
    await until('one address is left on card 1', 20_000, async () => {
      const here = await onCard(1);
      return here.length === 1 && here[0]?.free === 1;
    });
    // An idle node asks nothing, of EC2 or of metadata.
    await until('all is done', 15_000, async () => {
      const [pool, plan] = await Promise.all([poolOf(node), planOf(node)]);
      return pool.cooling === 0 && plan.actions.length === 0 && plan.inFlight.length === 0;
    });
    const from = cluster.cloud.calls().length;
    const quietUntil = performance.now() + 3000;
    await until('time has gone by', 6000, () => Promise.resolve(performance.now() > quietUntil));
    expect(cluster.cloud.calls().slice(from)).toEqual([]);
  });

  it('a pod that gets no address on one card gives back at once what it got on the others, and is told why', async () => {
    await prepare({ ...ENV, MAX_ENI: '1' });
    const full = { kind: 'error', code: 'InsufficientFreeAddressesInSubnet', times: 'always' } as const;
    cluster.cloud.failNext('CreateNetworkInterface', full);
    await node.startDaemon(say(node, {}));
    await until('card 0 is ready', 15_000, async () => (await onCard(0)).some(({ free }) => free >= 2));
    const total = (await poolOf(node)).free;
    const before = await kernelState(node.netns);
    const pod = await node.createSandbox('m');
    const outcome = await node.cni('ADD', pod, { runtimeConfig: EVERY_CARD, deadlineMs: 5000 });
    expect(outcome).toMatchObject({ ok: false, document: { msg: expect.stringContaining('On network card 1:') } });
    expect(await poolOf(node)).toMatchObject({ free: total, assigned: 0, cooling: 0, waiting: 0 });
    expect(await podsOf(node)).toEqual([]);
    expect(await kernelState(node.netns)).toBe(before);
    // Plain pods do not care.
    await addPod(node, 'plain');
  });

  it('what one link cannot have, the others do not keep: records, links and addresses go', async () => {
    await prepare(ENV);
    await node.startDaemon(say(node, {}));
    await ready(1);
    const pod = await node.createSandbox('m');
    await node.inside(pod, 'ip', 'link', 'add', 'mNicIf1', 'type', 'veth');
    const before = await kernelState(node.netns);
    const outcome = await node.cni('ADD', pod, { runtimeConfig: EVERY_CARD });
    expect(outcome).toMatchObject({ ok: false, document: { msg: expect.stringContaining('mNicIf1') } });
    expect(await podsOf(node)).toEqual([]);
    await until('the kernel is as before', 10_000, async () => (await kernelState(node.netns)) === before);
    expect(await node.inside(pod, 'ip', 'link')).not.toContain(': eth0');
    await node.inside(pod, 'ip', 'link', 'del', 'mNicIf1');
    expect(await node.cni('ADD', pod, { runtimeConfig: EVERY_CARD })).toMatchObject({ ok: true });
    // GC knows the pod by its first interface.
    expect(await node.gc([{ containerID: pod.containerId, ifname: 'eth0' }])).toMatchObject({ ok: true });
    expect(await podsOf(node)).toHaveLength(2);
    // With the journal gone, the kernel's links are the pod, and still one.
    await node.stopDaemon('SIGKILL');
    await node.forgetState();
    await node.startDaemon(say(node, {}));
    await until('both are adopted', 10_000, async () => (await podsOf(node)).length === 2);
    expect(await node.gc([])).toMatchObject({ ok: true });
    expect(await podsOf(node)).toEqual([]);
    await until('the kernel is as before', 10_000, async () => (await kernelState(node.netns)) === before);
  });

  it('at a restart a further interface whose first one is gone goes, and a first one stays', async () => {
    await prepare(ENV);
    await node.startDaemon(say(node, {}));
    await ready(1);
    const [torn, lame] = [await addMulti('torn'), await addMulti('lame')];
    await node.stopDaemon('SIGKILL');
    await node.inside(torn.pod, 'ip', 'link', 'del', 'eth0');
    await node.inside(lame.pod, 'ip', 'link', 'del', 'mNicIf1');
    await node.startDaemon(say(node, {}));
    expect(await podsOf(node)).toMatchObject([{ containerId: lame.pod.containerId, ifName: 'eth0' }]);
    await until('its link is gone', 5000, async () => !(await node.inside(torn.pod, 'ip', 'link')).includes('mNicIf1'));
    expect((await node.cni('CHECK', lame.pod, { prevResult: lame.outcome.document })).document).toMatchObject({
      code: 110,
      msg: expect.stringContaining('mNicIf1'),
    });
    expect(await node.cni('DEL', lame.pod)).toMatchObject({ ok: true });
    expect(await podsOf(node)).toEqual([]);
  });

  it('switched off with live pods, leaves them their interfaces, and takes no card but the first from then on', async () => {
    await prepare(ENV, [TWO_CARDS, 'm5.large']);
    const other = cluster.nodes[1] as ClusterNode;
    await Promise.all(cluster.nodes.map((each) => each.startDaemon(say(each, {}))));
    await ready(1);
    const { pod, outcome } = await addMulti('m');
    const second = ipsOf(outcome)[1]?.address ?? '';
    const far = await addPod(other, 'far');
    await node.stopDaemon('SIGTERM');
    await node.startDaemon({ ...say(node, {}), ENABLE_MULTI_NIC: 'false' });
    await until('card 1 is not managed', 10_000, async () => (await onCard(1)).every(({ managed }) => !managed));
    await using _target = await Probe.start('far', `/run/netns/${far.pod.netns}`);
    await using probe = await Probe.start('multi', `/run/netns/${pod.netns}`);
    const sent = { op: 'udp', to: far.address, from: second, port: PROBE_PORT, timeoutMs: 10_000 } as const;
    expect(await probe.ask(sent)).toEqual({ seenFrom: second });
    expect(await node.cni('CHECK', pod, { prevResult: outcome.document })).toMatchObject({ ok: true });
    expect(ipsOf(await node.cni('ADD', pod, { runtimeConfig: EVERY_CARD }))).toEqual(ipsOf(outcome));
    expect(ipsOf((await addMulti('n')).outcome)).toHaveLength(1);
    expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
    expect(await podsOf(node)).toHaveLength(1);
    expect(await onCard(1)).toHaveLength(1);
  });

  it('in metadata-only mode uses what is attached to each card, and knows an EFA-only ENI by its want of addresses', async () => {
    await prepare({ ENABLE_MULTI_NIC: 'true', ENABLE_IMDS_ONLY_MODE: 'true' }, ['p4d.24xlarge']);
    const { region } = cluster.cloud;
    const primary = heldBy(cluster, node)[0]?.id ?? '';
    attachByHand('efa-only', 1, 0);
    for (const NetworkInterfaceId of [primary, attachByHand('interface', 2, 0), attachByHand('interface', 3, 0)])
      region.execute('AssignPrivateIpAddresses', { NetworkInterfaceId, SecondaryPrivateIpAddressCount: 1 });
    const from = cluster.cloud.calls().length;
    await node.startDaemon(say(node, {}));
    await Promise.all([ready(2), ready(3)]);
    const { outcome } = await addMulti('m');
    expect(ipsOf(outcome).map(({ address }) => cardOf(address))).toEqual([0, 2, 3]);
    expect(
      cluster.cloud
        .calls()
        .slice(from)
        .filter(({ kind }) => kind === 'ec2'),
    ).toEqual([]);
  });

  it('leaves a card with an EFA-only ENI alone, unless another of the pool is there, and fills EFA ones', async () => {
    await prepare({ ...ENV, MAX_ENI: '2' }, ['p4d.24xlarge']);
    const alone = attachByHand('efa-only', 1, 1);
    const beside = attachByHand('efa-only', 2, 1);
    const efa = attachByHand('efa', 2, 0);
    await node.startDaemon(say(node, {}));
    await ready(2);
    await ready(3);
    expect(await onCard(1)).toMatchObject([{ id: alone, managed: false }]);
    expect(await onCard(2)).toMatchObject([
      { id: efa, managed: true },
      { id: beside, managed: false },
    ]);
    const status = await node.introspect<{ readonly cards: readonly object[] }>('/v1/status');
    expect(status.cards).toMatchObject([
      { networkCardIndex: 0, hostsPods: true, maxInterfaces: 2 },
      { networkCardIndex: 1, hostsPods: false, interfaces: 1 },
      { networkCardIndex: 2, hostsPods: true, interfaces: 2, maxInterfaces: 2 },
      { networkCardIndex: 3, hostsPods: true },
    ]);
    const { outcome } = await addMulti('m');
    expect(ipsOf(outcome).map(({ ifName, address }) => [ifName, cardOf(address)])).toEqual([
      ['eth0', 0],
      ['mNicIf1', 2],
      ['mNicIf2', 3],
    ]);
    // A restart knows it before the cloud has answered.
    await node.stopDaemon('SIGKILL');
    await node.startDaemon(say(node, {}));
    expect(ipsOf((await addMulti('n')).outcome)).toHaveLength(3);
    const untouched = heldBy(cluster, node).filter(({ id }) => id === alone || id === beside);
    for (const each of untouched) expect(Object.keys(each.tags)).toEqual([]);
    expect(untouched).toHaveLength(2);
  });

  it.each([
    ['dual-stack', { ENABLE_IPv6: 'true' }, 2],
    ['IPv6', { ENABLE_IPv6: 'true', ENABLE_IPv4: 'false', ENABLE_PREFIX_DELEGATION: 'true' }, 1],
  ])('a %s multi-NIC pod sends by each card in every family', async (_name, families, count) => {
    await prepare({ ...ENV, ...families }, [TWO_CARDS, 'm5.large'], true);
    const other = cluster.nodes[1] as ClusterNode;
    await Promise.all(cluster.nodes.map((each) => each.startDaemon(say(each, {}))));
    const { pod, outcome } = await addMulti('multi');
    expect(outcome).toMatchObject({ ok: true });
    const ips = ipsOf(outcome);
    expect(ips.map(({ ifName }) => ifName)).toEqual(['eth0', 'mNicIf1'].flatMap((name) => Array(count).fill(name)));
    const far = await addPod(other, 'far');
    const targets = ipsOf({ document: far.result } as CniOutcome);
    await using _target = await Probe.start('far', `/run/netns/${far.pod.netns}`);
    await using probe = await Probe.start('multi', `/run/netns/${pod.netns}`);
    for (const { address: from } of ips) {
      const to = targets.find(({ address }) => address.includes(':') === from.includes(':'))?.address ?? '';
      expect(await probe.ask({ op: 'udp', to, from, port: PROBE_PORT, timeoutMs: 10_000 })).toEqual({ seenFrom: from });
    }
    expect(await node.cni('CHECK', pod, { prevResult: outcome.document })).toMatchObject({ ok: true });
    await node.stopDaemon('SIGKILL');
    await node.startDaemon(say(node, {}));
    expect(ipsOf(await node.cni('ADD', pod, { runtimeConfig: EVERY_CARD }))).toEqual(ips);
    expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
    expect(cluster.errors).toEqual([]);
  });

  it('without the setting uses the first card alone: ENIs of others take none of its slots', async () => {
    await prepare({ MAX_ENI: '2', WARM_IP_TARGET: '1', MINIMUM_IP_TARGET: '60' });
    const far = [attachByHand('interface', 1, 0), attachByHand('interface', 1, 1)];
    await node.startDaemon(say(node, {}));
    // 49 on the first ENI: the second is made though the instance has four by then.
    await until('60 addresses', 20_000, async () => (await poolOf(node)).free >= 60);
    expect((await onCard(0)).map(({ deviceIndex }) => deviceIndex)).toEqual([0, 1]);
    expect(await onCard(1)).toMatchObject(far.map((id) => ({ id, managed: false, free: 0 })));
    const outcome = (await addMulti('m')).outcome;
    expect(ipsOf(outcome)).toHaveLength(1);
    expect(heldBy(cluster, node).filter(({ attachment }) => attachment?.networkCardIndex === 1)).toHaveLength(2);
  });

  it('is said once where the type has one card, and refused where marks do not suffice', async () => {
    await prepare({ ENABLE_MULTI_NIC: 'true' }, ['m5.large']);
    await node.startDaemon(say(node, {}));
    const log = async () => (await readFile(node.logPath, 'utf8')).split('ENABLE_MULTI_NIC has no effect').length - 1;
    expect(await log()).toBe(1);
    expect(ipsOf((await addMulti('m')).outcome)).toHaveLength(1);
    await cluster[Symbol.asyncDispose]();
    await prepare({ ENABLE_MULTI_NIC: 'true', WELLSPRING_ENI_MARK_MASK: '0x1f' }, ['p4d.24xlarge']);
    await expect(node.startDaemon(say(node, {}))).rejects.toThrow(
      'lets p4d.24xlarge have 59 secondary ENIs on 4 network cards, and WELLSPRING_ENI_MARK_MASK=0x1f tells 31 apart: ' +
        'give the mask 6 bits, or lower MAX_ENI.',
    );
  });
});
