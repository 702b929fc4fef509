/** A node that is drained and deleted, and one that comes with custom networking. */
import { expect, it } from '@jest/globals';
import { converged, heldBy, podsOf as attachmentsOf, poolOf } from '#test/support/cluster-facts.ts';
import { until } from '#test/support/until.ts';
import type { KubernetesBed } from './bed.ts';
import { apply, deployment, dial, HTTP_PORT, MERGE, namespaceFor, podsOf, readySince, running } from './objects.ts';
import { addSubnet } from './subnets.ts';

const RUNNING_MS = 360_000;
const PODS = 10;
const ENI_CONFIG = 'apart';

export function comingAndGoing(bed: () => KubernetesBed): void {
  it('drains a node and deletes it: its pods go elsewhere, and nothing of it stays in the cloud', async () => {
    const { plane, nodes, cluster } = bed();
    const namespace = 'drain';
    await using _namespace = await namespaceFor(plane, namespace);
    const [staying, going] = nodes;
    if (staying === undefined || going === undefined) throw new Error('there are fewer than two nodes');
    const all = { namespace, name: 'web', replicas: PODS };
    await apply(plane, deployment(all));
    await running(plane, all, RUNNING_MS);
    const ready = await readySince(plane, staying.name);
    await plane.admin('PATCH', `/api/v1/nodes/${going.name}`, { spec: { unschedulable: true } }, MERGE);
    for (const { metadata, spec } of await podsOf(plane, namespace))
      if (spec.nodeName === going.name) await evict(bed(), namespace, metadata.name);
    const moved = await running(plane, all, RUNNING_MS);
    expect(moved.filter(({ spec }) => spec.nodeName !== staying.name)).toEqual([]);
    await until('no pod has an address there', RUNNING_MS, async () => (await attachmentsOf(going.facts)).length === 0);
    // A cordoned node keeps its ENIs, and so does a deleted one until its instance goes: none is half given back then.
    await until('no address cools', RUNNING_MS, async () => (await poolOf(going.facts)).cooling === 0);
    await converged(cluster, going.facts, RUNNING_MS);
    await plane.admin('DELETE', `/api/v1/nodes/${going.name}`);
    await bed().removeNode(going.name);
    expect(heldBy(cluster, going.facts)).toEqual([]);
    const tagged = cluster.cloud.region
      .networkInterfaces()
      .filter(({ tags }) => tags['node.k8s.amazonaws.com/instance_id'] === going.facts.instanceId);
    expect(tagged).toEqual([]);
    expect(await readySince(plane, staying.name)).toBe(ready);
  }, 1_200_000);

  it('takes a new node with custom networking: its pods have addresses of the ENIConfig’s subnet and are reached', async () => {
    const { plane, nodes, cluster } = bed();
    const namespace = 'custom';
    const [old] = nodes;
    if (old === undefined) throw new Error('there is no node');
    const group = cluster.cloud.region.execute('CreateSecurityGroup', {
      GroupName: ENI_CONFIG,
      Description: 'of pods',
      VpcId: cluster.vpcId,
    });
    const node = await bed().addNode('node-c', {
      env: { AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: 'true' },
      labels: { 'k8s.amazonaws.com/eniConfig': ENI_CONFIG },
    });
    const subnet = addSubnet(cluster, node.zone, false);
    await apply(plane, {
      apiVersion: 'crd.k8s.amazonaws.com/v1alpha1',
      kind: 'ENIConfig',
      metadata: { name: ENI_CONFIG },
      spec: { subnet, securityGroups: [group.GroupId] },
    });
    await using _namespace = await namespaceFor(plane, namespace);
    const here = { namespace, name: 'here', replicas: PODS, nodeName: node.name };
    const there = { namespace, name: 'there', replicas: 1, nodeName: old.name };
    await apply(plane, deployment(here));
    await apply(plane, deployment(there));
    const pods = await running(plane, here, RUNNING_MS);
    const [asker] = await running(plane, there, RUNNING_MS);
    if (asker === undefined) throw new Error('there is nobody who could ask');
    const interfaces = heldBy(cluster, node.facts);
    for (const pod of pods) {
      const holder = interfaces.find(({ secondaryAddresses }) => secondaryAddresses.includes(pod.status.podIP ?? ''));
      expect(holder).toMatchObject({ subnetId: subnet, securityGroupIds: [group.GroupId] });
      const answer = await dial(plane, { namespace, pod: asker }, { host: pod.status.podIP ?? '', port: HTTP_PORT });
      expect(answer).toEqual([pod.metadata.name]);
    }
  }, 1_200_000);
}

/** As `kubectl drain` does it. */
async function evict({ plane }: KubernetesBed, namespace: string, name: string): Promise<void> {
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } };
  await plane.admin('POST', `/api/v1/namespaces/${namespace}/pods/${name}/eviction`, eviction);
}
