/** A node whose ipamd has nothing but the role of its instance, in an account that refuses everybody else. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { addPod, converged, ec2Calls, heldBy } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';

describeWith(['root', 'ip', 'nft'], 'a node with the role of its instance', () => {
  let cluster: Cluster;
  let node: ClusterNode;

  beforeAll(async () => {
    cluster = await testCluster({
      env: {
        AWS_ACCESS_KEY_ID: '',
        AWS_SECRET_ACCESS_KEY: '',
        WARM_IP_TARGET: '3',
        DISABLE_LEAKED_ENI_CLEANUP: 'true',
      },
    });
    cluster.cloud.setCredentials({ required: true, instanceRole: 'node-role', lifetimeSeconds: 21_600 });
    [node] = cluster.nodes as [ClusterNode];
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });

  it('starts with two Describes and ten reads of metadata', async () => {
    await node.startDaemon();
    await converged(cluster, node);
    const reads = cluster.cloud.calls().filter(({ kind, action }) => kind === 'metadata' && action.startsWith('GET'));
    expect(reads.length).toBeLessThanOrEqual(10);
    const describes = ec2Calls(cluster, 0).filter(({ action }) => action.startsWith('Describe'));
    expect(describes.map(({ action }) => action).toSorted()).toEqual(['DescribeNetworkInterfaces', 'DescribeSubnets']);
    expect(ec2Calls(cluster, 0).every(({ status }) => status === 200)).toBe(true);
  });

  it('makes an interface by three calls, all signed with the role, and reads no metadata for it', async () => {
    for (let pod = 0; pod < 6; pod += 1) await addPod(node, `c${pod}`);
    await converged(cluster, node);
    const mark = cluster.cloud.calls().length;
    const { length } = heldBy(cluster, node);
    const assigned = ec2Calls(cluster, 0).filter(({ action }) => action === 'AssignPrivateIpAddresses').length;
    for (let pod = 6; heldBy(cluster, node).length === length; pod += 1) {
      await addPod(node, `c${pod}`);
      await converged(cluster, node);
    }
    const made = ec2Calls(cluster, mark).filter(({ action }) => action !== 'AssignPrivateIpAddresses');
    expect(made.map(({ action }) => action)).toEqual([
      'CreateNetworkInterface',
      'AttachNetworkInterface',
      'ModifyNetworkInterfaceAttribute',
    ]);
    expect(assigned).toBeGreaterThan(0);
    expect(new Set(ec2Calls(cluster, 0).map(({ accessKeyId }) => accessKeyId)).size).toBe(1);
    const later = cluster.cloud.calls().slice(mark);
    expect(later.filter(({ kind, action }) => kind === 'metadata' && action.includes('iam'))).toEqual([]);
  });

  it('goes on with new keys when the old ones are not accepted any more, without a restart', async () => {
    const [old = ''] = ec2Calls(cluster, 0).flatMap(({ accessKeyId }) => accessKeyId ?? []);
    cluster.cloud.authority.revoke(old);
    const mark = cluster.cloud.calls().length;
    for (let pod = 0; !ec2Calls(cluster, mark).some(({ status }) => status === 200); pod += 1) {
      expect(pod).toBeLessThan(12);
      await addPod(node, `r${pod}`);
      await converged(cluster, node);
    }
    const calls = ec2Calls(cluster, mark);
    expect(calls[0]).toMatchObject({ status: 401, accessKeyId: old });
    expect(calls.filter(({ status }) => status === 401)).toHaveLength(1);
    expect(calls.at(-1)?.accessKeyId).not.toBe(old);
  });
});
