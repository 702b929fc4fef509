import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import pino from 'pino';
import { conflistFrom, conflistText } from '../conflist.ts';
import { ConflistKeeper } from './conflist-keeper.ts';

const TEXT = conflistText({ socketPath: '/s', spoolDirectory: '/d' });
const FILE = '10-wellspring.conflist';
let directory: string;
const messages: string[] = [];
const log = pino(
  new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      messages.push((JSON.parse(chunk.toString()) as { msg: string }).msg);
      done();
    },
  }),
);

/** Time passes by `tick`, which resolves when the look that it began has ended. */
function handClock() {
  let wake = Promise.withResolvers<void>();
  let asleep = Promise.withResolvers<number>();
  return {
    sleep: async (ms: number, signal?: AbortSignal): Promise<void> => {
      asleep.resolve(ms);
      const ended = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.race([wake.promise, ended]);
    },
    /** How long it means to sleep. */
    slept: () => asleep.promise,
    tick: (): Promise<number> => {
      asleep = Promise.withResolvers();
      wake.resolve();
      wake = Promise.withResolvers();
      return asleep.promise;
    },
  };
}

beforeEach(async () => {
  messages.length = 0;
  directory = await mkdtemp(join(tmpdir(), 'wellspring-conflist-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it('puts the file there, puts it back when it is gone or changed, and leaves it when it ends', async () => {
  const clock = handClock();
  const keeper = new ConflistKeeper({ directory: join(directory, 'net.d'), text: TEXT, clock, log });
  const path = join(directory, 'net.d', FILE);
  await clock.slept();
  expect(keeper.problem).toBeUndefined();
  expect(await readFile(path, 'utf8')).toBe(TEXT);
  await rm(path);
  await clock.tick();
  expect(await readFile(path, 'utf8')).toBe(TEXT);
  await writeFile(path, '{}');
  await clock.tick();
  expect(await readFile(path, 'utf8')).toBe(TEXT);
  await clock.tick();
  expect(messages).toEqual([
    'the network configuration list is in place',
    'the network configuration list was removed or changed, and is put back',
    'the network configuration list was removed or changed, and is put back',
  ]);
  await keeper[Symbol.asyncDispose]();
  expect(await readdir(join(directory, 'net.d'))).toEqual([FILE]);
});

it('says why it is not there, tries with growing pauses, and recovers', async () => {
  const clock = handClock();
  const place = join(directory, 'net.d');
  await writeFile(place, 'in the way');
  await using keeper = new ConflistKeeper({ directory: place, text: TEXT, clock, log });
  const pauses = [await clock.slept(), await clock.tick(), await clock.tick()];
  expect(pauses).toEqual([500, 1000, 2000]);
  expect(keeper.problem).toMatch(/10-wellspring\.conflist cannot be written: E(EXIST|NOTDIR)/);
  expect(messages).toEqual(['the network configuration list is not there']);
  await rm(place);
  expect(await clock.tick()).toBe(60_000);
  expect(keeper.problem).toBeUndefined();
});

it('warns once of a configuration that the runtime would take before ours', async () => {
  const clock = handClock();
  await mkdir(directory, { recursive: true });
  await chmod(directory, 0o755);
  await writeFile(join(directory, '10-aws.conflist'), '{}');
  await writeFile(join(directory, '.hidden.conflist'), '{}');
  await using _keeper = new ConflistKeeper({ directory, text: TEXT, clock, log });
  await clock.slept();
  await clock.tick();
  const ahead = () => messages.filter((each) => each.startsWith('another configuration'));
  expect(ahead()).toHaveLength(1);
  await rm(join(directory, '10-aws.conflist'));
  await clock.tick();
  expect(ahead()).toHaveLength(1);
});

it('takes a list of the operator’s own, and tells its plugin where ipamd is unless it says so', () => {
  const options = { socketPath: '/s', spoolDirectory: '/d' };
  const plugins = [{ type: 'wellspring-cni', spoolDirectory: '/mine' }, { type: 'tuning' }];
  const list = { cniVersion: '1.0.0', name: 'n', disableCheck: true, plugins };
  expect(JSON.parse(conflistFrom(JSON.stringify(list), options))).toEqual({
    ...list,
    plugins: [{ type: 'wellspring-cni', socketPath: '/s', spoolDirectory: '/mine' }, { type: 'tuning' }],
  });
  for (const [text, why] of [
    ['{', 'no JSON'],
    ['[]', 'name and cniVersion'],
    ['{"name":"n","cniVersion":"1.0.0"}', 'wellspring-cni'],
    ['{"name":"n","cniVersion":"1.0.0","plugins":[{"type":"aws-cni"}]}', 'wellspring-cni'],
  ] as const)
    expect(() => conflistFrom(text, options)).toThrow(why);
});
