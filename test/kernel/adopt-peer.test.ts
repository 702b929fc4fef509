/** Pods of amazon-vpc-cni-k8s with IPv6, and on a further network card, are adopted and handed back while they talk. */
import { expect, it } from '@jest/globals';
import type { AdoptedPod, HostConfig } from '#ipamd/datapath/datapath.ts';
import { openKernel } from '#ipamd/datapath/kernel.ts';
import { completeMarks } from '#ipamd/datapath/marks.ts';
import { returnToPeer } from '#ipamd/datapath/peer/return.ts';
import { lossesOf, NO_LOSSES, TrafficPlace } from '#test/migrate/traffic.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture, hostConfig, secondaryInterface } from './support/datapath-fixture.ts';
import { OUTSIDE_ADDRESS, OUTSIDE_IPV6, PRIMARY_IPV6 } from './support/datapath-node.ts';

const IPV6: Partial<HostConfig> = { family: 'dual', primaryIpv6Address: PRIMARY_IPV6 };
const ON_CARD = { ...secondaryInterface, networkCardIndex: 1 };
/** As both number it: 10000 + device + 100 × card. */
const TABLE = 10_101;

describeWith(['root', 'ip', 'nft'], 'datapath: pods of amazon-vpc-cni-k8s', () => {
  const fixture = new DatapathFixture();

  /** As the peer plumbs it; `table` of its ENI. */
  function peerPod(
    short: string,
    address: string,
    place: Pick<AdoptedPod, 'deviceIndex' | 'networkCardIndex'>,
  ): AdoptedPod {
    const { node } = fixture;
    const [family, gateway, length] = address.includes(':') ? ['-6', 'fe80::1', '128'] : ['-4', '169.254.1.1', '32'];
    const hostIfName = `eni${short.padStart(11, '0')}`;
    node.addNamespace(short);
    node.ip('node', `link add ${hostIfName} type veth peer name eth0 netns ${node.name(short)}`);
    const [{ address: mac }] = JSON.parse(node.ip('node', `-j link show ${hostIfName}`)) as [{ address: string }];
    node.ip(short, 'link set lo up');
    node.ip(short, 'link set eth0 up');
    node.ip('node', `link set ${hostIfName} up`);
    node.ip(short, `${family} address add ${address}/${length} dev eth0${family === '-6' ? ' nodad' : ''}`);
    node.ip(short, `${family} route add ${gateway} dev eth0 scope link`);
    node.ip(short, `${family} route add default via ${gateway} dev eth0`);
    node.ip(short, `${family} neigh replace ${gateway} lladdr ${mac} dev eth0 nud permanent`);
    node.ip('node', `${family} route replace ${address}/${length} dev ${hostIfName}`);
    node.ip('node', `${family} rule add priority 512 to ${address} lookup main`);
    const isPrimary = place.deviceIndex === 0;
    if (!isPrimary) node.ip('node', `${family} rule add priority 1536 from ${address} lookup ${TABLE}`);
    node.assign(address, isPrimary ? 'primary' : 'secondary');
    return { containerId: `${short}-sandbox`, ifName: 'eth0', hostIfName, addresses: [address], ...place };
  }

  const rulesOf = (address: string) =>
    ['-4', '-6']
      .map((family) => fixture.node.ip('node', `${family} rule`))
      .join('')
      .split('\n')
      .filter((line) => line.includes(`${address} `));

  it.each([
    ['IPv6', '2001:db8:0:1:1::21', '2001:db8:0:2:1::22', OUTSIDE_IPV6],
    ['IPv4', '10.0.0.21', '10.0.1.22', OUTSIDE_ADDRESS],
  ])('%s: no packet is lost either way', async (_family, first, second, beyond) => {
    const { node, datapath } = fixture;
    await datapath.setUpHost({ ...hostConfig, ...IPV6 });
    await datapath.setUpInterface(ON_CARD);
    const pods = [
      peerPod('a', first, { deviceIndex: 0, networkCardIndex: 0 }),
      peerPod('b', second, { deviceIndex: 1, networkCardIndex: 1 }),
    ];
    // Its chains are not here: ours know its pods by the names of their links, as on the way back.
    await using kernel = {
      kernel: await openKernel({ hostNetns: node.path('node') }),
      async [Symbol.asyncDispose]() {
        this.kernel[Symbol.dispose]();
      },
    };
    await using stack = new AsyncDisposableStack();
    const names = ['a', 'b', 'outside'] as const;
    const started = await Promise.all(
      names.map(async (name) => stack.use(await TrafficPlace.start(name, node.path(name)))),
    );
    const [a, b] = started as [TrafficPlace, TrafficPlace];
    const isIpv6 = first.includes(':');
    await a.talkTo(second);
    await b.talkTo(first);
    if (isIpv6) for (const place of [a, b]) await place.talkTo(beyond);
    for (const pod of pods) {
      const macs = await datapath.adoptPod?.(pod);
      expect(macs).toEqual(await datapath.adoptPod?.(pod));
    }
    expect([...rulesOf(first), ...rulesOf(second)]).toEqual([]);
    expect(await datapath.peerRemains?.({ remove: true })).toEqual([]);
    expect((await datapath.listPods()).map(({ key, addresses }) => [key, addresses])).toEqual(
      expect.arrayContaining([
        ['a-sandbox/eth0', [first]],
        ['b-sandbox/eth0', [second]],
      ]),
    );
    if (!isIpv6) for (const place of [a, b]) await place.talkTo(beyond);
    returnToPeer(kernel.kernel, completeMarks(), {
      config: { ...hostConfig, ...IPV6 },
      vethPrefix: 'eni',
      interfaces: [ON_CARD],
      pods: pods.map((pod) => ({ ...pod, peerIfName: `eni${pod.containerId}`.slice(0, 12) })),
    });
    const { sent, losses } = lossesOf(await Promise.all([a, b].map((place) => place.stop())));
    expect(losses).toEqual(NO_LOSSES);
    expect(sent).toBeGreaterThan(20);
    expect([...rulesOf(first), ...rulesOf(second)].map((line) => line.replace(/\s+/g, ' ').trim())).toEqual([
      `512: from all to ${first} lookup main`,
      `512: from all to ${second} lookup main`,
      `1536: from ${second} lookup ${TABLE}`,
    ]);
    expect(node.ip('node', 'link')).toContain('enia-sandbox');
    expect(node.ip('node', '-4 rule') + node.ip('node', '-6 rule')).not.toContain('87');
  });

  it('a link that is not a pod, or not its pod, is left alone', async () => {
    const { datapath } = fixture;
    await datapath.setUpHost(hostConfig);
    const pod = peerPod('a', '10.0.0.21', { deviceIndex: 0, networkCardIndex: 0 });
    const before = fixture.hostState();
    await expect(datapath.adoptPod?.({ ...pod, hostIfName: 'eni-not-there' })).rejects.toMatchObject({
      code: 'no-such-link',
    });
    await expect(datapath.adoptPod?.({ ...pod, ifName: 'mNicIf1' })).rejects.toMatchObject({ code: 'no-such-link' });
    await expect(datapath.adoptPod?.({ ...pod, deviceIndex: 3 })).rejects.toMatchObject({ code: 'no-such-link' });
    await expect(datapath.adoptPod?.({ ...pod, hostIfName: 'lo' })).rejects.toMatchObject({ code: 'no-such-link' });
    expect(fixture.hostState()).toEqual(before);
    const needed = (await datapath.peerRemains?.({ remove: true }))?.map(({ neededBy }) => neededBy);
    expect(needed).toEqual(['a pod that it plumbed']);
    expect(fixture.hostState()).toEqual(before);
  });
});
