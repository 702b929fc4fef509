/** `wellspring-cloud` as it is shipped: packed, installed into an empty folder, and used there by the documentation's words. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildCloud } from '#tools/build-cloud.ts';

const ROOT = dirname(dirname(import.meta.dirname));
const execute = promisify(execFile);
const stack = new AsyncDisposableStack();
let folder: string;

/** With the Node of the tests, and npm's own of the machine. */
const environment = { ...process.env, PATH: `${dirname(process.execPath)}:${String(process.env['PATH'])}` };
const inFolder = (command: string, ...args: readonly string[]) =>
  execute(command, [...args], { cwd: folder, env: environment, timeout: 120_000 });
const cloud = (...args: readonly string[]) =>
  inFolder(join(folder, 'node_modules', '.bin', 'wellspring-cloud'), ...args);

beforeAll(async () => {
  const place = await mkdtemp(join(tmpdir(), 'wellspring-package-'));
  stack.defer(() => rm(place, { recursive: true, force: true }));
  const { directory } = await buildCloud(join(place, 'package'));
  folder = join(place, 'empty');
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  const { stdout } = await execute('npm', ['pack', directory, '--json', '--pack-destination', place], { cwd: place });
  const [packed] = JSON.parse(stdout) as [{ readonly filename: string }];
  const install = ['install', join(place, packed.filename), '--offline', '--no-audit', '--no-fund', '--loglevel=error'];
  await inFolder('npm', ...install);
});
afterAll(() => stack.disposeAsync());

/** A block of docs/emulator.md. */
async function fromDocs(language: string, containing: string): Promise<string> {
  const page = await readFile(join(ROOT, 'docs', 'emulator.md'), 'utf8');
  const blocks = [...page.matchAll(/```(\w+)\n([^]*?)```/g)];
  const found = blocks.find(([, name, text]) => name === language && text?.includes(containing) === true)?.[2];
  if (found === undefined) throw new Error(`docs/emulator.md has no ${language} block with ${containing}`);
  return found;
}

describe('in an empty folder', () => {
  it('the command serves the documented description, takes faults, tells what happened, and is gone', async () => {
    await writeFile(join(folder, 'cloud.yaml'), await fromDocs('yaml', 'additionalCidrs'));
    const up = await cloud('up', '--file', 'cloud.yaml', '--listen', '127.0.0.1:0', '--detach', '--json');
    const { endpoint, region, names } = JSON.parse(up.stdout) as {
      readonly endpoint: string;
      readonly region: string;
      readonly names: { readonly nodes: Readonly<Record<string, string>> };
    };
    try {
      expect([region, Object.keys(names.nodes)]).toEqual(['eu-west-1', ['node-a', 'node-b']]);
      const ask = async (...args: readonly string[]): Promise<unknown> =>
        JSON.parse((await cloud(...args, '--endpoint', endpoint, '--json')).stdout);
      expect(await ask('fault', 'CreateVpc', 'delay', '--delay-ms', '3')).toMatchObject({
        faults: [
          { action: 'AssignPrivateIpAddresses', times: 2 },
          { action: 'CreateVpc', delayMs: 3 },
        ],
      });
      expect(await ask('set', 'latency=0', 'throttling=off')).toMatchObject({
        latency: { default: 0 },
        staleReadsMs: 200,
      });
      expect(await ask('state')).toMatchObject({
        instances: [{ instanceType: 'm5.large' }, { instanceType: 't3.medium' }],
      });
      const { stdout } = await cloud('changes', '--endpoint', endpoint);
      expect(stdout.split('\n')[0]).toMatch(/^1 \S+ CreateVpc \+vpc-\w+ \+sg-\w+$/);
    } finally {
      await cloud('down', '--endpoint', endpoint);
    }
    await expect(cloud('state', '--endpoint', endpoint)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no cloud answers at'),
    });
  });

  it('every link of the pages that come with it leads to one of them', async () => {
    const installed = join(folder, 'node_modules', 'wellspring-cloud');
    const files = await readdir(installed);
    expect(files).toEqual(expect.arrayContaining(['README.md', 'behind.md', 'fidelity.md']));
    for (const page of files.filter((name) => name.endsWith('.md'))) {
      const links = [...(await readFile(join(installed, page), 'utf8')).matchAll(/\]\((?!https:)([^)#]+)/g)];
      expect([page, links.map(([, link]) => link).filter((link) => !files.includes(link ?? ''))]).toEqual([page, []]);
    }
  });

  it('the first test of the documentation has ten lines, types that fit, and passes', async () => {
    const source = await fromDocs('js', 'startCloud');
    expect(source.trimEnd().split('\n')).toHaveLength(10);
    // What a reader has installed besides: the SDK, and for the types TypeScript.
    await mkdir(join(folder, 'node_modules', '@types'), { recursive: true });
    for (const name of ['@aws-sdk', '@types/node', 'undici-types']) {
      await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name)).catch(() => undefined);
    }
    await writeFile(join(folder, 'first.test.ts'), source);
    const strict = ['--noEmit', '--strict', '--noUncheckedIndexedAccess', '--skipLibCheck', '--types', 'node'];
    const modules = ['--module', 'nodenext', '--target', 'es2025', '--lib', 'es2025,esnext.disposable'];
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const typed = `${source}\nconst wrong: Parameters<typeof startCloud>[0] = { vpcs: [{ name: 'x' }] };\n`;
    await writeFile(join(folder, 'wrong.ts'), typed);
    const files = ['first.test.ts', 'wrong.ts'];
    const checked = await inFolder(process.execPath, tsc, ...strict, ...modules, ...files).catch(
      (error: unknown) => error,
    );
    const { stdout: complaints } = checked as { readonly stdout: string };
    expect(complaints.trim().split('\n')).toEqual([
      expect.stringMatching(/^wrong\.ts\(12,\d+\): error TS2741: .*'cidr'/),
    ]);
    await writeFile(join(folder, 'first.test.js'), source);
    const child = spawn(process.execPath, ['--test', 'first.test.js'], {
      cwd: folder,
      env: { ...environment, NODE_OPTIONS: '' },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect([code, output]).toEqual([0, expect.stringMatching(/pass 1\n[^]*fail 0/)]);
  });
});
