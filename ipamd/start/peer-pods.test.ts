import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#cloud/decorate/clock.ts';
import { attachmentKey } from '#warm-pool/ledger.ts';
import { createLog } from '../observe/log.ts';
import { PEER_CHECKPOINT_VERSION, type PeerAllocation } from '../store/peer-checkpoint.ts';
import { replay } from '../store/records.ts';
import { adoptPeerPods, type PeerNode, readPeerCheckpoint, withPeerPods } from './peer-pods.ts';
import { recover } from './recover.ts';

const linkOf = (name: string, prefix = 'eni') =>
  prefix + createHash('sha1').update(`default.${name}`).digest('hex').slice(0, 11);

const allocation = (n: number, changes: Partial<PeerAllocation> = {}): PeerAllocation => ({
  containerId: `c${n}`,
  ifName: 'eth0',
  address: `10.0.0.${n}`,
  namespace: 'default',
  name: `pod-${n}`,
  allocatedAt: 1000,
  ...changes,
});
const LOG = createLog({ level: 'FATAL', destination: 'stderr' });
const CONFIG = {
  coolDownSeconds: 30,
  backingStore: '/var/run/aws-node/ipam.json',
  multiNic: false,
  enableIpv4: true,
  enableIpv6: false,
};
const EMPTY = replay([]);
const nodeWith = (allocations: readonly PeerAllocation[], ...links: readonly string[]): PeerNode => ({
  allocations: () => Promise.resolve(allocations),
  links: () => Promise.resolve(new Set(links)),
});
const read = (state: typeof EMPTY, peer: PeerNode, changes: Partial<typeof CONFIG> = {}) =>
  withPeerPods({ state, peer, config: { ...CONFIG, ...changes }, clock: systemClock, log: LOG });

describe('adoptPeerPods', () => {
  const times = { now: 5000, coolDownMs: 30_000 };

  it('keeps a pod whose link is there, whatever the prefix, and lets the address of the others rest', () => {
    const links = new Set(['lo', 'eth0', linkOf('pod-1'), linkOf('pod-2', 'veth')]);
    const { assignments, coolDowns } = adoptPeerPods([allocation(1), allocation(2), allocation(3)], links, times);
    expect(assignments.map(({ address, hostIfName, plumbedBy }) => [address, hostIfName, plumbedBy])).toEqual([
      ['10.0.0.1', linkOf('pod-1'), 'amazon-vpc-cni'],
      ['10.0.0.2', linkOf('pod-2', 'veth'), 'amazon-vpc-cni'],
    ]);
    expect(coolDowns).toEqual([{ address: '10.0.0.3', until: 35_000 }]);
  });

  it('keeps an entry that does not name its pod: nothing tells whether it runs', () => {
    const { assignments } = adoptPeerPods([allocation(1, { namespace: '', name: '' })], new Set(), times);
    expect(assignments).toMatchObject([{ address: '10.0.0.1', hostIfName: '' }]);
  });
});

describe('withPeerPods', () => {
  const peer = nodeWith([allocation(1), allocation(2)], linkOf('pod-1'));

  it('puts the pods of the peer into the state of a node without a journal', async () => {
    const { state } = await read(EMPTY, peer);
    expect([...state.assignments.values()].map(({ address }) => address)).toEqual(['10.0.0.1']);
    expect([...state.coolDowns.keys()]).toEqual(['10.0.0.2']);
  });

  it('does not look at the checkpoint of a node that has a journal: it is old by then', async () => {
    const started = replay([{ kind: 'start', version: 1, bootId: 'boot', at: 0 }]);
    expect((await read(started, peer)).state).toBe(started);
  });

  it('lets recovery keep them through restarts, while their link is there and the node has not rebooted', async () => {
    const { state } = await read(EMPTY, peer);
    const stored = [...state.assignments.values()].map((assignment) => ({ kind: 'assign', assignment }) as const);
    const journal = replay([...stored, { kind: 'start', version: 1, bootId: 'boot', at: 0 }]);
    const again = (bootId: string, node: PeerNode) =>
      read(journal, node).then((now) =>
        recover({
          journal: now.state,
          bootId,
          kernelPods: [],
          interfaces: [],
          links: now.links,
          now: 0,
          coolDownMs: 1,
        }),
      );
    expect(await again('boot', peer)).toMatchObject({ assignments: [{ address: '10.0.0.1' }], findings: [] });
    expect(await again('boot', nodeWith([]))).toMatchObject({ assignments: [], coolDowns: [{ address: '10.0.0.1' }] });
    expect(await again('other', peer)).toMatchObject({ assignments: [], coolDowns: [{ address: '10.0.0.1' }] });
  });

  it('lets the DEL find them by any network name', async () => {
    const { state } = await read(EMPTY, peer);
    expect(state.assignments.has(attachmentKey({ networkName: '', containerId: 'c1', ifName: 'eth0' }))).toBe(true);
  });

  it('takes IPv6 on a node of IPv6, and refuses a family that pods do not get', async () => {
    const ipv6 = nodeWith([allocation(1, { address: '2001:DB8::0:1' })], linkOf('pod-1'));
    await expect(read(EMPTY, ipv6)).rejects.toMatchObject({ code: 'peer-checkpoint-family' });
    await expect(read(EMPTY, ipv6, { enableIpv6: true })).rejects.toMatchObject({ code: 'peer-checkpoint-family' });
    const { state } = await read(EMPTY, ipv6, { enableIpv4: false, enableIpv6: true });
    expect([...state.assignments.values()].map(({ address }) => address)).toEqual(['2001:db8::1']);
    const ipv4 = read(EMPTY, peer, { enableIpv4: false, enableIpv6: true });
    await expect(ipv4).rejects.toMatchObject({ code: 'peer-checkpoint-family' });
  });

  it('takes further network cards with ENABLE_MULTI_NIC alone, each interface under its own name', async () => {
    const two = nodeWith(
      [allocation(1), allocation(1, { address: '10.0.9.1', networkCardIndex: 2 })],
      linkOf('pod-1'),
      linkOf('pod-1.1'),
    );
    await expect(read(EMPTY, two)).rejects.toMatchObject({ code: 'peer-checkpoint-card' });
    const { state } = await read(EMPTY, two, { multiNic: true });
    const rows = [...state.assignments.values()];
    expect(
      rows.map(({ attachment, address, hostIfName, parent }) => [attachment.ifName, address, hostIfName, parent]),
    ).toEqual([
      ['eth0', '10.0.0.1', linkOf('pod-1'), undefined],
      ['mNicIf1', '10.0.9.1', linkOf('pod-1.1'), 'eth0'],
    ]);
  });

  it('knows a pod whose one address is of a further card by its first interface', async () => {
    const one = nodeWith([allocation(1, { networkCardIndex: 1 })], linkOf('pod-1'));
    const { state } = await read(EMPTY, one, { multiNic: true });
    expect([...state.assignments.values()]).toMatchObject([
      { attachment: { ifName: 'eth0' }, hostIfName: linkOf('pod-1') },
    ]);
  });
});

describe('readPeerCheckpoint', () => {
  let directory: string;
  const write = (name: string, ...allocations: readonly object[]) =>
    writeFile(join(directory, name), JSON.stringify({ version: PEER_CHECKPOINT_VERSION, allocations }));
  const entry = { networkName: 'aws-cni', containerID: 'c1', ifName: 'eth0', ipv4: '10.0.0.9' };
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wellspring-peer-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('finds nothing where there is no file, and no directory', async () => {
    expect(await readPeerCheckpoint(join(directory, 'ipam.json'))).toEqual([]);
    expect(await readPeerCheckpoint(join(directory, 'none', 'ipam.json'))).toEqual([]);
  });

  it('reads the files of further network cards, and nothing that is called otherwise', async () => {
    await write('ipam.json', entry);
    await write('ipam-nic-2.json', { ...entry, ipv4: '10.0.0.10' });
    await writeFile(join(directory, 'ipam-nic-old.json'), 'not one');
    expect(await readPeerCheckpoint(join(directory, 'ipam.json'))).toMatchObject([
      { address: '10.0.0.9' },
      { address: '10.0.0.10', networkCardIndex: 2 },
    ]);
    await writeFile(join(directory, 'ipam-nic-3.json'), 'no JSON');
    await expect(readPeerCheckpoint(join(directory, 'ipam.json'))).rejects.toThrow(/ipam-nic-3\.json.* is no JSON/);
  });

  it('does not take a file that cannot be read for none', async () => {
    await expect(readPeerCheckpoint(directory)).rejects.toThrow(/EISDIR/);
  });
});
