import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { runCommand } from '../../support/command.ts';
import { describeWithContainers, installedPlugin } from './needs.ts';
import { startContainerdNode, type ContainerdNode } from './node.ts';
import { buildPauseImage } from './pause-image.ts';
import { pings, whoAmI } from './traffic.ts';

/* The bed proves itself with the plugins of the distribution before any test of ours lies in it. */
const prefix = `wse${process.pid}`;
const namespaces = [`${prefix}-n1`, `${prefix}-n2`];
const pod = (name: string) => ({ namespace: 'default', name, uid: `${name}-uid` });

describeWithContainers(
  ['loopback', 'bridge', 'host-local'],
  'containerd nodes with the bridge plugin of the distribution',
  () => {
    let directory = '';
    const nodes: ContainerdNode[] = [];

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), `${prefix}-`));
      await makeNetwork();
      const cniBinDir = join(directory, 'bin');
      await mkdir(cniBinDir);
      for (const plugin of ['loopback', 'bridge', 'host-local'])
        await copyFile(installedPlugin(plugin), join(cniBinDir, plugin));
      const pauseImage = await buildPauseImage(directory);
      // One after the other, so that a failure leaves no start under way that nobody stops.
      for (const [index, netns] of namespaces.entries()) {
        const workDir = join(directory, netns);
        const cniConfDir = join(workDir, 'net.d');
        await mkdir(cniConfDir, { recursive: true });
        await writeFile(join(cniConfDir, '10-bridge.conflist'), bridgeConflist(index + 1));
        nodes.push(await startContainerdNode({ name: netns, netns, cniBinDir, cniConfDir, workDir, pauseImage }));
      }
    });

    afterAll(async () => {
      await Promise.all(nodes.map((node) => node.stop()));
      for (const netns of namespaces) await runCommand('ip', ['netns', 'delete', netns]);
      await rm(directory, { recursive: true, force: true });
      expect(nodes.flatMap((node) => node.leftovers())).toEqual([]);
    });

    it("runs a pod with an address on each node; they reach each other and see each other's address", async () => {
      const [one, two] = nodes as unknown as readonly [ContainerdNode, ContainerdNode];
      const [a, b] = await Promise.all([one.runPod(pod('a')), two.runPod(pod('b'))]);
      expect([a.state, b.state]).toEqual(['SANDBOX_READY', 'SANDBOX_READY']);
      expect(a.ip).toMatch(/^10\.88\.1\./);
      expect(b.ip).toMatch(/^10\.88\.2\./);
      const fromA = { netnsPath: one.outside(a.netns) };
      expect(await whoAmI(fromA, [a.ip, b.ip])).toEqual({ [a.ip]: a.ip, [b.ip]: a.ip });
      expect(await whoAmI(fromA, ['10.88.2.250'], 500)).toEqual({});
      expect(await pings({ netnsPath: two.outside(b.netns) }, a.ip)).toBe(true);
      await one.cri.stopPodSandbox(a.id);
      expect(await whoAmI({ netnsPath: two.outside(b.netns) }, [a.ip], 300)).toEqual({});
      await one.cri.removePodSandbox(a.id);
      expect(await one.cri.listPodSandboxes()).toEqual([]);
      await two.removePod(b.id);
    });

    it('ends with pods running and leaves no process and no cgroup', async () => {
      const [, two] = nodes as unknown as readonly [ContainerdNode, ContainerdNode];
      await two.runPod(pod('left-behind'));
      expect(two.leftovers().length).toBeGreaterThan(1);
      await two.stop();
      expect(two.leftovers()).toEqual([]);
    });
  },
);

/** Two namespaces joined by one veth pair, each with a route to the other's pods. */
async function makeNetwork(): Promise<void> {
  const [one, two] = namespaces as [string, string];
  for (const netns of namespaces) await runCommand('ip', ['netns', 'add', netns]);
  await runCommand('ip', ['-n', one, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', two]);
  for (const [netns, self, other] of [
    [one, 1, 2],
    [two, 2, 1],
  ] as const) {
    await runCommand('ip', ['-n', netns, 'address', 'add', `10.250.9.${self}/24`, 'dev', 'eth0']);
    for (const link of ['lo', 'eth0']) await runCommand('ip', ['-n', netns, 'link', 'set', link, 'up']);
    await runCommand('ip', ['-n', netns, 'route', 'add', `10.88.${other}.0/24`, 'via', `10.250.9.${other}`]);
    await runCommand('nsenter', [`--net=/run/netns/${netns}`, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1']);
  }
}

function bridgeConflist(node: number): string {
  const ranges = [[{ subnet: `10.88.${node}.0/24` }]];
  const ipam = { type: 'host-local', ranges, routes: [{ dst: '0.0.0.0/0' }] };
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: false, ipam };
  return JSON.stringify({ cniVersion: '1.0.0', name: 'bed', plugins: [bridge] });
}
