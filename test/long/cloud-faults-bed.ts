/** A node on a cloud that fails, and what growing and shrinking it means. */
import { expect } from '@jest/globals';
import type { Fault } from '#cloud/emulator/cloud.ts';
import type { Ec2Action } from '#cloud/emulator/ec2-actions.ts';
import { addPod, type AddedPod, converged, deletePods, heldBy, poolOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const WIRE: readonly Fault[] = [{ kind: 'http-503' }, { kind: 'garbage' }, { kind: 'drop' }, { kind: 'lost-answer' }];
const THROTTLED: Fault = { kind: 'error', code: 'RequestLimitExceeded', status: 503 };
export type Round = readonly [action: Ec2Action, kind: string, fault: Fault];
/** Each action with each way in which a call may fail. */
export const rounds = (...actions: readonly Ec2Action[]): readonly Round[] =>
  actions.flatMap((action) =>
    [...WIRE, THROTTLED].map((fault): Round => [action, fault.kind === 'error' ? fault.code : fault.kind, fault]),
  );

/** How a node grows and shrinks: pods that it takes to make it grow, and addresses that it keeps without any. */
export interface FaultPlan {
  readonly env: Readonly<Record<string, string>>;
  readonly pods: number;
  readonly kept: number;
}

/** See the file's comment. */
export class FaultBed implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly #plan: FaultPlan;
  #sequence = 0;

  private constructor(cluster: Cluster, node: ClusterNode, plan: FaultPlan) {
    this.cluster = cluster;
    this.node = node;
    this.#plan = plan;
  }

  /** At rest when it resolves. */
  static async create(plan: FaultPlan): Promise<FaultBed> {
    // Three interfaces of three addresses, and nothing that keeps them from going at once.
    const env = { IP_COOLDOWN_PERIOD: '0', WELLSPRING_ENI_MINIMUM_AGE: '0', HTTP_TIMEOUT: '2' };
    const cluster = await testCluster({ instanceTypes: ['t3.small'], env: { ...env, ...plan.env } });
    try {
      const [node] = cluster.nodes;
      if (node === undefined) throw new Error('a cluster has nodes');
      await node.startDaemon();
      await converged(cluster, node);
      return new FaultBed(cluster, node, plan);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A name that no pod had. */
  name(): string {
    this.#sequence += 1;
    return `f${this.#sequence}`;
  }

  faultsAreSpent(): boolean {
    return this.cluster.cloud.pendingFaults().length === 0;
  }

  async grown(): Promise<readonly AddedPod[]> {
    const { node, cluster } = this;
    const pods = await Promise.all(Array.from({ length: this.#plan.pods }, () => addPod(node, this.name())));
    expect(new Set(pods.map(({ address }) => address)).size).toBe(pods.length);
    for (const { pod, result } of pods)
      expect(await node.cni('CHECK', pod, { prevResult: result })).toMatchObject({ ok: true });
    const held = heldBy(cluster, node).flatMap((each) => each.secondaryAddresses);
    expect(held).toEqual(expect.arrayContaining(pods.map(({ address }) => address)));
    return pods;
  }

  async shrunk(pods: readonly AddedPod[]): Promise<void> {
    const { node, cluster } = this;
    await deletePods(node, pods);
    await Promise.all(pods.map(({ pod }) => node.removeSandbox(pod)));
    const { kept } = this.#plan;
    await until(`one interface with ${kept} addresses is left`, 20_000, async () => {
      const pool = await poolOf(node);
      return pool.interfaces === 1 && pool.total === kept && heldBy(cluster, node).length === 1;
    });
    await converged(cluster, node);
  }

  async growsInSpiteOf(action: Ec2Action, fault: Fault): Promise<void> {
    this.cluster.cloud.failNext(action, fault);
    const pods = await this.grown();
    await converged(this.cluster, this.node);
    expect(this.faultsAreSpent()).toBe(true);
    await this.shrunk(pods);
  }

  async shrinksInSpiteOf(action: Ec2Action, fault: Fault): Promise<void> {
    const pods = await this.grown();
    await converged(this.cluster, this.node);
    this.cluster.cloud.failNext(action, fault);
    await this.shrunk(pods);
    expect(this.faultsAreSpent()).toBe(true);
  }

  /** Neither the call nor the question that would tell is answered, many times. */
  async looksAfter(action: Ec2Action): Promise<void> {
    const { cloud } = this.cluster;
    cloud.failNext(action, { kind: 'lost-answer', times: 9 });
    cloud.failNext('DescribeNetworkInterfaces', { kind: 'http-503', times: 4 });
    const pods = await this.grown();
    await converged(this.cluster, this.node, 25_000);
    cloud.clearFaults();
    await this.shrunk(pods);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cluster[Symbol.asyncDispose]();
  }
}
