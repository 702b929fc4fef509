/** Entries of released addresses leave the kernel's connection tracking, and no others do. The conntrack tool is the witness. */
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type Conntrack, conntrackOf } from '#ipamd/datapath/conntrack.ts';
import { runCommand } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';

const NEVER = new AbortController().signal;
const yes = () => true;
let sequence = 0;

describeWith(['root', 'ip', 'conntrack'], 'the connection tracking', () => {
  let netns: string;
  let conntrack: Conntrack;

  beforeEach(async () => {
    netns = `wct${process.pid}-${(sequence += 1)}`;
    await runCommand('ip', ['netns', 'add', netns]);
    conntrack = conntrackOf({ hostNetns: `/run/netns/${netns}` });
  });
  afterEach(() => runCommand('ip', ['netns', 'delete', netns]));

  const tool = (...args: readonly string[]) =>
    runCommand('nsenter', [`--net=/run/netns/${netns}`, 'conntrack', ...args]);
  const insert = (protocol: string, from: string, to: string, port: number, ...more: readonly string[]) =>
    tool('-I', '-p', protocol, '-s', from, '-d', to, '--sport', String(port), '--dport', '53', '-t', '300', ...more);
  const udp = (from: string, to: string, port: number, ...more: readonly string[]) =>
    insert('udp', from, to, port, ...more);
  const listed = async () => (await tool('-L', '-f', 'ipv4')).split('\n').filter((line) => line !== '');
  const ports = async () => (await listed()).map((line) => Number(/sport=(\d+)/.exec(line)?.[1])).sort((a, b) => a - b);

  it('deletes what has the address at either end, as sent or as translated, and counts it', async () => {
    await udp('10.0.0.5', '10.0.0.9', 1001);
    await udp('10.0.0.9', '10.0.0.5', 1002);
    // Reached by a service address: the pod is only in the answer.
    await udp(
      '10.0.0.9',
      '172.20.0.10',
      1003,
      '-r',
      '10.0.0.5',
      '-q',
      '10.0.0.9',
      '--reply-port-src',
      '53',
      '--reply-port-dst',
      '1003',
    );
    // Translated on its way out: the pod is only in what was sent.
    await udp(
      '10.0.0.5',
      '198.51.100.1',
      1004,
      '-r',
      '198.51.100.1',
      '-q',
      '10.0.0.4',
      '--reply-port-src',
      '53',
      '--reply-port-dst',
      '1004',
    );
    await insert('tcp', '10.0.0.5', '10.0.0.9', 1005, '--state', 'ESTABLISHED', '-u', 'ASSURED');
    await udp('10.0.0.50', '10.0.0.9', 2001);
    await udp('10.0.0.6', '10.0.0.7', 2002);
    const counts = await conntrack.sweep(new Set(['10.0.0.5', '10.0.0.8']), yes, NEVER);
    expect(await ports()).toEqual([2001, 2002]);
    expect(counts).toEqual(new Map([['10.0.0.5', 5]]));
    expect(await conntrack.sweep(new Set(['10.0.0.5']), yes, NEVER)).toEqual(new Map());
  });

  it('an entry of an address that a pod has got meanwhile stays, also where its other end is swept', async () => {
    await udp('10.0.0.5', '10.0.0.6', 1001);
    await udp('10.0.0.5', '10.0.0.9', 1002);
    await udp('10.0.0.6', '10.0.0.9', 1003);
    await conntrack.sweep(new Set(['10.0.0.5', '10.0.0.6']), (address) => address === '10.0.0.5', NEVER);
    expect(await ports()).toEqual([1001, 1003]);
  });

  it('leaves other zones and IPv6 as they are, and finds the address in a zone', async () => {
    await udp('10.0.0.5', '10.0.0.9', 1001, '-w', '7');
    await udp('10.0.0.6', '10.0.0.9', 2001, '-w', '7');
    await udp('2001:db8::5', '2001:db8::9', 2002);
    expect(await conntrack.sweep(new Set(['10.0.0.5']), yes, NEVER)).toEqual(new Map([['10.0.0.5', 1]]));
    expect(await ports()).toEqual([2001]);
    expect(await tool('-L', '-f', 'ipv6')).toContain('2001:db8::5');
  });

  it('deletes what has an IPv6 address, together with IPv4 or alone, and leaves its neighbours', async () => {
    const ipv6Ports = async () =>
      [...(await tool('-L', '-f', 'ipv6')).matchAll(/sport=(\d+).*sport=/g)]
        .map(([, port]) => Number(port))
        .sort((a, b) => a - b);
    await udp('2001:db8::5', '2001:db8::9', 1001);
    await udp('2001:db8::9', '2001:db8::5', 1002);
    await udp('2001:db8::6', '2001:db8::9', 2001);
    await udp('10.0.0.5', '10.0.0.9', 1003);
    await udp('10.0.0.6', '10.0.0.9', 2002);
    expect(await conntrack.sweep(new Set(['10.0.0.5', '2001:db8::5']), yes, NEVER)).toEqual(
      new Map([
        ['10.0.0.5', 1],
        ['2001:db8::5', 2],
      ]),
    );
    expect(await ipv6Ports()).toEqual([2001]);
    expect(await ports()).toEqual([2002]);
    expect(await conntrack.sweep(new Set(['2001:db8::6']), yes, NEVER)).toEqual(new Map([['2001:db8::6', 1]]));
    expect(await ipv6Ports()).toEqual([]);
    expect(await ports()).toEqual([2002]);
  });

  it('reads a table of many datagrams to its end, and can be used again after it was cut off', async () => {
    const entry = (index: number) =>
      `-I -p udp -s 10.1.${index >> 8}.${index & 255} -d 10.0.0.9 --sport 9 --dport 53 -t 300`;
    const script = Array.from({ length: 3000 }, (_, index) => entry(index)).join('\n');
    await using directory = await mkdtempDisposable(join(tmpdir(), 'wellspring-conntrack-'));
    await writeFile(join(directory.path, 'entries'), `${script}\n`);
    await tool('-R', join(directory.path, 'entries'));
    expect((await listed()).length).toBe(3000);
    const stopped = AbortSignal.abort(new Error('enough'));
    await expect(conntrack.sweep(new Set(['10.1.0.1']), yes, stopped)).rejects.toThrow('enough');
    const last = await conntrack.sweep(new Set(['10.1.11.183', '10.1.0.0']), yes, NEVER);
    expect(last).toEqual(
      new Map([
        ['10.1.0.0', 1],
        ['10.1.11.183', 1],
      ]),
    );
    expect((await listed()).length).toBe(2998);
  });
});
