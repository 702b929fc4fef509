/** The demo's pods: attached all at once, more of them than the primary ENIs hold. */
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import type { Checks, PodRow } from './report.ts';

export interface DemoPod {
  readonly sandbox: TestPod;
  readonly node: ClusterNode;
  readonly address: string;
  readonly result: unknown;
  readonly row: PodRow;
}

interface ShownPod {
  readonly name: string;
  readonly address: string;
  readonly eni: string;
  readonly routeTable: number | 'main';
}

export async function attachPods(cluster: Cluster, count: number, checks: Checks): Promise<readonly DemoPod[]> {
  const { nodes } = cluster;
  const before = nodes.map((node) => attachedTo(cluster, node));
  const wanted = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const node = nodes[index % nodes.length];
      if (node === undefined) throw new Error('a cluster has nodes');
      return { node, sandbox: await node.createSandbox(`pod-${String(index + 1).padStart(2, '0')}`) };
    }),
  );
  const outcomes = await Promise.all(wanted.map(({ node, sandbox }) => node.cni('ADD', sandbox)));
  const refused = outcomes.filter(({ ok }) => !ok);
  checks.add(
    'all-pods-attached',
    refused.length === 0,
    refused.length === 0
      ? `${count} ADDs, none failed`
      : `${refused.length} of ${count} ADDs failed: ${JSON.stringify(refused[0]?.document)}`,
  );
  const shown = new Map(
    (await Promise.all(nodes.map((node) => node.introspect<ShownPod[]>('/v1/pods'))))
      .flat()
      .map((pod) => [pod.name, pod]),
  );
  const pods = wanted.flatMap(({ node, sandbox }, index): DemoPod[] => {
    const outcome = outcomes[index];
    const pod = shown.get(sandbox.name);
    if (outcome === undefined || pod === undefined || !outcome.ok) return [];
    const address = addressOf(outcome.document);
    const row = {
      pod: sandbox.name,
      node: node.name,
      eni: pod.eni,
      address,
      routeTable: pod.routeTable,
      addMs: outcome.tookMs,
    };
    return [{ sandbox, node, address, result: outcome.document, row }];
  });
  const addresses = new Set(pods.map(({ address }) => address));
  checks.add('addresses-unique', addresses.size === count, `${addresses.size} different addresses for ${count} pods`);
  const held = heldByEni(cluster);
  const genuine = pods.filter(({ address, row }) => held.get(address) === row.eni);
  checks.add(
    'addresses-routable',
    genuine.length === count,
    `${genuine.length} of ${count} addresses are held by the ENI the pod is routed through, as EC2 sees it`,
  );
  const after = nodes.map((node) => attachedTo(cluster, node));
  checks.add(
    'enis-attached-while-pods-waited',
    after.every((enis, index) => enis > (before[index] ?? 0)),
    `ENIs a node: ${before.join(' and ')} before, ${after.join(' and ')} after`,
  );
  return pods;
}

export async function detachPods(pods: readonly DemoPod[], checks: Checks): Promise<void> {
  const outcomes = await Promise.all(
    pods.map(({ node, sandbox, result }) => node.cni('DEL', sandbox, { prevResult: result })),
  );
  await Promise.all(pods.map(({ node, sandbox }) => node.removeSandbox(sandbox)));
  // Runtimes repeat DEL, with the namespace gone.
  const again = await Promise.all(pods.map(({ node, sandbox }) => node.cni('DEL', sandbox, { netns: '' })));
  const failed = [...outcomes, ...again].filter(({ ok }) => !ok);
  checks.add(
    'all-pods-detached',
    failed.length === 0,
    failed.length === 0
      ? `${pods.length} DELs, and as many repeated ones, none failed`
      : JSON.stringify(failed[0]?.document),
  );
}

export function addressOf(result: Record<string, unknown>): string {
  const ips = result['ips'] as readonly { readonly address: string }[] | undefined;
  return ips?.[0]?.address.replace(/\/32$/, '') ?? '';
}

function attachedTo(cluster: Cluster, node: ClusterNode): number {
  return cluster.cloud.region.networkInterfaces().filter((each) => each.attachment?.instanceId === node.instanceId)
    .length;
}

function heldByEni(cluster: Cluster): ReadonlyMap<string, string> {
  return new Map(
    cluster.cloud.region
      .networkInterfaces()
      .flatMap((each) => each.secondaryAddresses.map((address) => [address, each.id] as const)),
  );
}
