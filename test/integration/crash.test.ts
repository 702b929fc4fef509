/** kill -9 in the middle of everything, and a journal that cannot be written: what was promised holds, nothing is lost. */
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { seededRandom } from '#cloud/emulator/latency.ts';
import { decodeJournal, replay } from '#ipamd/store/records.ts';
import { addPod, addressIn, converged, heldBy, logOf, podsOf, poolOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import { runCommand } from '#test/support/command.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const ROUNDS = 5;
const PODS = 12;
const SEED = Number(process.env['CRASH_SEED'] ?? 7);

let cluster: Cluster;
let node: ClusterNode;

/** What the runtime was told last of a pod. */
type Promised =
  | { readonly kind: 'up'; readonly address: string; readonly result: Record<string, unknown> }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unsure' };

async function oneStep(pod: TestPod, before: Promised): Promise<Promised> {
  if (before.kind === 'gone') {
    const { ok, document } = await node.cni('ADD', pod);
    return ok ? { kind: 'up', address: addressIn(document) ?? '', result: document } : { kind: 'unsure' };
  }
  const { ok } = await node.cni('DEL', pod);
  return ok ? { kind: 'gone' } : { kind: 'unsure' };
}

/** Every pod does as many steps as it can until the daemon is killed. */
async function storm(pods: readonly TestPod[], promised: Map<string, Promised>, killAfterMs: number): Promise<void> {
  let over = false;
  const lives = pods.map(async (pod) => {
    while (!over) promised.set(pod.name, await oneStep(pod, promised.get(pod.name) ?? { kind: 'gone' }));
  });
  await new Promise((resolve) => setTimeout(resolve, killAfterMs));
  over = true;
  await node.stopDaemon('SIGKILL');
  await Promise.all(lives);
}

async function journalOf(): Promise<ReturnType<typeof replay>> {
  return replay(decodeJournal(await readFile(join(node.directory, 'state', 'journal'), 'utf8')).records);
}

/** What the runtime was promised against the daemon, its journal, the kernel and the cloud. */
async function verify(pods: readonly TestPod[], promised: ReadonlyMap<string, Promised>): Promise<void> {
  const shown = await podsOf(node);
  const kernel = await kernelState(node.netns);
  const journal = await journalOf();
  expect(new Set(shown.map(({ address }) => address)).size).toBe(shown.length);
  const held = heldBy(cluster, node).flatMap(({ secondaryAddresses }) => secondaryAddresses);
  expect(held).toEqual(expect.arrayContaining(shown.map(({ address }) => address)));
  for (const pod of pods) {
    const last = promised.get(pod.name);
    const here = shown.find(({ containerId }) => containerId === pod.containerId);
    if (last?.kind === 'up') {
      expect({ pod: pod.name, address: here?.address }).toEqual({ pod: pod.name, address: last.address });
      expect([...journal.assignments.values()].map(({ address }) => address)).toContain(last.address);
      expect(kernel).toContain(`${last.address} dev ${here?.hostIfName}`);
      expect(await node.cni('CHECK', pod, { prevResult: last.result })).toMatchObject({ ok: true });
    }
    if (last?.kind === 'gone') expect({ pod: pod.name, here }).toEqual({ pod: pod.name, here: undefined });
  }
  const routed = kernel.split('\n').flatMap((line) => /^route (10\.0\.\d+\.\d+) dev eni/.exec(line)?.[1] ?? []);
  expect(routed.sort()).toEqual(shown.map(({ address }) => address).sort());
}

describeWith(['root', 'ip', 'nft'], 'a daemon that is killed', () => {
  beforeAll(async () => {
    cluster = await testCluster();
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon();
    await converged(cluster, node);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it(`keeps every promise over ${ROUNDS} rounds of ADD and DEL (seed ${SEED})`, async () => {
    const random = seededRandom(SEED);
    const before = await kernelState(node.netns);
    const pods = await Promise.all(Array.from({ length: PODS }, (_, index) => node.createSandbox(`c${index}`)));
    const promised = new Map<string, Promised>();
    for (let round = 0; round < ROUNDS; round += 1) {
      await storm(pods, promised, 30 + random() * 400);
      await node.startDaemon();
      await verify(pods, promised);
      // What the runtime is not sure of, it deletes.
      for (const pod of pods.filter(({ name }) => promised.get(name)?.kind === 'unsure')) {
        expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
        promised.set(pod.name, { kind: 'gone' });
      }
      await verify(pods, promised);
      await converged(cluster, node);
    }
    for (const pod of pods) expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
    expect(await podsOf(node)).toEqual([]);
    expect((await journalOf()).assignments.size).toBe(0);
    await until('one interface is left', 20_000, () => heldBy(cluster, node).length === 1);
    await converged(cluster, node);
    await until('the kernel is as before', 5000, async () => (await kernelState(node.netns)) === before);
  });

  it('starts with a journal whose tail is torn, and with one that is rubbish: pods are adopted from the kernel', async () => {
    const kept = [await addPod(node, 'j1'), await addPod(node, 'j2')];
    const journal = join(node.directory, 'state', 'journal');
    const stays = async () => {
      expect((await podsOf(node)).map(({ address }) => address).sort()).toEqual(
        kept.map(({ address }) => address).sort(),
      );
      for (const { pod, result } of kept)
        expect(await node.cni('CHECK', pod, { prevResult: result })).toMatchObject({ ok: true });
    };
    await node.stopDaemon('SIGKILL');
    await appendFile(journal, 'deadbeef {"kind":"assign","assig');
    await node.startDaemon();
    await stays();
    await node.stopDaemon('SIGKILL');
    await writeFile(journal, 'no\njournal\n\u0000\u0001\n');
    await node.startDaemon();
    await stays();
    expect(await readdir(join(node.directory, 'state'))).toContainEqual(expect.stringMatching(/^journal\.damaged-/));
    // What is adopted is the same attachment: a repeated ADD does not take a second address.
    const [first] = kept;
    if (first === undefined) throw new Error('no pod');
    expect(addressIn((await node.cni('ADD', first.pod)).document)).toBe(first.address);
    await converged(cluster, node);
    for (const { pod } of kept) expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
    expect(await podsOf(node)).toEqual([]);
  });

  it('GC frees what was adopted from the kernel, too', async () => {
    await addPod(node, 'k1');
    await node.stopDaemon('SIGKILL');
    await node.forgetState();
    await node.startDaemon();
    expect(await podsOf(node)).toHaveLength(1);
    await node.gc([]);
    expect(await podsOf(node)).toEqual([]);
  });
});

describeWith(['root', 'ip', 'nft'], 'a full disk', () => {
  let state: string;
  beforeAll(async () => {
    cluster = await testCluster({ env: { IP_COOLDOWN_PERIOD: '0' } });
    [node] = cluster.nodes as [ClusterNode];
    state = join(node.directory, 'state');
    await mkdir(state, { recursive: true });
    await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', state]);
    await node.startDaemon();
    await converged(cluster, node);
  });
  afterAll(async () => {
    await node?.stopDaemon('SIGKILL');
    await using _cluster = cluster;
    await runCommand('umount', ['-l', state]);
  });
  afterEach(() => rm(join(state, 'ballast'), { force: true }));

  const fill = async () => {
    await runCommand('sh', ['-c', `head -c 65536 /dev/zero > ${join(state, 'ballast')} || true`]);
  };

  it('gives out no address that it cannot write down, loses none, and works again when there is room', async () => {
    const running = await addPod(node, 'd1');
    const journal = join(state, 'journal');
    await fill();
    const refused: TestPod[] = [];
    let tries = 100;
    // The journal's last page still has room for a few records.
    await until('an ADD is refused', 15_000, async () => {
      const pod = await node.createSandbox(`d${(tries += 1)}`);
      const { ok, document } = await node.cni('ADD', pod);
      if (ok) {
        expect((await node.cni('DEL', pod)).ok).toBe(true);
        return false;
      }
      expect(document).toMatchObject({ code: 109, msg: expect.stringContaining(journal) });
      refused.push(pod);
      return true;
    });
    for (let index = 0; index < 12; index += 1) {
      const pod = await node.createSandbox(`e${index}`);
      refused.push(pod);
      expect((await node.cni('ADD', pod)).document).toMatchObject({ code: 109 });
    }
    // Twelve failures on a node with nine addresses an interface: they took none.
    expect((await podsOf(node)).map(({ name }) => name)).toEqual(['d1']);
    expect(await node.cni('CHECK', running.pod, { prevResult: running.result })).toMatchObject({ ok: true });
    for (const pod of refused) expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
    await rm(join(state, 'ballast'));
    const after = await addPod(node, 'd2');
    await node.stopDaemon('SIGKILL');
    await node.startDaemon();
    expect((await podsOf(node)).map(({ address }) => address).sort()).toEqual([running.address, after.address].sort());
    expect((await poolOf(node)).assigned).toBe(2);
    expect(
      (await logOf(node)).filter(({ msg }) => msg === 'journal records could not be read and are left out'),
    ).toEqual([]);
  });

  it('lets pods go while it cannot write, and remembers that when it could not either', async () => {
    const pods = await podsOf(node);
    await fill();
    for (const { name } of pods) {
      const pod = node.knownSandbox(name);
      await until(`${name} is deleted`, 10_000, async () => (await node.cni('DEL', pod)).ok);
    }
    expect(await podsOf(node)).toEqual([]);
    await rm(join(state, 'ballast'));
    await node.stopDaemon('SIGKILL');
    await node.startDaemon();
    expect(await podsOf(node)).toEqual([]);
  });
});
