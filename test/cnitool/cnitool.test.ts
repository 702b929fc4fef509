/** The commands of every version of the specification as the CNI project's own cnitool calls them, chained and alone. */
import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { cniBinary } from '#test/support/cni-binary.ts';
import { runCommand } from '#test/support/command.ts';
import type { Cluster } from '#test/support/cluster.ts';
import { NETWORK_NAME, type ClusterNode, type TestPod } from '#test/support/cluster-node.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';
import { provideCnitool } from './build.ts';
import { CnitoolRuntime, PLUGIN_DIRECTORY } from './runtime.ts';

const VERSIONS = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
const cnitool = provideCnitool();
const title = 'lacking' in cnitool ? `cnitool [skipped: needs ${cnitool.lacking}]` : 'cnitool';
const declare =
  'lacking' in cnitool
    ? describe.skip
    : (name: string, body: () => void) => describeWith(['root', 'ip', 'nft'], name, body);

/** What differs from run to run, by names that do not. */
function golden(text: string, pod: TestPod): unknown {
  const named = text
    .replaceAll(`/run/netns/${pod.netns}`, 'NETNS')
    .replaceAll(/"eni[0-9a-f]{11}"/g, '"HOSTLINK"')
    .replaceAll(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC')
    .replaceAll(/"10\.0\.0\.\d+\/32"/g, '"ADDRESS/32"');
  return JSON.parse(named);
}

declare(title, () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let runtime: CnitoolRuntime;
  let sequence = 0;
  const pods: { readonly network: string; readonly pod: TestPod }[] = [];

  beforeAll(async () => {
    cluster = await testCluster();
    [node] = cluster.nodes as [ClusterNode];
    runtime = await CnitoolRuntime.create('path' in cnitool ? cnitool.path : '', node, await cniBinary());
    await node.startDaemon();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const { network, pod } of pods.splice(0)) await runtime.call('del', network, pod);
  });

  async function add(
    network: string,
    capabilities?: object,
  ): Promise<{ readonly pod: TestPod; readonly stdout: string }> {
    const pod = await node.createSandbox(`t${(sequence += 1)}`);
    pods.push({ network, pod });
    const { ok, stdout, stderr } = await runtime.call('add', network, pod, capabilities);
    expect({ ok, stderr }).toEqual({ ok: true, stderr: '' });
    return { pod, stdout };
  }
  const attached = async (): Promise<readonly string[]> =>
    (await node.introspect<readonly { readonly name: string }[]>('/v1/pods')).map(({ name }) => name).toSorted();

  /** The result in the shape of its version. */
  const resultOf = (version: (typeof VERSIONS)[number]): object => {
    const mtu = version === '1.1.0' ? { mtu: 9001 } : {};
    const isOld = version.startsWith('0.');
    return {
      cniVersion: version,
      interfaces: [
        { name: 'HOSTLINK', mac: 'MAC', ...mtu },
        { name: 'eth0', mac: 'MAC', ...mtu, sandbox: 'NETNS' },
      ],
      ips: [{ ...(isOld ? { version: '4' } : {}), interface: 1, address: 'ADDRESS/32' }],
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
      // Newer shapes leave out what is empty.
      ...(isOld ? { dns: {} } : {}),
    };
  };

  it.each(VERSIONS)('ADD, CHECK and DEL of version %s', async (version) => {
    await runtime.configure('plain', version);
    const { pod, stdout } = await add('plain');
    expect(golden(stdout, pod)).toEqual(resultOf(version));
    const check = await runtime.call('check', 'plain', pod);
    if (version === '0.3.1') expect(check.stderr).toContain('does not support the CHECK command');
    else expect(check).toMatchObject({ ok: true, stderr: '' });
    await node.inside(pod, 'ip', 'neighbour', 'del', '169.254.1.1', 'dev', 'eth0');
    const damaged = await runtime.call('check', 'plain', pod);
    expect(damaged.ok).toBe(false);
    if (version !== '0.3.1')
      expect(damaged.stderr).toMatch(/the kernel does not hold what ADD promised: pod neighbour/);
    for (let twice = 0; twice < 2; twice += 1)
      expect(await runtime.call('del', 'plain', pod)).toMatchObject({ ok: true, stderr: '' });
    expect(await attached()).toEqual([]);
  });

  it('the list that ipamd ships is taken at its highest version by a library that speaks it', async () => {
    await runtime.configureAsShipped();
    const { pod, stdout } = await add(NETWORK_NAME);
    expect(golden(stdout, pod)).toEqual(resultOf('1.1.0'));
    expect(await runtime.call('check', NETWORK_NAME, pod)).toMatchObject({ ok: true, stderr: '' });
    expect(await runtime.call('status', NETWORK_NAME, pod)).toMatchObject({ ok: true, stderr: '' });
    expect(await runtime.call('del', NETWORK_NAME, pod)).toMatchObject({ ok: true, stderr: '' });
  });

  it('DEL of a sandbox whose namespace is gone', async () => {
    await runtime.configure('plain', '1.1.0');
    const { pod } = await add('plain');
    await node.removeSandbox(pod);
    expect(await runtime.call('del', 'plain', pod)).toMatchObject({ ok: true, stderr: '' });
    expect(await attached()).toEqual([]);
  });

  it('GC frees what the runtime remembers; asked without a list, it frees nothing else and says so', async () => {
    await runtime.configure('plain', '1.1.0');
    await add('plain');
    await add('plain');
    const other = await node.createSandbox(`t${(sequence += 1)}`);
    expect(await node.cni('ADD', other)).toMatchObject({ ok: true });
    expect(await attached()).toHaveLength(3);
    const { stderr } = await runtime.call('gc', 'plain', other);
    expect(stderr).toContain('GC needs the key cni.dev/valid-attachments');
    expect(await attached()).toEqual([other.name]);
    expect(await node.cni('DEL', other)).toMatchObject({ ok: true });
  });

  it('CHECK names what is damaged on the host, where nobody repairs it', async () => {
    await node.stopDaemon('SIGTERM');
    await node.startDaemon({ WELLSPRING_DRIFT_REPAIR: 'false' });
    await runtime.configure('plain', '1.0.0');
    const damages: readonly (readonly [command: readonly string[], named: RegExp])[] = [
      [['ip', 'rule', 'del', 'priority', '512'], /rule: expected 512: from all lookup 8787/],
      [['ip', 'route', 'flush', 'table', '8787'], /host route: expected 10\.0\.0\.\d+\S*.*, found missing/],
      [['sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_forward'], /sysctl net\.ipv4\.ip_forward: expected 1, found 0/],
      [
        ['nft', 'flush', 'chain', 'inet', 'wellspring', 'anti-spoof'],
        /nft chain inet wellspring anti-spoof: expected \d rules, found 0 rules/,
      ],
    ];
    const { pod } = await add('plain');
    for (const [command, named] of damages) {
      await runCommand('ip', ['netns', 'exec', node.netns, ...command]);
      const { ok, stderr } = await runtime.call('check', 'plain', pod);
      expect({ ok, stderr }).toEqual({ ok: false, stderr: expect.stringMatching(named) });
    }
    // With repair on again all of it is back.
    await node.stopDaemon('SIGTERM');
    await node.startDaemon();
    await until('CHECK is content', 5000, async () => (await runtime.call('check', 'plain', pod)).ok);
  });

  it('STATUS: fine, and through a restart; 50 where nobody serves', async () => {
    await runtime.configure('plain', '1.1.0');
    const pod = await node.createSandbox(`t${(sequence += 1)}`);
    expect(await runtime.call('status', 'plain', pod)).toMatchObject({ ok: true, stderr: '' });
    await node.stopDaemon('SIGKILL');
    const started = node.startDaemon();
    const patient = runtime.call('status', 'plain', pod);
    await started;
    expect(await patient).toMatchObject({ ok: true, stderr: '' });

    await node.stopDaemon('SIGKILL');
    const dead = await runtime.call('status', 'plain', pod);
    expect(dead.ok).toBe(false);
    expect(dead.stderr).toMatch(/ipamd cannot be reached at .*\/ipamd\.sock \(connect: ECONNREFUSED\)/);
    expect(dead.tookMs).toBeGreaterThan(4500);
    await node.startDaemon();
    await node.stopDaemon('SIGTERM');
    await runtime.configure('hasty', '1.1.0', { ours: { deadlineMs: 500 } });
    const absent = await runtime.call('status', 'hasty', pod);
    expect(absent.stderr).toMatch(/\(connect: ENOENT\)/);
    // Below 1.1.0 there is no STATUS: the library says yes without asking.
    await runtime.configure('older', '1.0.0');
    expect(await runtime.call('status', 'older', pod)).toMatchObject({ ok: true });
    await node.startDaemon();
    await until('it serves', 5000, async () => (await runtime.call('status', 'plain', pod)).ok);
  });

  const chained =
    existsSync(`${PLUGIN_DIRECTORY}/tuning`) && existsSync(`${PLUGIN_DIRECTORY}/loopback`) ? describe : describe.skip;
  chained('chained with plugins of the CNI project', () => {
    const SYSCTL = 'net.ipv4.conf.eth0.log_martians';
    const tuning = { type: 'tuning', sysctl: { [SYSCTL]: '1' } };

    it.each(['0.4.0', '1.0.0'] as const)(
      'another plugin after ours works on what we made, version %s',
      async (version) => {
        await runtime.configure('tuned', version, { after: [tuning] });
        const { pod, stdout } = await add('tuned');
        expect(golden(stdout, pod)).toEqual(resultOf(version));
        expect((await node.inside(pod, 'cat', '/proc/sys/net/ipv4/conf/eth0/log_martians')).trim()).toBe('1');
        expect(await runtime.call('check', 'tuned', pod)).toMatchObject({ ok: true, stderr: '' });
        await node.inside(pod, 'ip', 'route', 'del', 'default');
        expect((await runtime.call('check', 'tuned', pod)).stderr).toContain('pod route');
        expect(await runtime.call('del', 'tuned', pod)).toMatchObject({ ok: true, stderr: '' });
      },
    );

    it.each(['0.4.0', '1.0.0'] as const)(
      'the result of a plugin before ours is handed on with ours, version %s',
      async (version) => {
        await runtime.configure('after', version, { before: [{ type: 'loopback' }] });
        const { pod, stdout } = await add('after');
        const { interfaces, ips } = golden(stdout, pod) as {
          readonly interfaces: readonly { readonly name: string }[];
          readonly ips: readonly { readonly address: string; readonly interface: number }[];
        };
        expect(interfaces.map(({ name }) => name)).toEqual(['lo', 'HOSTLINK', 'eth0']);
        expect(ips.find(({ address }) => address === 'ADDRESS/32')).toMatchObject({ interface: 2 });
        expect(ips.find(({ address }) => address.startsWith('127.'))).toMatchObject({ interface: 0 });
        expect(await runtime.call('check', 'after', pod)).toMatchObject({ ok: true, stderr: '' });
        expect(await runtime.call('del', 'after', pod)).toMatchObject({ ok: true, stderr: '' });
      },
    );

    it('a failure of the plugin after ours undoes ours by DEL', async () => {
      await runtime.configure('broken', '1.0.0', {
        after: [{ type: 'tuning', sysctl: { 'net.ipv4.conf.absent.x': '1' } }],
      });
      const pod = await node.createSandbox(`t${(sequence += 1)}`);
      expect(await runtime.call('add', 'broken', pod)).toMatchObject({ ok: false });
      await runtime.call('del', 'broken', pod);
      expect(await attached()).toEqual([]);
    });
  });
});
