/** The daemon as it is released: bundled, with its own native part, serving a pod on a node. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addPod, converged, deletePods } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { run } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';
import { buildIpamd, RELEASE } from '#tools/build-ipamd.ts';
import manifest from '../../package.json' with { type: 'json' };

describeWith(['root', 'ip', 'nft'], 'the released daemon', () => {
  let directory: string;
  let cluster: Cluster;
  let node: ClusterNode;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wellspring-release-'));
    await buildIpamd(directory);
    // As on a node, where nothing was compiled before.
    const env = { ...RELEASE.env, NODE_DISABLE_COMPILE_CACHE: '1' };
    cluster = await testCluster({ program: [...RELEASE.flags, join(directory, 'ipamd.cjs')], env });
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon();
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  it('grows by an interface and serves pods, with EC2 asked by its child', async () => {
    await converged(cluster, node);
    const pods = [];
    for (let pod = 0; pod < 12; pod += 1) pods.push(await addPod(node, `r${pod}`));
    await converged(cluster, node);
    expect(cluster.cloud.calls().some(({ action }) => action === 'CreateNetworkInterface')).toBe(true);
    const [child] = (await readFile(`/proc/${node.daemonPid}/task/${node.daemonPid}/children`, 'utf8')).split(' ');
    expect(await readFile(`/proc/${child}/cmdline`, 'utf8')).toContain(join(directory, 'ec2-agent.cjs'));
    await deletePods(node, pods);
    expect(cluster.errors).toEqual([]);
  });

  it('gives back the pages that its start alone needed', async () => {
    const resident = async (): Promise<number> => {
      const smaps = await readFile(`/proc/${node.daemonPid}/smaps`, 'utf8');
      // Of the node executable, kB.
      const sections = smaps
        .split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
        .filter((section) => /^.* r-xp .*\/node\n/.test(section));
      return sections.reduce((sum, section) => sum + Number(/^Rss:\s+(\d+)/m.exec(section)?.[1] ?? 0), 0);
    };
    const before = await resident();
    await until('less of it is resident', 20_000, async () => (await resident()) < before * 0.75);
  });

  it('needs nothing of the checkout, and knows its version', async () => {
    expect(await readdir(directory)).toEqual(
      expect.arrayContaining(['ipamd', 'ipamd.cjs', 'ec2-agent.cjs', 'node_modules']),
    );
    const text = await run('env', ['-C', '/', `NODE=${process.execPath}`, join(directory, 'ipamd'), '--version']);
    expect(JSON.stringify(text)).toContain(manifest.version);
  });
});
