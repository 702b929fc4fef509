import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { FrameDecoder, encodeFrame, frameText } from '#cni/protocol/frame.ts';
import { parseRequest } from '#cni/protocol/envelope.ts';
import { MAX_FRAME_BYTES, PROTOCOL_VERSION } from '#cni/protocol/messages.ts';
import type { RequestEnvelope } from '#cni/protocol/messages.ts';
import { parseSpooled } from '#cni/protocol/spool.ts';
import { MAX_STDIN_BYTES } from '#cni/spec/config.ts';
import { buildCniBinary } from '#tools/build-cni.ts';
import { execute, listen, makeBench } from './cni-binary-subject.ts';
import type { Bench, Environment, Outcome } from './cni-binary-subject.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await makeBench();
}, 300_000);
afterAll(async () => {
  await bench?.close();
});

const ADD: Environment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c0ffee',
  CNI_NETNS: '/run/netns/x',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: 'K8S_POD_NAME=web-0;IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_NEW=1',
  CNI_PATH: '/opt/cni/bin',
};

function call(command: string): Environment {
  return { ...ADD, CNI_COMMAND: command };
}

let sequence = 0;
/** A fresh path below the bench's directory: tests do not see each other's files. */
function fresh(name: string): string {
  sequence += 1;
  return join(bench.directory, `${sequence}-${name}`);
}

function config(changes: object = {}): string {
  const paths = { socketPath: join(bench.directory, 'absent.sock'), spoolDirectory: join(bench.directory, 'spool') };
  return JSON.stringify({ cniVersion: '1.1.0', name: 'pods', type: 'wellspring-cni', ...paths, ...changes });
}

interface ErrorDocument {
  readonly cniVersion: string;
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

/** The error document of a call that failed as the specification wants it: status 1, one document, nothing else. */
function errorOf(outcome: Outcome): ErrorDocument {
  expect({ status: outcome.status, stderr: outcome.stderr }).toEqual({ status: 1, stderr: '' });
  const document = JSON.parse(outcome.stdout) as ErrorDocument;
  expect(outcome.stdout).toBe(`${JSON.stringify(document, null, 2)}\n`);
  expect(document.msg).not.toBe('');
  return document;
}

function answer(reply: (request: RequestEnvelope) => object): (socket: Socket) => void {
  const decoder = new FrameDecoder();
  return (socket) =>
    socket.on('data', (chunk: Buffer) => {
      for (const value of decoder.push(chunk)) {
        const request = parseRequest(value);
        socket.end(encodeFrame({ version: PROTOCOL_VERSION, id: request.id, ...reply(request) }));
      }
    });
}

describe.each(['compiled', 'fallback'] as const)('the %s CNI program', (form) => {
  const run = (env: Environment, stdin: string | Uint8Array): Promise<Outcome> => execute(bench[form], env, stdin);

  it('answers VERSION alone, whatever standard input holds', async () => {
    const expected = (cniVersion: string): string =>
      `${JSON.stringify({ cniVersion, supportedVersions: ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] }, null, 2)}\n`;
    const plain = await run({ CNI_COMMAND: 'VERSION' }, '{"cniVersion":"0.4.0"}');
    expect(plain).toEqual({ status: 0, signal: null, stdout: expected('0.4.0'), stderr: '' });
    expect((await run({ CNI_COMMAND: 'VERSION' }, '')).stdout).toBe(expected('1.1.0'));
    expect((await run({ CNI_COMMAND: 'VERSION' }, 'nonsense')).stdout).toBe(expected('1.1.0'));
  });

  describe('refuses before it asks anybody', () => {
    it.each([
      ['no environment', {}, '{}', 4, /CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME/],
      [
        'all missing names at once',
        { CNI_COMMAND: 'ADD', CNI_IFNAME: '' },
        '{}',
        4,
        /CONTAINERID, CNI_NETNS, CNI_IFNAME/,
      ],
      ['an unknown command', { ...ADD, CNI_COMMAND: 'UPDATE' }, '{}', 4, /"UPDATE".*ADD, DEL/],
      ['a container id that is a path', { ...ADD, CNI_CONTAINERID: '../x' }, '{}', 4, /CNI_CONTAINERID "\.\.\/x"/],
      ['a long interface name', { ...ADD, CNI_IFNAME: 'sixteen-letters-' }, '{}', 4, /CNI_IFNAME/],
      ['unknown args', { ...ADD, CNI_ARGS: 'FOO=1' }, '{}', 4, /"FOO".*IgnoreUnknown/],
      ['args that are no pairs', { ...ADD, CNI_ARGS: 'FOO' }, '{}', 4, /"FOO"/],
      ['empty stdin', ADD, '', 6, /empty/],
      ['stdin that is not JSON', ADD, '{"cniVersion":', 6, /not JSON; it begins/],
      ['a list', ADD, '[]', 6, /must be a JSON object/],
      ['bytes that are not UTF-8', ADD, new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]), 6, /UTF-8/],
      ['deep nesting', ADD, `{"a":${'['.repeat(100_000)}`, 6, /nested deeper/],
      ['too much of it', ADD, ' '.repeat(MAX_STDIN_BYTES + 1), 7, /exceeds/],
      ['no version', ADD, '{"name":"x","type":"y"}', 1, /missing.*0\.3\.1, 0\.4\.0, 1\.0\.0, 1\.1\.0/],
      ['an old version', ADD, '{"cniVersion":"0.2.0","name":"x","type":"y"}', 1, /"0\.2\.0"/],
      ['STATUS before 1.1.0', call('STATUS'), '{"cniVersion":"1.0.0","name":"x","type":"y"}', 1, /STATUS/],
      ['no name', ADD, '{"cniVersion":"1.0.0","type":"y"}', 7, /name is missing/],
      [
        'a bad deadline',
        ADD,
        '{"cniVersion":"1.0.0","name":"x","type":"y","deadlineMs":"1s"}',
        7,
        /deadlineMs: "1s".*100\.\.600000/,
      ],
    ])('%s', async (_, env, stdin, code, words) => {
      const document = errorOf(await run(env, stdin));
      expect(document.code).toBe(code);
      expect(document.msg).toMatch(words);
    });
  });

  describe('without a daemon', () => {
    it.each([
      ['ADD', 11],
      ['CHECK', 11],
      ['GC', 11],
      ['STATUS', 50],
    ])('%s fails with code %i and names the socket', async (command, code) => {
      // STATUS is patient up to its deadline.
      const document = errorOf(await run(call(command), config({ deadlineMs: 500 })));
      expect(document).toMatchObject({ cniVersion: '1.1.0', code });
      expect(document.msg).toContain(`${join(bench.directory, 'absent.sock')} (connect: ENOENT)`);
      expect(document.details).toMatch(/ipamd pod.*crictl/);
    });

    it('tells a refusing socket from a missing one', async () => {
      const socketPath = fresh('stale.sock');
      await writeFile(socketPath, '');
      expect(errorOf(await run(ADD, config({ socketPath }))).msg).toContain('connect: ECONNREFUSED');
    });

    it('DEL succeeds and leaves the whole request in the spool, for root alone', async () => {
      const spoolDirectory = join(fresh('state'), 'deep', 'spool');
      const stdin = config({ spoolDirectory });
      for (let twice = 0; twice < 2; twice += 1) {
        expect(await run({ ...call('DEL'), CNI_IFNAME: 'e%@"x' }, stdin)).toMatchObject({
          status: 0,
          stdout: '',
          stderr: '',
        });
      }
      expect(await readdir(spoolDirectory)).toEqual(['c0ffee@e%25%40%22x.json']);
      const file = join(spoolDirectory, 'c0ffee@e%25%40%22x.json');
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect((await stat(spoolDirectory)).mode & 0o777).toBe(0o700);
      const request = parseSpooled(await readFile(file, 'utf8'));
      expect(request.params.stdin).toBe(stdin);
      expect(request.params.env).toEqual({ ...call('DEL'), CNI_IFNAME: 'e%@"x' });
    });

    it('DEL fails with code 5 when the spool cannot be written, so that the runtime calls again', async () => {
      const blocker = fresh('file');
      await writeFile(blocker, '');
      const document = errorOf(await run(call('DEL'), config({ spoolDirectory: join(blocker, 'spool') })));
      expect(document.code).toBe(5);
      expect(document.msg).toMatch(/absent\.sock.*ENOENT.*spool\/c0ffee@eth0\.json: ENOTDIR/);
    });
  });

  describe('with a daemon that misbehaves', () => {
    const id = (chunk: Buffer): string => (new FrameDecoder().push(chunk)[0] as RequestEnvelope).id;
    it.each<[string, (socket: Socket) => void, number, RegExp]>([
      ['hangs up at once', (socket) => socket.destroy(), 11, /closed before the answer/],
      [
        'hangs up in mid-answer',
        (socket) => socket.once('data', () => socket.end(Buffer.from([0, 0, 1, 0, 0x7b]))),
        11,
        /closed before/,
      ],
      [
        'speaks another language',
        (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
        11,
        /exceeds the limit/,
      ],
      ['sends no JSON', (socket) => socket.once('data', () => socket.end(frameText('{"id":'))), 11, /not JSON/],
      [
        'sends no UTF-8',
        (socket) => socket.once('data', () => socket.end(Buffer.from([0, 0, 0, 2, 0xc0, 0x80]))),
        11,
        /not UTF-8/,
      ],
      [
        'sends no envelope',
        (socket) => socket.once('data', () => socket.end(frameText('[1]'))),
        11,
        /must be an object/,
      ],
      [
        'answers another request',
        (socket) => socket.once('data', () => socket.end(encodeFrame({ version: '1.0', id: 'other', result: {} }))),
        11,
        /request "other"/,
      ],
      [
        'sends too much',
        (socket) => socket.once('data', () => socket.end(Buffer.from([0, 0x10, 0, 1]))),
        11,
        /1048577 bytes exceeds/,
      ],
      [
        'is of another age',
        (socket) =>
          socket.once('data', (chunk: Buffer) =>
            socket.end(encodeFrame({ version: '2.0', id: id(chunk), result: {} })),
          ),
        104,
        /protocol 2\.0/,
      ],
      [
        'gives no result',
        (socket) =>
          socket.once('data', (chunk: Buffer) =>
            socket.end(encodeFrame({ version: '1.0', id: id(chunk), result: null })),
          ),
        11,
        /not a result object/,
      ],
    ])('that %s: ADD says so, DEL is spooled', async (_, behave, code, words) => {
      const socketPath = fresh('bad.sock');
      const spoolDirectory = fresh('spool');
      await using _server = await listen(socketPath, behave);
      const document = errorOf(await run(ADD, config({ socketPath })));
      expect(document.code).toBe(code);
      expect(document.msg).toMatch(words);
      expect(document.msg).toContain(socketPath);
      // A DEL has no result to be wrong about.
      if (/result object/.test(words.source)) return;
      expect(await run(call('DEL'), config({ socketPath, spoolDirectory }))).toMatchObject({ status: 0, stdout: '' });
      expect(await readdir(spoolDirectory)).toEqual(['c0ffee@eth0.json']);
    });

    it('gives up on a silent daemon two seconds after its deadline', async () => {
      const socketPath = fresh('slow.sock');
      const requests: RequestEnvelope[] = [];
      const decoder = new FrameDecoder();
      await using _server = await listen(socketPath, (socket) =>
        socket.on('data', (chunk: Buffer) => requests.push(...decoder.push(chunk).map(parseRequest))),
      );
      const start = performance.now();
      const document = errorOf(await run(ADD, config({ socketPath, deadlineMs: 150 })));
      const took = performance.now() - start;
      expect(document).toMatchObject({ code: 11 });
      expect(document.msg).toContain('no answer within 2150 ms');
      expect(took).toBeGreaterThan(2100);
      expect(took).toBeLessThan(60_000);
      expect(requests.map((request) => request.deadlineMs)).toEqual([150]);
    });
  });

  describe('with a daemon', () => {
    it('prints the result of ADD as it came, and forwards environment and standard input as they are', async () => {
      const socketPath = fresh('good.sock');
      const result = {
        cniVersion: '1.0.0',
        ips: [{ address: '10.0.0.7/32' }],
        'ünï ☂ 𝔘': ['\u0000', 1e21, -0.5, '\u2028'],
        z: null,
      };
      const requests: RequestEnvelope[] = [];
      await using _server = await listen(
        socketPath,
        answer((request) => (requests.push(request), { result })),
      );
      const stdin = `\n ${config({ socketPath, note: 'ü ☂ 𝔘 \u2028', lone: 'x' }).replace('"x"', '"\\ud800"')} `;
      expect(await run(ADD, stdin)).toEqual({
        status: 0,
        signal: null,
        stderr: '',
        stdout: `${JSON.stringify(result, null, 2)}\n`,
      });
      expect(requests).toMatchObject([
        { version: PROTOCOL_VERSION, method: 'Add', deadlineMs: 30_000, params: { env: ADD, stdin } },
      ]);
    });

    it.each([
      ['DEL', 'Del'],
      ['CHECK', 'Check'],
      ['GC', 'Gc'],
      ['STATUS', 'Status'],
    ])('%s calls %s and prints nothing', async (command, method) => {
      const socketPath = fresh('good.sock');
      const methods: string[] = [];
      await using _server = await listen(
        socketPath,
        answer((request) => (methods.push(request.method), { result: null })),
      );
      expect(await run(call(command), config({ socketPath }))).toMatchObject({ status: 0, stdout: '', stderr: '' });
      expect(methods).toEqual([method]);
    });

    it('prints the daemon’s error with the version of the configuration', async () => {
      const socketPath = fresh('good.sock');
      const error = { code: 100, msg: 'subnet subnet-1 is exhausted', details: 'add a subnet' };
      await using _server = await listen(
        socketPath,
        answer(() => ({ error })),
      );
      expect(errorOf(await run(ADD, config({ socketPath, cniVersion: '0.4.0' })))).toEqual({
        cniVersion: '0.4.0',
        ...error,
      });
    });

    it('carries an answer and a request near the limit, cut into pieces by the socket', async () => {
      const socketPath = fresh('good.sock');
      const result = { cniVersion: '1.0.0', filler: 'y'.repeat(MAX_FRAME_BYTES - 200) };
      const lengths: number[] = [];
      await using _server = await listen(
        socketPath,
        answer((request) => (lengths.push(request.params.stdin.length), { result })),
      );
      const stdin = config({ socketPath, filler: 'x'.repeat(MAX_STDIN_BYTES - 1000) });
      const outcome = await run(ADD, stdin);
      expect(outcome.status).toBe(0);
      expect(outcome.stdout === `${JSON.stringify(result, null, 2)}\n`).toBe(true);
      expect(lengths).toEqual([stdin.length]);
    });

    it('refuses a request that no frame can hold', async () => {
      const stdin = config({ filler: '"'.repeat(MAX_STDIN_BYTES / 2 - 500) });
      const env = { ...ADD, CNI_PATH: '/x'.repeat(20_000) };
      expect(errorOf(await run(env, stdin))).toMatchObject({
        code: 7,
        msg: expect.stringContaining('together exceed'),
      });
    });
  });
});

describe('the compiled binary', () => {
  it('is one static file below 1 MB (2 MB where only glibc is there to be linked)', async () => {
    expect((await stat(bench.compiled)).size).toBeLessThan(bench.kind === 'quickjs-musl' ? 1_000_000 : 2_000_000);
    expect(() => execFileSync('ldd', [bench.compiled], { stdio: 'pipe' })).toThrow(/not a dynamic executable/);
  });

  it('needs nothing but itself', async () => {
    const alone = join(bench.directory, 'alone');
    await mkdir(alone);
    await writeFile(join(alone, 'cni'), await readFile(bench.compiled));
    await chmod(join(alone, 'cni'), 0o755);
    expect(await execute(join(alone, 'cni'), { CNI_COMMAND: 'VERSION' }, '{}')).toMatchObject({
      status: 0,
      stderr: '',
    });
  });
});

describe('the build', () => {
  it('says what is missing where there is no compiler, and names the fallback', async () => {
    const node = process.execPath;
    const script = fresh('build');
    const tool = join(import.meta.dirname, '..', '..', 'tools', 'build-cni.ts');
    await writeFile(script, `#!/bin/sh\nexec '${node}' --no-warnings '${tool}' --json\n`, { mode: 0o755 });
    const outcome = await execute(script, { PATH: bench.directory }, '');
    expect(outcome).toMatchObject({ status: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/neither musl-gcc nor gcc nor cc.*apt-get install.*Node fallback/s);
  });

  it('is not repeated while nothing changed', async () => {
    const before = await stat(bench.compiled);
    const again = await buildCniBinary({ log: (line) => expect(line).toBe('nothing to do') });
    expect(again).toMatchObject({ path: bench.compiled, bytes: before.size });
    expect((await stat(bench.compiled)).mtimeMs).toBe(before.mtimeMs);
  });
});
