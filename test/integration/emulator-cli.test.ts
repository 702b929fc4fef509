/** `wellspring-cloud` as a process: what it prints, how it ends, and what it says of a wrong command line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { clientFor, given } from './emulator-world.ts';

const MAIN = fileURLToPath(new URL('../../cloud/emulator/main.ts', import.meta.url));
const children = new Set<ChildProcess>();

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

interface Run {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
}

function start(...args: readonly string[]): Run {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  children.add(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  return { child, output };
}

async function finish({ child, output }: Run): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

async function firstLine({ child, output }: Run): Promise<string> {
  while (!output.stdout.includes('\n')) await once(given(child.stdout), 'data');
  return output.stdout;
}

describe('wellspring-cloud up', () => {
  it('serves an empty region in which the SDK can work, until SIGTERM', async () => {
    const run = start('up', '--listen', '127.0.0.1:0', '--metadata', '127.0.0.1:0', '--region', 'eu-west-9', '--json');
    const ready = JSON.parse(await firstLine(run)) as Record<string, unknown>;
    expect(ready).toEqual({
      endpoint: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      metadataEndpoint: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      region: 'eu-west-9',
      pid: run.child.pid,
      names: { vpcs: {}, subnets: {}, securityGroups: {}, nodes: {} },
    });
    using held = { ec2: clientFor(String(ready['endpoint'])), [Symbol.dispose]: () => held.ec2.destroy() };
    expect((await held.ec2.describeVpcs({})).Vpcs).toEqual([]);
    const { Vpc } = await held.ec2.createVpc({ CidrBlock: '10.0.0.0/16' });
    expect(Vpc?.State).toBe('available');
    run.child.kill('SIGTERM');
    const { code, stdout } = await finish(run);
    expect([code, stdout.trim().split('\n')]).toEqual([0, [expect.any(String)]]);
  });

  it('tells people how to point a client at it, and ends on SIGINT', async () => {
    const run = start('up', '--listen', '127.0.0.1:0');
    expect(await firstLine(run)).toMatch(/^EC2 is served at http:\/\/127\.0\.0\.1:\d+ \(region us-east-1, empty\)\n$/);
    run.child.kill('SIGINT');
    const { code, stderr } = await finish(run);
    expect([code, stderr]).toEqual([0, expect.stringContaining('AWS_ENDPOINT_URL_EC2=http://127.0.0.1:')]);
  });

  it('says in a sentence that a port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { code, stdout, stderr } = await finish(start('up', '--listen', `127.0.0.1:${port}`));
    taken.close();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      `wellspring-cloud: 127.0.0.1:${port} is already in use: stop what listens there or choose another one.\n`,
    );
  });
});

describe('wellspring-cloud up --file', () => {
  it('says where a description is wrong, and that a file is not there', async () => {
    const run = start('up', '--file', '-', '--listen', '127.0.0.1:0');
    run.child.stdin?.end('vpcs: [{ name: a, cidr: 10.0.0.0/8 }]');
    const absent = start('up', '--file', '/nowhere/cloud.yaml');
    const [refused, { code, stderr }] = await Promise.all([finish(run), finish(absent)]);
    expect(refused).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/VPC a cannot be made: InvalidVpc\.Range/),
    });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^wellspring-cloud: \/nowhere\/cloud\.yaml: cannot be read: ENOENT/),
    ]);
  });
});

describe('wellspring-cloud --behind', () => {
  it('needs no further word, and says in a sentence that nobody is there', async () => {
    const { code, stdout, stderr } = await finish(start('--behind', 'http://127.0.0.1:1', '--listen', '127.0.0.1:0'));
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(/http:\/\/127\.0\.0\.1:1 does not answer/)]);
  });
});

describe('the command line', () => {
  it('explains itself', async () => {
    const { code, stdout, stderr } = await finish(start('--help'));
    expect([code, stdout, stderr]).toEqual([0, expect.stringContaining('--listen HOST:PORT'), '']);
  });

  it('refuses what it does not know', async () => {
    const { code, stdout, stderr } = await finish(start('up', '--lisen', 'x'));
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining('--lisen')]);
  });
});
