/** What a test reads back of a running cluster: the daemon's word, the cloud's word, and whether they agree. */
import { readFile } from 'node:fs/promises';
import type { CallRecord } from '#cloud/emulator/cloud.ts';
import type { NetworkInterfaceView } from '#cloud/emulator/region.ts';
import type { Cluster } from './cluster.ts';
import type { ClusterNode, TestPod } from './cluster-node.ts';
import { until } from './until.ts';

export interface ShownPod {
  readonly name: string;
  readonly address: string;
  readonly eni: string;
  readonly containerId: string;
  readonly hostIfName: string;
}

export interface ShownInterface {
  readonly id: string;
  readonly phase: string;
  readonly isPrimary: boolean;
  readonly free: number;
  readonly assigned: number;
  readonly cooling: number;
  readonly blocks: readonly { readonly cidr: string; readonly kind: string }[];
}

export interface ShownPool {
  readonly interfaces: number;
  readonly total: number;
  readonly assigned: number;
  readonly cooling: number;
  readonly free: number;
  readonly prefixes: number;
  readonly waiting: number;
}

export interface ShownPlan {
  readonly actions: readonly { readonly kind: string }[];
  readonly inFlight: readonly { readonly kind: string }[];
  readonly refusals: readonly { readonly why: { readonly reason: string } }[];
}

export const podsOf = (node: ClusterNode) => node.introspect<readonly ShownPod[]>('/v1/pods');
/** By network card. */
interface ShownCards {
  readonly [card: string]: { readonly ENIs: Readonly<Record<string, ShownInterface>> };
}

export const interfacesOf = async (node: ClusterNode): Promise<readonly ShownInterface[]> =>
  Object.values(await node.introspect<ShownCards>('/v1/enis')).flatMap(({ ENIs }) => Object.values(ENIs));
export const planOf = (node: ClusterNode) => node.introspect<ShownPlan>('/v1/plan');
export const poolOf = async (node: ClusterNode) =>
  (await node.introspect<{ readonly pool: ShownPool }>('/v1/status')).pool;

/** The address in a printed ADD result, without its prefix length. */
export function addressIn(document: Record<string, unknown>): string | undefined {
  const ips = document['ips'] as readonly { readonly address: string }[] | undefined;
  return ips?.[0]?.address.replace('/32', '');
}

/** A pod that is attached. Throws with the error document when its ADD fails. */
export async function addPod(node: ClusterNode, name: string): Promise<AddedPod> {
  const pod = await node.createSandbox(name);
  const { ok, document } = await node.cni('ADD', pod);
  const address = addressIn(document);
  if (!ok || address === undefined) throw new Error(`ADD of ${name} failed: ${JSON.stringify(document)}`);
  return { pod, result: document, address };
}

export interface AddedPod {
  readonly pod: TestPod;
  readonly result: Record<string, unknown>;
  readonly address: string;
}

export async function deletePods(node: ClusterNode, pods: readonly AddedPod[]): Promise<void> {
  const outcomes = await Promise.all(pods.map(({ pod }) => node.cni('DEL', pod)));
  const failed = outcomes.find(({ ok }) => !ok);
  if (failed !== undefined) throw new Error(`DEL failed: ${JSON.stringify(failed.document)}`);
}

export function heldBy(cluster: Cluster, node: ClusterNode): readonly NetworkInterfaceView[] {
  return cluster.cloud.region
    .networkInterfaces()
    .filter(({ attachment }) => attachment?.instanceId === node.instanceId);
}

/** EC2 calls from a mark on, which is an earlier `cloud.calls().length`. */
export function ec2Calls(cluster: Cluster, from: number, action?: string): readonly CallRecord[] {
  return cluster.cloud
    .calls()
    .slice(from)
    .filter((call) => call.kind === 'ec2' && (action === undefined || call.action === action));
}

/** How the daemon's pool and the cloud differ, in sentences; empty where they agree and nothing is left to do. */
export async function differences(cluster: Cluster, node: ClusterNode): Promise<readonly string[]> {
  const [shown, plan, pods] = await Promise.all([interfacesOf(node), planOf(node), podsOf(node)]);
  const held = heldBy(cluster, node);
  const found: string[] = [];
  for (const { id, attachment, tags } of cluster.cloud.region.networkInterfaces()) {
    if (attachment === undefined && tags['node.k8s.amazonaws.com/instance_id'] === node.instanceId)
      found.push(`${id} is leaked`);
  }
  for (const { id, phase, blocks } of shown) {
    const truth = held.find((each) => each.id === id);
    const says = blocks
      .map(({ cidr }) => cidr)
      .sort()
      .join();
    const is = [...(truth?.secondaryAddresses.map((address) => `${address}/32`) ?? []), ...(truth?.ipv4Prefixes ?? [])]
      .sort()
      .join();
    if (phase !== 'ready') found.push(`${id} is ${phase}`);
    if (says !== is) found.push(`${id}: the daemon has ${says}, the cloud ${is}`);
  }
  for (const { id, isPrimary, deleteOnTermination } of held.map((each) => ({
    ...each,
    isPrimary: each.attachment?.deviceIndex === 0,
    deleteOnTermination: each.attachment?.deleteOnTermination,
  }))) {
    if (!shown.some((each) => each.id === id)) found.push(`the daemon does not know ${id}`);
    if (!isPrimary && deleteOnTermination !== true) found.push(`${id} would outlive its instance`);
  }
  for (const { kind } of plan.actions) found.push(`${kind} is planned`);
  for (const { kind } of plan.inFlight) found.push(`${kind} is under way`);
  if (new Set(pods.map(({ address }) => address)).size !== pods.length)
    found.push(`an address is given twice: ${pods.map(({ address }) => address).join()}`);
  return found;
}

/** Pool and cloud agree, nothing is planned or under way and no scripted fault is left when it resolves. */
export async function converged(cluster: Cluster, node: ClusterNode, deadlineMs = 15_000): Promise<void> {
  let last: readonly string[] = [];
  await until('pool and cloud agree', deadlineMs, async () => {
    last = await differences(cluster, node);
    return last.length === 0;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${last.join('; ')}`);
  });
}

/** The daemon's log as records; lines that are not JSON (a crash) as `{ msg }`. */
export async function logOf(node: ClusterNode): Promise<readonly LogRecord[]> {
  const lines = (await readFile(node.logPath, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    try {
      return JSON.parse(line) as LogRecord;
    } catch {
      return { msg: line };
    }
  });
}

export interface LogRecord {
  readonly msg?: string;
  readonly level?: number | string;
}
