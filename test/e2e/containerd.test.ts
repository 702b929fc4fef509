/** containerd and runc with our conflist and binary: pods made through the CRI on two nodes of the embedded cloud. */
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';

import { runCommand } from '#test/support/command.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { Probe, PROBE_PORT } from '#test/support/probe.ts';
import { until } from '#test/support/until.ts';
import { Bed, type BedNode } from './containerd/bed.ts';
import type { SandboxStatus } from './containerd/cri.ts';
import { describeWithContainers } from './containerd/needs.ts';
import { PAUSE_PORT } from './containerd/pause-image.ts';
import { pings, whoAmI } from './containerd/traffic.ts';

/** More than the nine addresses that the primary ENI of an m5.large has for pods. */
const PODS_PER_NODE = 12;

interface Placed {
  readonly node: BedNode;
  readonly pod: SandboxStatus;
}

let bed: Bed;
let one: BedNode;
let two: BedNode;
let idle: readonly string[];
let sequence = 0;

/** A name that no other test used. */
const fresh = (): string => `pod-${(sequence += 1)}`;
const place = async (node: BedNode): Promise<Placed> => ({ node, pod: await node.runPod(fresh()) });
const remove = ({ node, pod }: Placed): Promise<void> => node.containerd.removePod(pod.id);
const seenFrom = ({ node, pod }: Placed, addresses: readonly string[], timeoutMs?: number) =>
  whoAmI(node.vantage(pod), addresses, timeoutMs);
const kernels = (): Promise<readonly string[]> =>
  Promise.all(bed.nodes.map(({ cluster }) => kernelState(cluster.netns)));

describeWithContainers(['loopback'], 'containerd', () => {
  beforeAll(async () => {
    bed = await Bed.create(['m5.large', 'm5.large']);
    [one, two] = bed.nodes as [BedNode, BedNode];
    idle = await kernels();
  });

  /** Every test leaves nodes that know no pod. */
  afterEach(async () => {
    for (const node of (bed as Bed | undefined)?.nodes ?? []) {
      const sandboxes = await node.containerd.cri.listPodSandboxes();
      await Promise.all(sandboxes.map(({ id }) => node.containerd.removePod(id)));
    }
  });

  afterAll(async () => {
    // Undefined when it could not be made; that failure must be the one that is read.
    expect((await (bed as Bed | undefined)?.end()) ?? []).toEqual([]);
  });

  it('gives every pod a VPC address of its node; all reach all, and are seen with it', async () => {
    const placed = await Promise.all(
      Array.from({ length: 2 * PODS_PER_NODE }, (_, index) => place(index % 2 === 0 ? one : two)),
    );
    const addresses = placed.map(({ pod }) => pod.ip);
    expect(new Set(addresses).size).toBe(2 * PODS_PER_NODE);
    for (const node of bed.nodes)
      await expectKnown(
        node,
        placed.filter((each) => each.node === node),
      );
    for (const from of await perInterface(placed)) {
      expect(await seenFrom(from, addresses)).toEqual(
        Object.fromEntries(addresses.map((address) => [address, from.pod.ip])),
      );
    }
    await Promise.all(placed.map(remove));
    for (const node of bed.nodes) expect(await node.shownPods()).toEqual([]);
  });

  it('succeeds at both DELs that containerd makes, and leaves nothing of the pod', async () => {
    const { node, pod } = await place(one);
    expect(await pings(two.vantage((await place(two)).pod), pod.ip)).toBe(true);
    const before = await deletions(one);
    await node.containerd.cri.stopPodSandbox(pod.id);
    expect(await deletions(one)).toBe(before + 1);
    await node.containerd.cri.removePodSandbox(pod.id);
    expect(await deletions(one)).toBe(before + 2);
    expect(await kernelState(one.cluster.netns)).not.toContain(pod.ip);
  });

  it('publishes the host port that a pod asks for, and limits it, until it goes', async () => {
    const mapping = { protocol: 'UDP', containerPort: PAUSE_PORT, hostPort: PAUSE_PORT } as const;
    const more = { portMappings: [mapping], annotations: { 'kubernetes.io/ingress-bandwidth': '10M' } };
    const pod = await one.runPod(fresh(), undefined, more);
    const peer = await place(two);
    const inNode = (...command: readonly string[]) =>
      runCommand('ip', ['netns', 'exec', one.cluster.netns, ...command]);
    const address = / inet (\S+)\//.exec(await inNode('ip', '-4', '-o', 'addr', 'show', 'eth0'))?.[1] ?? '';
    expect(await seenFrom(peer, [address])).toEqual({ [address]: peer.pod.ip });
    expect(await inNode('tc', 'qdisc', 'show')).toContain('rate 10Mbit');
    await expect(one.runPod(fresh(), undefined, more)).rejects.toThrow(
      /hostPort 7007\/udp .* belongs to pod default\//,
    );
    await remove({ node: one, pod });
    expect(await seenFrom(peer, [address], 500)).toEqual({});
    const next = await one.runPod(fresh(), undefined, more);
    expect(await seenFrom(peer, [address])).toEqual({ [address]: peer.pod.ip });
    await remove({ node: one, pod: next });
  });

  it('makes a pod of the same name again, with the old sandbox removed only afterwards, as kubelet does', async () => {
    const peer = await place(two);
    const name = fresh();
    const first = await one.runPod(name, 'first');
    await one.containerd.cri.stopPodSandbox(first.id);
    const second = await one.runPod(name, 'second');
    await one.containerd.cri.removePodSandbox(first.id);
    expect(second.ip).not.toBe(first.ip);
    expect(await one.shownPods()).toMatchObject([{ name, uid: 'second', address: second.ip, containerId: second.id }]);
    expect(await seenFrom(peer, [second.ip])).toEqual({ [second.ip]: peer.pod.ip });
    expect(await seenFrom(peer, [first.ip], 500)).toEqual({});
  });

  it('carries a connection through kill -9 of ipamd, and makes up for the DELs of the outage', async () => {
    const [here, there, goes] = [await place(one), await place(two), await place(one)];
    await using server = await Probe.start('server', there.node.vantage(there.pod).netnsPath);
    await using client = await Probe.start('client', here.node.vantage(here.pod).netnsPath);
    expect(server.name).toBe('server');
    await client.ask({ op: 'stream-start', to: there.pod.ip, port: PROBE_PORT, everyMs: 20 });
    await one.daemon.stop('SIGKILL');
    await remove(goes);
    expect(await one.containerd.cri.listPodSandboxes()).toMatchObject([{ id: here.pod.id }]);
    expect(await readdir(one.cluster.spoolDirectory)).not.toEqual([]);
    await expect(one.runPod(fresh())).rejects.toThrow(/ipamd/);
    expect(await seenFrom(there, [here.pod.ip])).toEqual({ [here.pod.ip]: there.pod.ip });
    await one.daemon.start();
    expect(await readdir(one.cluster.spoolDirectory)).toEqual([]);
    expect(await one.shownPods()).toMatchObject([{ address: here.pod.ip, containerId: here.pod.id }]);
    const after = await place(one);
    expect(await seenFrom(after, [here.pod.ip, there.pod.ip])).toEqual({
      [here.pod.ip]: after.pod.ip,
      [there.pod.ip]: after.pod.ip,
    });
    const stream = await client.ask({ op: 'stream-stop' });
    expect(stream.error).toBeUndefined();
    expect(stream.sent).toBeGreaterThan(10);
    expect(stream.answered).toBe(stream.sent);
  });

  it('neither loses nor doubles an address when ipamd is killed among ADDs', async () => {
    const names = Array.from({ length: 8 }, fresh);
    const runs = Promise.allSettled(names.map((name) => one.runPod(name)));
    await until('some pods have their address', 10_000, async () => (await one.shownPods()).length >= 2);
    await one.daemon.stop('SIGKILL');
    const settled = await runs;
    const failed = names.filter((_, index) => settled[index]?.status === 'rejected');
    await one.daemon.start();
    const retried = await Promise.all(failed.map((name) => one.runPod(name)));
    const running = [...settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])), ...retried];
    const addresses = running.map(({ ip }) => ip);
    expect(new Set(addresses).size).toBe(names.length);
    expect(new Set((await one.shownPods()).map(({ address }) => address))).toEqual(new Set(addresses));
    const [first] = running as [SandboxStatus];
    expect(Object.keys(await seenFrom({ node: one, pod: first }, addresses)).sort()).toEqual(addresses.sort());
  });

  it('is back at an idle kernel and a free pool when the pods are gone', async () => {
    const placed = await Promise.all(Array.from({ length: PODS_PER_NODE }, () => place(one)));
    await Promise.all(placed.map(remove));
    await until('one ENI each is left, with every address free', 20_000, async () => {
      const pools = await Promise.all(bed.nodes.map(({ cluster }) => cluster.introspect<Status>('/v1/status')));
      return pools.every(({ pool }) => pool.interfaces === 1 && pool.assigned === 0 && pool.cooling === 0);
    });
    let now: readonly string[] = [];
    await until('the kernel is as before the first pod', 5_000, async () => {
      now = await kernels();
      return now.every((state, index) => state === idle[index]);
    }).catch(() => expect(now).toEqual(idle));
  });
});

interface Status {
  readonly pool: { readonly interfaces: number; readonly assigned: number; readonly cooling: number };
}

/** ipamd, containerd and EC2 agree about these pods: names from CNI_ARGS, address, sandbox, and the ENI that holds it. */
async function expectKnown(node: BedNode, placed: readonly Placed[]): Promise<void> {
  const shown = await node.shownPods();
  const known = shown.map(({ namespace, name, uid, address, containerId }) => ({
    namespace,
    name,
    uid,
    address,
    containerId,
  }));
  const wanted = placed.map(({ pod: { name, ip, id } }) => ({
    namespace: 'default',
    name,
    uid: `uid-of-${name}`,
    address: ip,
    containerId: id,
  }));
  expect(new Set(known)).toEqual(new Set(wanted));
  expect(new Set(shown.map(({ eni }) => eni)).size).toBeGreaterThan(1);
  for (const { eni, address } of shown) {
    const held = bed.cluster.cloud.region.networkInterfaces().find(({ id }) => id === eni);
    expect(held?.attachment?.instanceId).toBe(node.cluster.instanceId);
    expect(held?.secondaryAddresses).toContain(address);
  }
}

/** One of the pods for each ENI that pods use. */
async function perInterface(placed: readonly Placed[]): Promise<readonly Placed[]> {
  const shown = (await Promise.all(bed.nodes.map((node) => node.shownPods()))).flat();
  const chosen = new Map(shown.map(({ eni, address }) => [eni, placed.find(({ pod }) => pod.ip === address)]));
  return [...chosen.values()].filter((each) => each !== undefined);
}

/** awscni_del_ip_req_count as scraped. */
async function deletions(node: BedNode): Promise<number> {
  const text = await scrape(join(node.cluster.directory, 'metrics.sock'));
  return Number(/^awscni_del_ip_req_count\{.*\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

function scrape(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: '/metrics', timeout: 30_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve(body));
    });
    call.on('timeout', () => call.destroy(new Error('no answer')));
    call.on('error', reject);
    call.end();
  });
}
