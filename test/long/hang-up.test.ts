/** The daemon's socket under clients that vanish, say nothing, or talk nonsense; and a second daemon on it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FrameDecoder, frameText } from '#cni/protocol/frame.ts';
import { MAX_FRAME_BYTES, PROTOCOL_VERSION, type ResponseEnvelope } from '#cni/protocol/messages.ts';
import { addPod, type AddedPod, addressIn, deletePods, podsOf, poolOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import { run } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';
import { bareEnvironment } from '#test/support/bare-environment.ts';

let cluster: Cluster;
let node: ClusterNode;

/** What comes back for these bytes until the daemon closes; undefined where it says nothing within the time. */
function say(bytes: Uint8Array, patienceMs = 30_000): Promise<ResponseEnvelope | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(node.socketPath);
    const decoder = new FrameDecoder();
    const done = (answer?: ResponseEnvelope) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(done, patienceMs);
    socket.on('data', (chunk: Buffer) => {
      const [answer] = decoder.push(chunk);
      if (answer !== undefined) done(answer as ResponseEnvelope);
    });
    socket.on('close', () => done());
    // The daemon may close while we still write; that it cannot be reached at all is another matter.
    socket.on('error', (error: NodeJS.ErrnoException) => (error.syscall === 'connect' ? reject(error) : done()));
    socket.write(bytes);
  });
}

const sayText = (text: string) => say(frameText(text));
const request = (change: object = {}) =>
  JSON.stringify({
    version: PROTOCOL_VERSION,
    method: 'Version',
    id: 'test',
    deadlineMs: 30_000,
    params: { env: {}, stdin: '{}' },
    ...change,
  });
const alive = async () =>
  expect(await sayText(request())).toMatchObject({
    id: 'test',
    result: { supportedVersions: expect.arrayContaining(['1.0.0']) },
  });

/** The binary with an ADD that can be killed. */
function startAdd(pod: TestPod): ChildProcess {
  const { binary, conflist, env } = node.cniCall('ADD', pod);
  const { cniVersion, name, plugins } = conflist as { cniVersion: string; name: string; plugins: readonly object[] };
  const child = spawn(binary, [], { env, stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin.end(JSON.stringify({ ...plugins[0], cniVersion, name }));
  return child;
}

describeWith(['root', 'ip', 'nft'], 'the socket', () => {
  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['t3.nano'] });
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('cancels the ADD of a binary that was killed: the address goes to the next in line', async () => {
    const full = [await addPod(node, 'h1'), await addPod(node, 'h2')];
    const killed = startAdd(await node.createSandbox('h3'));
    try {
      await until('the ADD waits', 5000, async () => (await poolOf(node)).waiting === 1);
      const next = await node.createSandbox('h4');
      const served = node.cni('ADD', next, { deadlineMs: 60_000 });
      await until('two ADDs wait', 5000, async () => (await poolOf(node)).waiting === 2);
      killed.kill('SIGKILL');
      await until('one gave up', 2000, async () => (await poolOf(node)).waiting === 1);
      await deletePods(node, full.slice(0, 1));
      const { ok, document } = await served;
      expect({ ok, address: addressIn(document) }).toEqual({ ok: true, address: full[0]?.address });
      expect((await podsOf(node)).map(({ name }) => name).sort()).toEqual(['h2', 'h4']);
      await node.cni('DEL', next);
      await deletePods(node, full.slice(1));
    } finally {
      killed.kill('SIGKILL');
    }
  });

  it('undoes an ADD whose client vanishes at any moment', async () => {
    const pods = await Promise.all(Array.from({ length: 8 }, (_, index) => node.createSandbox(`v${index}`)));
    for (const [index, pod] of pods.entries()) {
      const child = startAdd(pod);
      const gone = new Promise((resolve) => child.once('exit', resolve));
      setTimeout(() => child.kill('SIGKILL'), index);
      await gone;
      // The runtime deletes what it did not get.
      expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
    }
    expect(await podsOf(node)).toEqual([]);
    const { waiting, assigned } = await poolOf(node);
    expect({ waiting, assigned }).toEqual({ waiting: 0, assigned: 0 });
  });

  it('lets a silent client go, while others are served', async () => {
    const silent = connect(node.socketPath);
    const closed = new Promise<void>((resolve) => silent.once('close', () => resolve()));
    silent.on('error', () => undefined);
    silent.write(Buffer.from([0, 0]));
    await alive();
    await closed;
  });

  it('lets a client go that sends its request a byte at a time without end', async () => {
    const slow: Socket = connect(node.socketPath);
    slow.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => slow.once('close', () => resolve()));
    slow.write(Buffer.from([0, 1, 0, 0]));
    const drip = setInterval(() => slow.write('x'), 500);
    await closed.finally(() => clearInterval(drip));
  });

  it.each([
    ['no JSON', '{', { code: 11 }],
    ['no object', '[]', { code: 11 }],
    ['an unknown method', request({ method: 'Reboot' }), { code: 11, msg: expect.stringContaining('Reboot') }],
    ['another protocol', request({ version: '9.0' }), { code: 104, msg: expect.stringContaining('9.0') }],
    ['no deadline', request({ deadlineMs: -1 }), { code: 11 }],
    ['a deadline too far', request({ deadlineMs: 1e300 }), { code: 11 }],
    ['stdin that is no text', request({ params: { env: {}, stdin: 5 } }), { code: 11 }],
    ['an environment that is no text', request({ params: { env: { CNI_COMMAND: {} }, stdin: '' } }), { code: 11 }],
    ['no container', request({ method: 'Add', params: { env: { CNI_IFNAME: 'eth0' }, stdin: '{}' } }), { code: 4 }],
    [
      'a container id with a path in it',
      request({ method: 'Del', params: { env: { CNI_CONTAINERID: '../../etc', CNI_IFNAME: 'eth0' }, stdin: '{}' } }),
      { code: 4 },
    ],
    ['a prototype as method', request({ method: '__proto__' }), { code: 11 }],
  ])('answers %s with an error', async (_, text, error) => {
    expect(await sayText(text)).toMatchObject({ error });
    await alive();
  });

  it('answers a frame that is too large, and an id that would make the answer too large', async () => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(MAX_FRAME_BYTES + 1);
    expect(await say(header)).toMatchObject({ error: { msg: expect.stringContaining('exceeds the limit') } });
    const id = 'x'.repeat(MAX_FRAME_BYTES - '{"id":""}'.length);
    expect(await sayText(JSON.stringify({ id }))).toMatchObject({ error: { code: 11 } });
    const mapping = { hostPort: 1, containerPort: 1 };
    const portMappings = Array.from({ length: 18_000 }, () => mapping);
    const stdin = JSON.stringify({ cniVersion: '1.0.0', name: 'n', type: 't', runtimeConfig: { portMappings } });
    const env = { CNI_CONTAINERID: 'big', CNI_IFNAME: 'eth0', CNI_NETNS: '/run/netns/none' };
    const answer = await sayText(request({ method: 'Add', params: { env, stdin } }));
    expect(answer).toMatchObject({ error: { code: expect.any(Number) } });
    await alive();
  });

  it('survives random bytes and random envelopes', async () => {
    const pid = node.daemonPid;
    const field = fc.oneof(
      fc.json(),
      fc.constantFrom(
        '"1.0"',
        '"Add"',
        '"Del"',
        '"Gc"',
        '"Check"',
        '"id"',
        '1000',
        '{"env":{"CNI_CONTAINERID":"a","CNI_IFNAME":"b","CNI_NETNS":"/c"},"stdin":"{}"}',
      ),
    );
    const envelope = fc
      .record({ version: field, method: field, id: field, deadlineMs: field, params: field })
      .map((fields) =>
        frameText(
          `{${Object.entries(fields)
            .map(([key, value]) => `"${key}":${value}`)
            .join()}}`,
        ),
      );
    const rubbish = fc.uint8Array({ maxLength: 300 });
    const framedRubbish = rubbish.map((bytes) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length % 256]), bytes]));
    await fc.assert(
      fc.asyncProperty(fc.oneof(envelope, rubbish, framedRubbish), async (bytes) => {
        // A frame that is not whole has no answer yet; what matters is that the daemon lives.
        const answer = await say(bytes, 100);
        if (answer !== undefined && !('result' in answer)) expect(answer.error.code).toBeGreaterThan(0);
      }),
      { numRuns: 150, seed: 42, endOnFailure: true },
    );
    await alive();
    expect(node.daemonPid).toBe(pid);
    expect(await podsOf(node)).toEqual([]);
  });

  it('survives hundreds of connections at once', async () => {
    const answers = await Promise.all(Array.from({ length: 300 }, () => sayText(request())));
    expect(answers.filter((answer) => answer === undefined)).toEqual([]);
  });
});

describeWith(['root', 'ip', 'nft'], 'a second daemon', () => {
  let pods: readonly AddedPod[] = [];
  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['m5.large'] });
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    pods = [await addPod(node, 's1')];
  });
  afterEach(() => deletePods(node, pods));

  it('refuses to start, says why, and has touched nothing of the first', async () => {
    const { code, stderr, stdout } = await run(
      'nsenter',
      [`--net=${node.netnsPath}`, process.execPath, '--no-warnings', 'ipamd/main.ts'],
      {
        env: { ...bareEnvironment(), ...node.daemonEnv },
        timeoutMs: 60_000,
      },
    );
    expect({ code, said: stderr + stdout }).toEqual({
      code: 1,
      said: expect.stringContaining(`another daemon serves ${node.socketPath}`),
    });
    // The journal that the first one writes to is still the one that its successor reads.
    pods = [...pods, await addPod(node, 's2')];
    await node.stopDaemon('SIGKILL');
    await node.startDaemon();
    expect((await podsOf(node)).map(({ name, address }) => ({ name, address }))).toEqual(
      pods.map(({ pod, address }) => ({ name: pod.name, address })),
    );
  });
});
