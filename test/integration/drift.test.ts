/** Drift repair by the real daemon: somebody flushes all rules of nftables and of routing on a node with pods. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { DriftAnswer } from '#ipamd/observe/drift.ts';
import { converged } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { runCommand } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

let cluster: Cluster;
let node: ClusterNode;

const inNode = (...command: readonly string[]) => runCommand('ip', ['netns', 'exec', node.netns, ...command]);

describeWith(['root', 'ip', 'nft'], 'drift repair by the daemon', () => {
  beforeAll(async () => {
    cluster = await testCluster();
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  const counted = async (object: string): Promise<number> => {
    const line = new RegExp(`^wellspring_drift_repairs_total\\{object="${object}"\\} (\\d+)`, 'm');
    return Number(line.exec(await node.page('/metrics'))?.[1] ?? 0);
  };

  it('nft flush ruleset and ip rule flush: all is back, counted, logged and shown; also what was lost while it was down', async () => {
    for (const name of ['d1', 'd2']) expect((await node.cni('ADD', await node.createSandbox(name))).ok).toBe(true);
    await until('the first comparison', 5000, async () => (await drift()).comparisons > 0);
    // No ENI comes up while states are compared.
    await converged(cluster, node);
    const whole = await kernelState(node.netns);
    await inNode('nft', 'flush', 'ruleset');
    await inNode('ip', 'rule', 'flush', 'protocol', '87');
    await until('the kernel is as it was', 2000, async () => (await kernelState(node.netns)) === whole).catch(
      async () => expect(await kernelState(node.netns)).toBe(whole),
    );
    await until('it is counted', 2000, async () => (await counted('nft')) === 1 && (await counted('rule')) >= 2);
    await until('nothing is left to do', 5000, async () => isEmpty((await drift()).unrepaired));
    const { recent } = await drift();
    const table = recent.find(({ object }) => object === 'nft table inet wellspring');
    expect(table).toMatchObject({ kind: 'nft', outcome: 'repaired', found: 'none' });
    expect(table?.culprits).toContainEqual(expect.stringMatching(/^nft \(pid \d+\)$/));
    await until('it is in the log', 5000, async () =>
      (await readFile(node.logPath, 'utf8')).includes('it was put back'),
    );
    await node.stopDaemon('SIGTERM');
    await inNode('ip', 'route', 'flush', 'table', '8787');
    await node.startDaemon();
    await until('the routes of pods are back', 5000, async () => (await kernelState(node.netns)) === whole);
    await until('they are counted', 5000, async () => (await counted('route')) === 2);
  });

  const isEmpty = (object: object) => Object.keys(object).length === 0;
  const drift = () => node.introspect<DriftAnswer>('/v1/drift');
});
