/**
 * The image, run as the generated manifest says: with its capabilities and mounts and no more, the installer puts the binary in
 * place, ipamd serves pods and programs sysctls, and the conflist appears when it does.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { DoctorAnswer } from '#ipamd/ctl/doctor.ts';
import { removeCgroup } from '#test/e2e/containerd/cgroups.ts';
import { addPod, converged, deletePods, interfacesOf, podsOf } from '#test/support/cluster-facts.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import type { Cluster } from '#test/support/cluster.ts';
import { run, runCommand } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';
import { buildImage, IMAGE_REFERENCE } from '#tools/build-image.ts';
import { type ImageConfig, RunningContainer } from './image/container.ts';
import { daemonSetPod } from './image/manifest.ts';

const START_MS = 60_000;

describeWith(['root', 'ip', 'nft', 'runc', 'gcc'], 'the image with the privileges of the manifest', () => {
  const pod = daemonSetPod();
  const [install] = pod.initContainers;
  const [ipamd] = pod.containers;
  let directory: string;
  let cluster: Cluster;
  let node: ClusterNode;
  let image: ImageConfig;
  let hostPaths: Readonly<Record<string, string>>;
  const ids: string[] = [];

  const start = (container: typeof install, env: Readonly<Record<string, string>> = {}): RunningContainer => {
    if (container === undefined) throw new Error('the manifest has no such container');
    const id = `wsi${process.pid}-${container.name}-${ids.length}`;
    ids.push(id);
    const rootfs = join(directory, 'rootfs');
    const netns = node.netnsPath;
    return new RunningContainer({ id, container, pod, rootfs, image, netns, hostPaths, env, directory });
  };
  const serving = async (container: RunningContainer): Promise<void> => {
    await until('ipamd serves', START_MS, async () => {
      if (container.hasEnded) throw new Error(`it ended:\n${readFileSync(container.log, 'utf8')}`);
      return (await node.introspect('/v1/status').catch(() => undefined)) !== undefined;
    });
  };
  /** What ipamd is told of the embedded cloud; its paths are those of the manifest. */
  const cloudEnv = () =>
    Object.fromEntries(
      Object.entries(node.daemonEnv).filter(
        ([name]) => !['WELLSPRING_SOCKET', 'WELLSPRING_STATE_DIRECTORY', 'WELLSPRING_SPOOL_DIRECTORY'].includes(name),
      ),
    );

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'wellspring-image-test-'));
    const { path, reference } = await buildImage({ log: () => undefined, path: join(directory, 'image.tar') });
    expect(reference).toBe(IMAGE_REFERENCE);
    image = await unpack(path, directory);
    cluster = await testCluster({ instanceTypes: ['t3.medium'] });
    [node] = cluster.nodes as [ClusterNode];
    const host = (name: string) => join(directory, 'host', name);
    hostPaths = {
      '/opt/cni/bin': host('bin'),
      '/etc/cni/net.d': host('net.d'),
      '/run/wellspring': join(node.directory, 'run'),
      '/var/lib/wellspring': host('state'),
      '/var/run/aws-node': host('aws-node'),
    };
    for (const path of Object.values(hostPaths)) mkdirSync(path, { recursive: true });
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    for (const id of ids) await removeCgroup(id);
    rmSync(directory, { recursive: true, force: true });
  });

  it('is what the manifest names', () => {
    expect([install?.image, ipamd?.image]).toEqual([IMAGE_REFERENCE, IMAGE_REFERENCE]);
    expect(pod.hostNetwork).toBe(true);
  });

  it('puts the CNI binary in place, and again without a change', async () => {
    await using first = start(install);
    expect(await first.ended()).toBe(0);
    const binary = join(hostPaths['/opt/cni/bin'] ?? '', 'wellspring-cni');
    const before = statSync(binary);
    expect(before.mode & 0o7777).toBe(0o755);
    expect((await run(binary, [], { env: { CNI_COMMAND: 'VERSION' }, stdin: '{"cniVersion":"1.1.0"}' })).code).toBe(0);
    await using second = start(install);
    expect(await second.ended()).toBe(0);
    expect(readFileSync(second.log, 'utf8')).toContain('there already');
    expect(statSync(binary).ino).toBe(before.ino);
  });

  it('serves pods, sets sysctls, and writes the conflist when it serves; stopped, it leaves both', async () => {
    const conflist = join(hostPaths['/etc/cni/net.d'] ?? '', '10-wellspring.conflist');
    expect(existsSync(conflist)).toBe(false);
    await runCommand('nsenter', [`--net=${node.netnsPath}`, 'sysctl', '-qw', 'net.ipv4.ip_forward=0']);
    await using container = start(ipamd, cloudEnv());
    await serving(container);
    await until('the conflist is there', START_MS, () => existsSync(conflist));
    expect(JSON.parse(readFileSync(conflist, 'utf8'))).toMatchObject({
      plugins: [{ type: 'wellspring-cni', socketPath: '/run/wellspring/ipamd.sock' }],
    });
    const forward = await runCommand('nsenter', [`--net=${node.netnsPath}`, 'sysctl', '-n', 'net.ipv4.ip_forward']);
    expect(forward.trim()).toBe('1');
    await converged(cluster, node);
    const pods = [];
    for (let count = 0; count < 7; count += 1) pods.push(await addPod(node, `i${count}`));
    await converged(cluster, node);
    expect((await interfacesOf(node)).length).toBeGreaterThan(1);
    const status = await container.exec('/usr/bin/wellspringctl', 'status', '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({ pool: { assigned: 7 } });
    const doctor = await container.exec('/usr/bin/wellspringctl', 'doctor', '--root', '/host', '--no-cloud', '--json');
    const { findings } = JSON.parse(doctor.stdout) as DoctorAnswer;
    const of = (...severities: readonly string[]) => findings.filter(({ severity }) => severities.includes(severity));
    // What it cannot see from there is unknown, and no error: there is nothing wrong.
    expect(of('error', 'warning')).toEqual([]);
    expect(of('ok').map(({ check }) => check)).toEqual(expect.arrayContaining(['daemon', 'conflist', 'rules', 'pods']));
    await deletePods(node, pods);
    expect(await podsOf(node)).toEqual([]);
    expect(await container.stop()).toBe(0);
    expect(existsSync(conflist)).toBe(true);
  });

  it('cannot do without either of its capabilities, and needs no other', async () => {
    for (const add of [['NET_ADMIN'], ['SYS_ADMIN'], []]) {
      const { securityContext } = ipamd ?? pod.containers[0]!;
      const less = { ...ipamd!, securityContext: { ...securityContext, capabilities: { drop: ['ALL'], add } } };
      await using container = start(less, cloudEnv());
      await until(`it fails with ${add.join() || 'none'}`, START_MS, async () => {
        if (container.hasEnded) return true;
        if ((await node.introspect('/v1/status').catch(() => undefined)) === undefined) return false;
        // Without SYS_ADMIN it starts, and cannot enter the namespace of a pod.
        const sandbox = await node.createSandbox(`less${add.length}`);
        const outcome = await node.cni('ADD', sandbox, { deadlineMs: 5000 });
        await node.removeSandbox(sandbox);
        return !outcome.ok;
      });
    }
  });

  it('holds what it needs and no shell', () => {
    const rootfs = join(directory, 'rootfs');
    expect(readdirSync(join(rootfs, 'usr/bin')).toSorted()).toEqual([
      'ipamd',
      'node',
      'wellspring-install',
      'wellspring-subnets',
      'wellspringctl',
    ]);
    expect(existsSync(join(rootfs, 'bin/sh'))).toBe(false);
  });
});

/** As a runtime would: the layers over each other; the configuration from the manifest of the archive. */
async function unpack(path: string, directory: string): Promise<ImageConfig> {
  const [layout, rootfs] = ['layout', 'rootfs'].map((name) => join(directory, name)) as [string, string];
  for (const each of [layout, rootfs]) mkdirSync(each);
  await runCommand('tar', ['-xf', path, '-C', layout]);
  const read = (name: string): unknown => JSON.parse(readFileSync(join(layout, name), 'utf8'));
  const [manifest] = read('manifest.json') as readonly [{ Config: string; Layers: readonly string[] }];
  const { config } = read(manifest.Config) as { config: ImageConfig };
  for (const layer of manifest.Layers) await runCommand('tar', ['-xpf', join(layout, layer), '-C', rootfs]);
  rmSync(layout, { recursive: true });
  rmSync(path);
  return config;
}
