/** Pods, Services and mishaps on a cluster of real parts: kubelet, containerd, kube-proxy and the whole control plane. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import { KubernetesBed } from './cluster/bed.ts';
import { manyPods } from './cluster/many-pods.ts';
import { conditionsOf } from './cluster/objects.ts';
import { comingAndGoing } from './cluster/coming-and-going.ts';
import { CLUSTER_NEEDS } from './cluster/needs.ts';
import { mishaps } from './cluster/mishaps.ts';
import { restarts } from './cluster/restarts.ts';
import { services } from './cluster/services.ts';

const BUILD_MS = 40 * 60_000;

describeWith(CLUSTER_NEEDS, 'a cluster', () => {
  let bed: KubernetesBed;
  beforeAll(async () => {
    bed = await KubernetesBed.create({ as: 'process' });
  }, BUILD_MS);
  afterAll(() => bed?.[Symbol.asyncDispose](), 300_000);

  manyPods(() => bed);
  services(() => bed);
  restarts(() => bed);
  mishaps(() => bed);
  comingAndGoing(() => bed);

  it('has nodes that became Ready by our configuration list', async () => {
    for (const { name } of bed.nodes)
      expect(await conditionsOf(bed.plane, name)).toContainEqual(
        expect.objectContaining({ type: 'Ready', status: 'True' }),
      );
  });
});
