/** Limits of pods: what the kernel was told, in words of `tc`, and what real traffic makes of it. Orders are asserted, not figures. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from '@jest/globals';
import type { Bandwidth } from '#cni/spec/runtime-config.ts';
import type { PodAttachment } from '#ipamd/datapath/datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { PRIMARY_ADDRESS } from './support/datapath-node.ts';

const MEGABIT = 1_000_000;
const none: Bandwidth = {
  ingressRate: undefined,
  ingressBurst: undefined,
  egressRate: undefined,
  egressBurst: undefined,
};
const ingress = (rate: number, burst = 160_000): Bandwidth => ({ ...none, ingressRate: rate, ingressBurst: burst });
const egress = (rate: number, burst = 160_000): Bandwidth => ({ ...none, egressRate: rate, egressBurst: burst });

/** Sinks all that a connection brings; says how many bytes a second came after the first ones, within 1 MB or 800 ms. */
const SINK = `
  require('node:net').createServer((socket) => {
    let first, bytes = 0;
    const done = () => { socket.destroy(); };
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      first ??= performance.now();
      bytes += chunk.length;
      const took = performance.now() - first;
      if (bytes < 1e6 && took < 800) return;
      console.log(Math.round(bytes / (took / 1000)));
      done();
    });
  }).listen(7000, () => console.log('ready'));`;
const SOURCE = `
  const socket = require('node:net').connect({ host: process.argv[1], port: 7000 });
  const piece = Buffer.alloc(16384);
  const more = () => { while (socket.write(piece)); };
  socket.on('connect', more).on('drain', more).on('error', () => process.exit()).on('close', () => process.exit());
  setTimeout(() => process.exit(), 60_000);`;

describeWith(['root', 'ip', 'nft'], 'datapath: bandwidth', () => {
  const fixture = new DatapathFixture();

  async function limited(short: string, address: string, bandwidth?: Bandwidth): Promise<PodAttachment> {
    fixture.node.addNamespace(short);
    const pod = { ...fixture.attachment(short, address), ...(bandwidth && { bandwidth }) };
    await fixture.datapath.addPod(pod);
    return pod;
  }

  /** Bits a second that TCP brings from one namespace to another. */
  async function throughput(from: string, to: string, address: string): Promise<number> {
    const sink = spawn('ip', ['netns', 'exec', fixture.node.name(to), process.execPath, '-e', SINK], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(sink.stdout, 'data');
      const said = once(sink.stdout, 'data');
      execFileSync('ip', ['netns', 'exec', fixture.node.name(from), process.execPath, '-e', SOURCE, address]);
      return 8 * Number(String((await said)[0]));
    } finally {
      sink.kill('SIGKILL');
    }
  }

  /** The same where there is no limit: one measurement above it proves that, however many a busy machine spoilt. */
  async function freely(from: string, to: string, address: string): Promise<number> {
    let best = 0;
    for (let tries = 0; tries < 5 && best <= 14 * MEGABIT; tries += 1)
      best = Math.max(best, await throughput(from, to, address));
    return best;
  }

  const tc = (where: string, link: string): string =>
    fixture.node.exec(where, 'tc', 'qdisc', 'show', 'dev', link).trim();

  it('are token buckets on both ends of the link, and none without a limit', async () => {
    await fixture.setUp();
    const both = { ...ingress(8 * MEGABIT), ...egressOf(16 * MEGABIT) };
    const pod = await limited('a', '10.0.0.21', both);
    expect(tc('node', pod.hostIfName)).toMatch(/^qdisc tbf \w+: root refcnt 2 rate 8Mbit burst 20000b lat/);
    expect(tc('a', 'eth0')).toMatch(/^qdisc tbf \w+: root refcnt 2 rate 16Mbit burst 20000b lat/);
    const free = await limited('b', '10.0.0.22');
    expect(tc('node', free.hostIfName)).toMatch(/^qdisc noqueue/);
    expect(tc('b', 'eth0')).toMatch(/^qdisc noqueue/);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    // As containerd asks for it: any burst, and above what a u32 of bits a second holds.
    const large = await limited('c', '10.0.0.23', { ...ingress(100_000, 4_294_967_295), ...egressOf(48e9, 8e6) });
    expect(await fixture.datapath.checkPod(large)).toEqual([]);
    expect(tc('c', 'eth0')).toMatch(/rate 48Gbit burst 99\d{4}b|rate 48Gbit burst 1000000b|rate 48Gbit burst 1Mb/);
    // A repeated ADD has what it asks for, nothing of before.
    await fixture.datapath.addPod({ ...pod, bandwidth: egress(2 * MEGABIT) });
    expect(tc('node', pod.hostIfName)).toMatch(/^qdisc noqueue/);
    expect(tc('a', 'eth0')).toMatch(/rate 2Mbit/);
  });

  it('that somebody changed or removed are named by CHECK', async () => {
    await fixture.setUp();
    const pod = await limited('a', '10.0.0.21', { ...ingress(8 * MEGABIT), ...egressOf(16 * MEGABIT) });
    fixture.node.exec('node', 'tc', 'qdisc', 'del', 'dev', pod.hostIfName, 'root');
    fixture.node.exec('a', ...'tc qdisc replace dev eth0 root tbf rate 32mbit burst 20000 limit 131072'.split(' '));
    expect(await fixture.datapath.checkPod(pod)).toEqual([
      {
        object: `host link ${pod.hostIfName} ingress limit`,
        expected: 'tbf rate 8000000bit burst 20000b limit 131072b',
        found: 'noqueue',
      },
      {
        object: 'pod link eth0 egress limit',
        expected: 'tbf rate 16000000bit burst 20000b limit 131072b',
        found: 'tbf rate 32000000bit burst 20000b limit 131072b',
      },
    ]);
  });

  it('that the kernel refuses leave nothing of the pod', async () => {
    await fixture.setUp();
    const before = fixture.hostState();
    fixture.node.addNamespace('a');
    const pod = { ...fixture.attachment('a', '10.0.0.21'), bandwidth: egress(8 * MEGABIT, 0) };
    await expect(fixture.datapath.addPod(pod)).rejects.toMatchObject({ code: 'kernel-refused', errno: 'EINVAL' });
    await fixture.datapath.settled();
    expect(fixture.hostState()).toEqual(before);
    expect(fixture.node.ip('a', '-o link')).not.toContain('eth0');
  });

  it('hold real traffic back in the direction that they are for, and in no other', async () => {
    await fixture.setUp();
    await limited('down', '10.0.0.21', ingress(8 * MEGABIT));
    await limited('up', '10.0.0.22', egress(8 * MEGABIT));
    await limited('free', '10.0.0.23');
    const slow = [await throughput('free', 'down', '10.0.0.21'), await throughput('up', 'free', '10.0.0.23')];
    const fast = [await freely('down', 'free', '10.0.0.23'), await freely('free', 'up', '10.0.0.22')];
    for (const rate of slow) {
      expect(rate).toBeGreaterThan(MEGABIT);
      expect(rate).toBeLessThan(14 * MEGABIT);
    }
    // Above what a limit would let through, however slow the machine.
    for (const rate of fast) expect(rate).toBeGreaterThan(14 * MEGABIT);
    // From the node itself, too.
    expect(await throughput('node', 'down', '10.0.0.21')).toBeLessThan(14 * MEGABIT);
    expect(await throughput('up', 'node', PRIMARY_ADDRESS)).toBeLessThan(14 * MEGABIT);
  });
});

function egressOf(rate: number, burst = 160_000): Pick<Bandwidth, 'egressRate' | 'egressBurst'> {
  return { egressRate: rate, egressBurst: burst };
}
