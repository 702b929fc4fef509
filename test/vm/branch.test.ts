/** Pods with branch ENIs, by packets: who sees whom as whom, and by which way. VLAN links need a kernel that has them. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { DatapathFixture } from '#test/kernel/support/datapath-fixture.ts';
import { FABRIC_IPV6, OUTSIDE_ADDRESS, PRIMARY_ADDRESS, PRIMARY_IPV6 } from '#test/kernel/support/datapath-node.ts';
import { Probe, PROBE_PORT } from '#test/support/probe.ts';
import { addTrunk, branchOf, branchPod, packetsFrom, servePorts, VPC_ADDRESS } from './branch-bed.ts';

const bed = new DatapathFixture();
const [seven, eight] = [branchOf(7), branchOf(8)];
const ORDINARY = '10.0.0.20';
const dual = { family: 'dual', primaryIpv6Address: PRIMARY_IPV6 } as const;
/** The first packets wait for neighbours to be found, on an emulated processor. */
const PATIENCE_MS = 20_000;
/** Neighbours are known by then. */
const IMPATIENCE_MS = 2000;

const probes = new Map<string, Probe>();
afterEach(async () => {
  await Promise.all([...probes.values()].map((probe) => probe[Symbol.asyncDispose]()));
  probes.clear();
});

/** Servers, and clients, in namespaces of the bed. */
async function people(...names: readonly string[]): Promise<void> {
  // One after the other: on an emulated processor, starting Node takes seconds.
  for (const name of names) probes.set(name, await Probe.start(name, bed.node.path(name)));
}

/** Who `to` says that it saw; undefined where there was no answer. */
async function seen(client: string, to: string, from?: string): Promise<string | undefined> {
  const timeoutMs = from === undefined ? PATIENCE_MS : IMPATIENCE_MS;
  const source = from === undefined ? {} : { from };
  const answer = await probes.get(client)?.ask({ op: 'udp', to, port: PROBE_PORT, timeoutMs, ...source });
  return answer?.seenFrom;
}

type Way = readonly [string | undefined, 'VPC' | 'node'];

/** The same, and whether it came out of the branch ENI with VLAN 7. */
function way(client: string, to: string, from?: string): Promise<Way> {
  return withWay(() => seen(client, to, from));
}

async function withWay(ask: () => Promise<string | undefined>): Promise<Way> {
  const before = packetsFrom(bed.node, seven);
  const who = await ask();
  return [who, packetsFrom(bed.node, seven) > before ? 'VPC' : 'node'];
}

/** Without what nftables has counted. */
function hostState(): readonly string[] {
  return bed
    .hostState()
    .map((line) => line.replace(/ packets \d+ bytes \d+/, ''))
    .toSorted();
}

/** A node with a trunk that is set up; what it holds then is where teardown must lead back to. */
async function trunkNode(branchMode: 'strict' | 'standard'): Promise<readonly string[]> {
  addTrunk(bed.node, [seven, eight]);
  await bed.setUp({ ...dual, branchMode });
  bed.node.ip('node', 'link set eth2 up');
  return hostState();
}

/** NodePorts that lead to the VPC, to an ordinary pod, and to the branch pod with VLAN 8. */
const PORT = { vpc: 30_001, plain: 30_002, branch: 30_003 };

async function nodePorts(mode: 'strict' | 'standard'): Promise<void> {
  await trunkNode(mode);
  await bed.datapath.addPod(branchPod(bed.node, 'one', seven, mode));
  await bed.datapath.addPod(branchPod(bed.node, 'two', eight, mode));
  await bed.addPod('plain', ORDINARY);
  const port = `:${PROBE_PORT}`;
  const { vpc, plain, branch } = PORT;
  servePorts(bed.node, { [vpc]: VPC_ADDRESS + port, [plain]: ORDINARY + port, [branch]: eight.ipv4 + port });
  await people('one', 'two', 'plain', 'fabric');
}

/** By TCP, whose answers must come from where it was sent to: for each NodePort who the backend saw, and by which way. */
async function byNodePorts(client: string): Promise<readonly Way[]> {
  const ways: Way[] = [];
  for (const port of Object.values(PORT)) {
    const command = { op: 'tcp', to: PRIMARY_ADDRESS, port, timeoutMs: PATIENCE_MS } as const;
    ways.push(await withWay(async () => (await probes.get(client)?.ask(command))?.seenFrom));
  }
  return ways;
}

const three = <T>(one: T): readonly T[] => [one, one, one];

describe('strict mode', () => {
  it('asks NodePorts of its own node with its own address, and by the VPC alone', async () => {
    await nodePorts('strict');
    expect(await byNodePorts('one')).toEqual(three([seven.ipv4, 'VPC']));
    expect(await byNodePorts('plain')).toEqual(three([PRIMARY_ADDRESS, 'node']));
  });

  it('leads everything over the VPC, both families, and leaves nothing behind', async () => {
    const { node } = bed;
    const kernelRules = [node.ip('node', 'rule'), node.ip('node', '-6 rule')];
    const empty = await trunkNode('strict');
    const [one, two] = [branchPod(node, 'one', seven, 'strict'), branchPod(node, 'two', eight, 'strict')];
    await bed.datapath.addPod(one);
    await bed.datapath.addPod(two);
    const plain = await bed.addPod('plain', ORDINARY);
    await people('one', 'two', 'plain', 'outside', 'fabric', 'node');

    // Outside: with its own address, never with the node's.
    expect(await way('one', OUTSIDE_ADDRESS)).toEqual([seven.ipv4, 'VPC']);
    // Neighbours on the node, strict and ordinary, and back.
    expect(await way('one', eight.ipv4)).toEqual([seven.ipv4, 'VPC']);
    expect(await way('one', ORDINARY)).toEqual([seven.ipv4, 'VPC']);
    expect(await way('plain', seven.ipv4)).toEqual([ORDINARY, 'VPC']);
    // The node itself, both ways.
    expect(await way('one', PRIMARY_ADDRESS)).toEqual([seven.ipv4, 'VPC']);
    expect(await way('node', seven.ipv4)).toEqual([PRIMARY_ADDRESS, 'VPC']);
    expect(await way('one', FABRIC_IPV6)).toEqual([seven.ipv6, 'VPC']);
    expect(await way('one', eight.ipv6)).toEqual([seven.ipv6, 'VPC']);
    expect(await way('node', seven.ipv6)).toEqual([PRIMARY_IPV6, 'VPC']);
    expect(await bed.datapath.checkPod(one)).toEqual([]);

    // Another's address is dropped by the node, not by the VPC.
    node.ip('one', `addr add ${eight.ipv4}/32 dev eth0`);
    node.ip('one', `addr add ${eight.ipv6}/128 dev eth0 nodad`);
    expect(await way('one', VPC_ADDRESS, eight.ipv4)).toEqual([undefined, 'node']);
    expect(await way('one', FABRIC_IPV6, eight.ipv6)).toEqual([undefined, 'node']);

    // A restart finds all of it and changes nothing.
    const running = hostState();
    await bed.open();
    await bed.setUp({ ...dual, branchMode: 'strict' });
    expect(hostState()).toEqual(running);
    expect((await bed.datapath.listPods()).map(({ key }) => key)).toEqual(['plain-sandbox/eth0']);
    expect(await bed.datapath.listBranchPods?.()).toMatchObject([
      { key: 'one-sandbox/eth0', mode: 'strict', vlanId: 7, mac: seven.mac, addresses: [seven.ipv4, seven.ipv6] },
      { key: 'two-sandbox/eth0', mode: 'strict', vlanId: 8, mac: eight.mac, addresses: [eight.ipv4, eight.ipv6] },
    ]);
    expect(await way('one', OUTSIDE_ADDRESS)).toEqual([seven.ipv4, 'VPC']);

    await bed.deletePod(one);
    expect(await seen('two', OUTSIDE_ADDRESS)).toBe(eight.ipv4);
    // The namespace first, as runtimes do after a crash.
    await probes.get('two')?.[Symbol.asyncDispose]();
    node.removeNamespace('two');
    await bed.deletePod(two);
    await bed.deletePod(two);
    await bed.deletePod(plain);
    expect(hostState()).toEqual(empty);
    await bed.datapath.cleanUp();
    expect([node.ip('node', 'rule'), node.ip('node', '-6 rule')]).toEqual(kernelRules);
  });

  it('names each damage, and a number that passes to another pod is its own', async () => {
    const { node } = bed;
    await trunkNode('strict');
    const old = branchPod(node, 'old', seven, 'strict', [seven.ipv4]);
    await bed.datapath.addPod(old);
    const damaged = async (args: string) => {
      node.ip('node', args);
      return (await bed.datapath.checkPod(old)).map(({ object, found }) => `${object}: ${found}`);
    };
    expect(await damaged('rule del iif vlan.eth.7')).toEqual([expect.stringContaining('rule')]);
    expect(await damaged('route flush table 107')).toHaveLength(4);
    expect(await damaged('link del vlan.eth.7')).toContain('branch link vlan.eth.7: missing');
    await bed.datapath.addPod(old);
    expect(await bed.datapath.checkPod(old)).toEqual([]);

    const next = branchPod(node, 'next', seven, 'strict', ['10.0.7.21']);
    node.ip('fabric', `neigh add 10.0.7.21 lladdr ${seven.mac} dev t0.7 nud permanent`);
    await bed.datapath.addPod(next);
    await bed.deletePod(old);
    expect(await bed.datapath.checkPod(next)).toEqual([]);
    await people('fabric', 'next');
    expect(await seen('next', VPC_ADDRESS)).toBe('10.0.7.21');
  });
});

describe('standard mode', () => {
  it('asks NodePorts of its own node, as the node', async () => {
    await nodePorts('standard');
    expect(await byNodePorts('one')).toEqual(three([PRIMARY_ADDRESS, 'node']));
    expect(await byNodePorts('plain')).toEqual(three([PRIMARY_ADDRESS, 'node']));
  });

  it('is an ordinary pod on the node and its own ENI in the VPC', async () => {
    const { node } = bed;
    const kernelRule = node.ip('node', 'rule').split('\n')[0];
    const empty = await trunkNode('standard');
    expect(node.ip('node', 'rule').split('\n')[0]).toBe(kernelRule);
    const pod = branchPod(node, 'one', seven, 'standard');
    await bed.datapath.addPod(pod);
    const plain = await bed.addPod('plain', ORDINARY);
    await people('one', 'plain', 'outside', 'fabric', 'node');

    // Outside: as the node, by the primary ENI. In the VPC: as itself, by its own.
    expect(await way('one', OUTSIDE_ADDRESS)).toEqual([PRIMARY_ADDRESS, 'node']);
    expect(await way('one', VPC_ADDRESS)).toEqual([seven.ipv4, 'VPC']);
    expect(await way('one', FABRIC_IPV6)).toEqual([seven.ipv6, 'VPC']);
    expect(await seen('fabric', seven.ipv4)).toBe('10.0.7.1');
    // On the node: directly.
    expect(await way('one', ORDINARY)).toEqual([seven.ipv4, 'node']);
    expect(await way('plain', seven.ipv4)).toEqual([ORDINARY, 'node']);
    expect(await way('node', seven.ipv4)).toEqual([PRIMARY_ADDRESS, 'node']);
    node.ip('one', `addr add ${eight.ipv4}/32 dev eth0`);
    expect(await way('one', VPC_ADDRESS, eight.ipv4)).toEqual([undefined, 'node']);
    expect(await bed.datapath.checkPod(pod)).toEqual([]);

    await bed.open();
    await bed.setUp({ ...dual, branchMode: 'standard' });
    expect(await bed.datapath.listBranchPods?.()).toMatchObject([
      { key: 'one-sandbox/eth0', mode: 'standard', vlanId: 7, addresses: [seven.ipv4, seven.ipv6] },
    ]);
    await bed.deletePod(pod);
    await bed.deletePod(plain);
    expect(hostState()).toEqual(empty);
  });
});
