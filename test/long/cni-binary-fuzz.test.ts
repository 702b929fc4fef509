import { afterAll, beforeAll, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseRequest } from '#cni/protocol/envelope.ts';
import { FrameDecoder, encodeFrame } from '#cni/protocol/frame.ts';
import { PROTOCOL_VERSION } from '#cni/protocol/messages.ts';
import { execute, listen, makeBench } from '#test/integration/cni-binary-subject.ts';
import type { Bench, Environment } from '#test/integration/cni-binary-subject.ts';

let bench: Bench;
let server: AsyncDisposable;
/** What the daemon answers next, whatever it is asked. */
let answer: Uint8Array = new Uint8Array();

beforeAll(async () => {
  bench = await makeBench();
  server = await listen(`${bench.directory}/fuzz.sock`, (socket) => socket.once('data', () => socket.end(answer)));
}, 300_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await bench?.close();
});

const printable = fc.string({ unit: 'binary', maxLength: 30 }).map((text) => text.replaceAll('\0', '').toWellFormed());
const variable = (...good: readonly string[]): fc.Arbitrary<string | undefined> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...good) },
    { weight: 1, arbitrary: printable },
    fc.constant(undefined),
  );

const environment = fc
  .record({
    CNI_COMMAND: variable('ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'),
    CNI_CONTAINERID: variable('c0ffee'),
    CNI_NETNS: variable('/run/netns/a'),
    CNI_IFNAME: variable('eth0', 'e@:'),
    CNI_ARGS: variable('K8S_POD_NAME=a', 'IgnoreUnknown=1;X=2', ''),
  })
  .map((env) => Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)) as Environment);

function stdinFor(directory: string): fc.Arbitrary<Uint8Array> {
  const good = { cniVersion: '1.1.0', name: 'pods', type: 'x', socketPath: `${directory}/fuzz.sock`, deadlineMs: 5000 };
  // Random text could name a directory that can be made; these cannot.
  const spools = fc.constantFrom<unknown>(`${directory}/spool`, '/proc/absent/spool', 'relative', 5, null);
  const keys = [...Object.keys(good), 'extra'];
  const config = fc
    .tuple(spools, fc.dictionary(fc.constantFrom(...keys), fc.jsonValue(), { maxKeys: 2 }))
    .map(([spoolDirectory, changes]) => Buffer.from(JSON.stringify({ ...good, spoolDirectory, ...changes })));
  const cut = fc.tuple(config, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % bytes.length));
  return fc.oneof(
    { weight: 4, arbitrary: config },
    cut,
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => Buffer.from(text)),
  );
}

const frame = (body: Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.of(0, 0, body.length >> 8, body.length), body]);
const reply = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.uint8Array({ maxLength: 200 }).map(frame),
  fc.json().map((text) => frame(Buffer.from(text))),
);

it('no environment, standard input or answer makes either program do anything but answer, and both answer alike', async () => {
  const call = fc.tuple(environment, stdinFor(bench.directory), reply);
  await fc.assert(
    fc.asyncProperty(call, async ([env, stdin, bytes]) => {
      answer = bytes;
      const [compiled, fallback] = await Promise.all([
        execute(bench.compiled, env, stdin),
        execute(bench.fallback, env, stdin),
      ]);
      expect(compiled).toEqual(fallback);
      expect([0, 1]).toContain(compiled.status);
      expect(compiled.stderr).toBe('');
      // Silence is the specification's success for all but ADD and VERSION.
      if (compiled.stdout === '') expect([compiled.status, env['CNI_COMMAND']]).toEqual([0, 'DEL']);
      else expect(typeof JSON.parse(compiled.stdout)).toBe('object');
    }),
    { numRuns: 120 },
  );
});

it('many at once are served, each with its own answer', async () => {
  const path = `${bench.directory}/many.sock`;
  await using _server = await listen(path, (socket) => {
    const decoder = new FrameDecoder();
    socket.on('data', (chunk: Buffer) => {
      for (const request of decoder.push(chunk).map(parseRequest)) {
        const result = { cniVersion: '1.1.0', who: request.params.env.CNI_CONTAINERID };
        socket.end(encodeFrame({ version: PROTOCOL_VERSION, id: request.id, result }));
      }
    });
  });
  const stdin = JSON.stringify({ cniVersion: '1.1.0', name: 'pods', type: 'x', socketPath: path });
  const names = Array.from({ length: 50 }, (_, index) => `c${index}`);
  const outcomes = await Promise.all(
    names.map((name) =>
      execute(
        bench.compiled,
        { CNI_COMMAND: 'ADD', CNI_CONTAINERID: name, CNI_NETNS: '/x', CNI_IFNAME: 'eth0' },
        stdin,
      ),
    ),
  );
  expect(outcomes.map((outcome) => (JSON.parse(outcome.stdout) as { who: string }).who)).toEqual(names);
});

it('a runtime that kills the program hangs up on the daemon', async () => {
  const path = `${bench.directory}/hang.sock`;
  const { promise, resolve } = Promise.withResolvers<void>();
  const { promise: closed, resolve: sawClose } = Promise.withResolvers<void>();
  await using _server = await listen(path, (socket) => {
    socket.once('data', () => resolve());
    socket.once('close', () => sawClose());
  });
  const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c', CNI_NETNS: '/x', CNI_IFNAME: 'eth0' };
  const child = spawn(bench.compiled, [], { env, stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin.end(JSON.stringify({ cniVersion: '1.1.0', name: 'pods', type: 'x', socketPath: path }));
  await promise;
  child.kill('SIGKILL');
  await once(child, 'exit');
  await closed;
});
