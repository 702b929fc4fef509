/** Multi-NIC pods through containerd, which hands their annotations over by itself. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { runCommand } from '#test/support/command.ts';
import { Bed, type BedNode } from './containerd/bed.ts';
import { describeWithContainers } from './containerd/needs.ts';

let bed: Bed | undefined;
let node: BedNode;

const namesIn = async (netnsPath: string): Promise<readonly string[]> => {
  const shown = await runCommand('nsenter', [`--net=${netnsPath}`, 'ip', '-json', 'link']);
  return (JSON.parse(shown) as readonly { readonly ifname: string }[]).map(({ ifname }) => ifname);
};

describeWithContainers(['loopback'], 'containerd on a node with two network cards', () => {
  beforeAll(async () => {
    bed = await Bed.create(['c6in.32xlarge'], { ENABLE_MULTI_NIC: 'true', MAX_ENI: '2', WARM_IP_TARGET: '1' });
    [node] = bed.nodes as [BedNode];
  });
  afterAll(async () => {
    expect((await bed?.end()) ?? []).toEqual([]);
  });

  it('gives a pod with the annotation an interface on each, a plain one its one, and nothing is left of either', async () => {
    const annotations = { 'k8s.amazonaws.com/nicConfig': 'multi-nic-attachment', other: 'x' };
    const [multi, plain] = [
      await node.runPod('multi', undefined, { annotations }),
      await node.runPod('plain', undefined, { annotations: { other: 'x' } }),
    ];
    expect(await namesIn(node.vantage(multi).netnsPath)).toEqual(['lo', 'eth0', 'mNicIf1']);
    expect(await namesIn(node.vantage(plain).netnsPath)).toEqual(['lo', 'eth0']);
    const shown = await node.shownPods();
    expect(shown.map(({ name }) => name).toSorted()).toEqual(['multi', 'multi', 'plain']);
    // The pod's own address is that of card 0.
    expect(shown.find(({ address }) => address === multi.ip)).toMatchObject({ name: 'multi', networkCardIndex: 0 });
    for (const { id } of [multi, plain]) await node.containerd.removePod(id);
    expect(await node.shownPods()).toEqual([]);
  });
});
