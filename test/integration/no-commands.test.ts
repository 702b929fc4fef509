/**
 * ipamd and the CNI binary start no program: whatever could change the network is a trap here that notes its call, by name
 * and by path.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { addPod, converged, heldBy } from '#test/support/cluster-facts.ts';
import { runCni } from '#test/support/cni-runner.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { run } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';

const TRAPPED = ['ip', 'tc', 'nft', 'conntrack', 'ethtool', 'sysctl', 'modprobe', 'ipset', 'brctl', 'bridge'];
const IPTABLES = ['iptables', 'ip6tables', 'ebtables', 'arptables', 'xtables'].flatMap((name) =>
  ['', '-save', '-restore', '-nft', '-legacy', '-nft-save', '-nft-restore', '-nft-multi', '-legacy-multi'].map(
    (suffix) => `${name}${suffix}`,
  ),
);

describeWith(['root', 'ip', 'nft'], 'a node whose network commands are traps', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let directory: string;
  const calls = () => readFileSync(join(directory, 'calls'), 'utf8');

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'wellspring-traps-'));
    setTraps(directory);
    cluster = await testCluster({ instanceTypes: ['t3.small'], env: { WARM_IP_TARGET: '1', MINIMUM_IP_TARGET: '4' } });
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon({ PATH: directory });
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it('the traps work: by name and by path, where ipamd runs', async () => {
    const inside = (command: string) =>
      run(join(directory, 'nsenter'), [`--net=${node.netnsPath}`, command, 'list', 'ruleset'], {
        env: { PATH: directory },
      });
    expect(calls()).toBe('');
    expect(await inside('nft')).toMatchObject({ code: 99 });
    expect(await inside('/usr/sbin/nft')).toMatchObject({ code: 99 });
    expect(calls().split('\n')).toHaveLength(3);
    writeFileSync(join(directory, 'calls'), '');
  });

  it('pods of two ENIs with host ports and limits come and go, and nothing is called', async () => {
    await converged(cluster, node);
    const plain = await addPod(node, 'plain');
    for (const name of ['p1', 'p2', 'p3']) await addPod(node, name);
    expect(heldBy(cluster, node).length).toBeGreaterThan(1);
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];
    const bandwidth = { ingressRate: 8_000_000, ingressBurst: 800_000, egressRate: 8_000_000, egressBurst: 800_000 };
    const asking = await node.createSandbox('asking');
    for (const command of ['ADD', 'DEL'] as const) {
      const call = node.cniCall(command, asking, { runtimeConfig: { portMappings, bandwidth } });
      expect(await runCni({ ...call, env: { ...call.env, PATH: directory } })).toMatchObject({ ok: true });
    }
    expect(await node.cni('CHECK', plain.pod, { prevResult: plain.result })).toMatchObject({ ok: true });
    await node.stopDaemon('SIGTERM');
    await node.startDaemon({ PATH: directory, AWS_VPC_K8S_CNI_EXTERNALSNAT: 'true' });
    expect(await node.cni('DEL', plain.pod)).toMatchObject({ ok: true });
    expect(calls()).toBe('');
  });
});

/**
 * A PATH of traps and nothing else but what the test itself starts ipamd with, and an `nsenter` that puts the traps over the
 * real programs as well, in a mount namespace of its own that still sees the pods' namespaces appear.
 */
function setTraps(directory: string): void {
  const trap = join(directory, 'trap');
  const names = [...TRAPPED, ...IPTABLES];
  writeFileSync(join(directory, 'calls'), '');
  writeFileSync(trap, `#!/bin/sh\necho "$0 $*" >>${directory}/calls\nexit 99\n`, { mode: 0o755 });
  for (const name of names) symlinkSync(trap, join(directory, name));
  symlinkSync('/usr/bin/setpriv', join(directory, 'setpriv'));
  const cover = `for each in ${names.join(' ')}; do
  for path in /usr/sbin/$each /usr/bin/$each /sbin/$each /bin/$each; do
    [ ! -e $path ] || /bin/mount --bind ${trap} "$(/usr/bin/readlink -f $path)"
  done
done
exec /usr/bin/nsenter "$@"`;
  const enter = `#!/bin/sh\nexec /usr/bin/unshare --mount --propagation slave /bin/sh -c '${cover}' nsenter "$@"\n`;
  writeFileSync(join(directory, 'nsenter'), enter, { mode: 0o755 });
}
