/** One node on the embedded cloud with a running ipamd, and its pods. */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { Cluster, type ClusterOptions } from '#test/support/cluster.ts';
import { addressIn, poolOf } from '#test/support/cluster-facts.ts';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import { until } from '#test/support/until.ts';
import { RELEASE } from '#tools/build-ipamd.ts';
import type { PartOptions } from './part.ts';

const WARM_DEADLINE_MS = 60_000;
let sequence = 0;

export interface Bed extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
}

/** ipamd does not run yet. */
export async function bed(
  { cniBinary, daemon, workDirectory }: PartOptions,
  options: Pick<ClusterOptions, 'env' | 'latencyMs' | 'attachLinkDelayMs' | 'subnetPrefixLength'> & {
    readonly instanceType: string;
    /** 1 unless said. */
    readonly nodes?: number;
  },
): Promise<Bed> {
  sequence += 1;
  const prefix = `wb${sequence}-`;
  const { instanceType, env, nodes = 1, ...rest } = options;
  const cluster = await Cluster.create({
    ...rest,
    env: { ...RELEASE.env, ...env },
    program: daemon,
    prefix,
    workDirectory: await mkdtemp(join(workDirectory, 'cluster-')),
    cniBinary,
    instanceTypes: Array.from({ length: nodes }, () => instanceType),
    routerNetns: `${prefix}vpc`,
  });
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error('a cluster has nodes');
  return { cluster, node, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
}

/** So many addresses can be given to a pod at once when it resolves. */
export async function warm(node: ClusterNode, addresses: number): Promise<void> {
  await until(`${addresses} addresses are free`, WARM_DEADLINE_MS, async () => (await poolOf(node)).free >= addresses);
}

/** Sandboxes without an address yet. */
export async function sandboxes(node: ClusterNode, count: number, prefix = 'pod'): Promise<readonly TestPod[]> {
  const made: TestPod[] = [];
  for (let index = 0; index < count; index += 1) made.push(await node.createSandbox(`${prefix}-${index}`));
  return made;
}

/** The result document and the milliseconds an ADD took. Throws when it fails: a figure of failures says nothing. */
export async function add(node: ClusterNode, pod: TestPod): Promise<{ readonly result: object; readonly ms: number }> {
  const { ok, document, tookMs } = await node.cni('ADD', pod);
  if (!ok || addressIn(document) === undefined) throw new Error(`ADD of ${pod.name}: ${JSON.stringify(document)}`);
  return { result: document, ms: tookMs };
}
