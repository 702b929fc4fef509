/** wellspring-install, killed at every step: the host has the old file or the new one, whole, and a repetition finishes the work. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type Output, run } from '#test/support/command.ts';

const PROGRAM = new URL('../../ipamd/install/main.ts', import.meta.url).pathname;
const DIE = new URL('die-at.program.ts', import.meta.url).pathname;
const [OLD, NEW] = [Buffer.alloc(300_000, 'o'), Buffer.alloc(310_000, 'n')];
/** A run that nobody kills says how many steps there are. */
const NEVER = 0;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wellspring-installer-'));
  for (const name of ['bin', 'net.d']) mkdirSync(join(directory, name));
  writeFileSync(join(directory, 'source'), NEW);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function install(root: string, args: readonly string[], dieAt?: number): Promise<Output> {
  const env = {
    PATH: process.env['PATH'],
    HOST_CNI_BIN_PATH: join(root, 'bin'),
    HOST_CNI_CONFDIR_PATH: join(root, 'net.d'),
    ...(dieAt === undefined ? {} : { DIE_AT: String(dieAt), DIE_COUNT: join(root, 'steps') }),
  };
  const loaded = dieAt === undefined ? [] : ['--import', DIE];
  return run(process.execPath, ['--no-warnings', ...loaded, PROGRAM, ...args], { env });
}

function stepsIn(root: string): readonly string[] {
  return readFileSync(join(root, 'steps'), 'utf8').trim().split('\n');
}

it('puts the binary in place over an older one, wherever it is killed', async () => {
  const args = ['binary', '--source', join(directory, 'source')];
  const prepared = (name: string): string => {
    const root = join(directory, name);
    mkdirSync(join(root, 'bin'), { recursive: true });
    writeFileSync(join(root, 'bin', 'wellspring-cni'), OLD, { mode: 0o755 });
    return root;
  };
  const whole = prepared('whole');
  expect(await install(whole, args, NEVER)).toMatchObject({ code: 0 });
  const steps = stepsIn(whole);
  expect(steps.filter((step) => step === 'write')).toHaveLength(2);
  expect(steps.indexOf('sync')).toBeLessThan(steps.indexOf('rename'));
  const killed = async (at: number): Promise<void> => {
    const root = prepared(`killed-${at}`);
    const path = join(root, 'bin', 'wellspring-cni');
    expect((await install(root, args, at)).code).not.toBe(0);
    expect(readFileSync(path).equals(at > steps.indexOf('rename') + 1 ? NEW : OLD)).toBe(true);
    expect(statSync(path).mode & 0o7777).toBe(0o755);
    if (at % 3 !== 0) return;
    expect(await install(root, args)).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(path).equals(NEW)).toBe(true);
  };
  const deaths = steps.map((_, index) => () => killed(index + 1));
  await fewAtOnce(deaths);
});

it('removes the conflist, and the binary only when told to', async () => {
  const [conflist, binary] = [
    join(directory, 'net.d', '10-wellspring.conflist'),
    join(directory, 'bin', 'wellspring-cni'),
  ];
  const other = join(directory, 'net.d', '20-other.conflist');
  for (const path of [conflist, binary, other]) writeFileSync(path, 'x');
  expect(await install(directory, ['remove'])).toMatchObject({ code: 0, stdout: `${conflist}: removed\n` });
  expect(readdirSync(join(directory, 'net.d'))).toEqual(['20-other.conflist']);
  expect(await install(directory, ['remove', '--binary'])).toMatchObject({
    code: 0,
    stdout: `${conflist}: there was none\n${binary}: removed\n`,
  });
});

it('stays until it is told to stop', async () => {
  const child = spawn(process.execPath, ['--no-warnings', PROGRAM, 'stay'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  expect(String((await once(child.stdout, 'data'))[0])).toBe('nothing to do here but to stay\n');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});

it('says what is wrong with a command, and with the place', async () => {
  const cases = [
    [[], 2, 'no command'],
    [['binari'], 2, 'there is no command binari'],
    [['binary', '--sauce', 'x'], 2, "Unknown option '--sauce'"],
    [['binary', '--source', '/nowhere/at/all'], 1, 'ENOENT'],
  ] as const;
  for (const [args, code, said] of cases) {
    const outcome = await install(directory, args);
    expect(outcome).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(said) });
    expect(outcome.stderr).toMatch(/^wellspring-install: /);
  }
});

/** Four, so that the machine is used and no child waits long. */
async function fewAtOnce(works: readonly (() => Promise<void>)[]): Promise<void> {
  const left = [...works];
  const worker = async (): Promise<void> => {
    for (let work = left.shift(); work !== undefined; work = left.shift()) await work();
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}
