/** Services as kube-proxy makes them, to and from pods of every ENI. */
import { expect, it } from '@jest/globals';
import { run } from '#test/support/command.ts';
import { until } from '#test/support/until.ts';
import type { KubernetesBed } from './bed.ts';
import { apply, deployment, dial, HTTP_PORT, namespaceFor, type Pod, running } from './objects.ts';

const RUNNING_MS = 360_000;
const PROXY_MS = 120_000;
const NODE_PORT = { cluster: 30_080, local: 30_081 };
/** The primary ENI of an m5.xlarge has 14 addresses for pods. */
const MORE_THAN_ONE_ENI = 36;

export function services(bed: () => KubernetesBed): void {
  it('serves ClusterIPs to all pods, and NodePorts of both policies inside and outside of the VPC, by every ENI', async () => {
    const { plane, cluster, nodes } = bed();
    const namespace = 'services';
    await using _namespace = await namespaceFor(plane, namespace);
    await apply(plane, deployment({ namespace, name: 'web', replicas: MORE_THAN_ONE_ENI }));
    const clusterIp = await service(bed(), namespace, 'web', { type: 'ClusterIP' });
    const pods = await running(plane, { namespace, name: 'web', replicas: MORE_THAN_ONE_ENI }, RUNNING_MS);
    const secondary = pods.filter((pod) => deviceIndexOf(bed(), pod) > 0);
    expect(secondary.length).toBeGreaterThan(0);
    const names = new Set(pods.map(({ metadata }) => metadata.name));

    for (const pod of [pods[0], pods.at(-1), secondary[0]]) {
      if (pod === undefined) throw new Error('there is no such pod');
      await until('the Service answers', PROXY_MS, async () => {
        const [answer = ''] = await dial(plane, { namespace, pod }, { host: clusterIp, port: HTTP_PORT });
        return names.has(answer);
      });
    }
    // One backend alone, on a secondary ENI: the answer must leave by the primary one.
    const [chosen] = secondary;
    if (chosen === undefined) throw new Error('no pod is on a secondary ENI');
    await plane.admin(
      'PATCH',
      `/api/v1/namespaces/${namespace}/pods/${chosen.metadata.name}`,
      { metadata: { labels: { chosen: 'yes' } } },
      'application/merge-patch+json',
    );
    await service(bed(), namespace, 'chosen-cluster', { type: 'NodePort', nodePort: NODE_PORT.cluster });
    await service(bed(), namespace, 'chosen-local', {
      type: 'NodePort',
      nodePort: NODE_PORT.local,
      externalTrafficPolicy: 'Local',
    });
    const owner = nodes.find(({ name }) => name === chosen.spec.nodeName);
    const other = nodes.find(({ name }) => name !== chosen.spec.nodeName);
    if (owner === undefined || other === undefined) throw new Error('there are fewer than two nodes');
    const internet = cluster.fabric.internet;
    const outside = { netns: internet?.namespace ?? '', address: internet?.address };
    const inside = { netns: plane.netns, address: new URL(plane.server).hostname };
    const seen = (netns: string, host: string, port: number) => get(netns, `http://${host}:${port}/clientip`);
    for (const { address } of [owner, other])
      for (const { netns } of [outside, inside])
        await until(
          `${netns} reaches ${address}`,
          PROXY_MS,
          async () => (await seen(netns, address, NODE_PORT.cluster)) !== '',
        );
    for (const { netns, address } of [outside, inside]) {
      let client = '';
      // kube-proxy may have learnt of the one Service and not of the other yet.
      await until(`${netns} is answered by the node of the pod`, PROXY_MS, async () => {
        client = await seen(netns, owner.address, NODE_PORT.local);
        return client !== '';
      });
      expect(client.split(':')[0]).toBe(address);
    }
  }, 1_200_000);
}

interface ServiceSpec {
  readonly type: 'ClusterIP' | 'NodePort';
  readonly nodePort?: number;
  readonly externalTrafficPolicy?: 'Local';
}

/** The ClusterIP of a Service for the pods whose label is its name, or for the chosen one. */
async function service(
  bed: KubernetesBed,
  namespace: string,
  name: string,
  { nodePort, ...spec }: ServiceSpec,
): Promise<string> {
  const selector = name.startsWith('chosen') ? { chosen: 'yes' } : { app: name };
  const port = { port: HTTP_PORT, targetPort: HTTP_PORT, ...(nodePort === undefined ? {} : { nodePort }) };
  await apply(bed.plane, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { ...spec, selector, ports: [port] },
  });
  const made = (await bed.plane.admin('GET', `/api/v1/namespaces/${namespace}/services/${name}`)) as {
    readonly spec: { readonly clusterIP: string };
  };
  return made.spec.clusterIP;
}

/** Of the ENI that holds the pod's address. */
function deviceIndexOf({ cluster }: KubernetesBed, pod: Pod): number {
  const holder = cluster.cloud.region
    .networkInterfaces()
    .find(({ secondaryAddresses }) => secondaryAddresses.includes(pod.status.podIP ?? ''));
  return holder?.attachment?.deviceIndex ?? -1;
}

/** The body of the answer; empty where there was none in 5 s. */
async function get(netns: string, url: string): Promise<string> {
  const { stdout } = await run('nsenter', [`--net=/run/netns/${netns}`, 'curl', '-sS', '--max-time', '5', url]);
  return stdout;
}
