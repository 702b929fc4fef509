/**
 * ipamd for tests: bundled from the sources as they are now, once for all test files, because Node needs three times the
 * processor time to start it from hundreds of files, and the tests start it hundreds of times. The sources themselves are
 * run by the demo, by containerd's nodes and by test/integration/node.test.ts.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { buildIpamd } from '#tools/build-ipamd.ts';
import { BUILD } from './daemon-program.ts';
import { run } from './command.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const BUILDS = join(ROOT, 'dist', 'for-tests');
/** Everything that a bundle is made of. */
const SOURCES = ['ipamd', 'cloud', 'cni', 'warm-pool', 'test/integration', 'tools', 'package-lock.json'];
/** Further programs of tests. */
const MORE = { 'daemon-with-facts': 'test/integration/daemon-with-facts.program.ts' } as const;
/** A run that uses an older build is over by then. */
const BUILD_KEPT_MS = 3_600_000;
/** What Node compiled (jest.config.mjs) is kept until the next day. */
const COMPILED_KEPT_MS = 48 * 3_600_000;

/** Jest calls it before the first test (before-all-tests.mjs); what it puts into the environment, every test file finds. */
export async function beforeAllTests(): Promise<void> {
  const directory = await currentBuild();
  await utimes(directory, new Date(), new Date());
  process.env[BUILD] = directory;
}

async function currentBuild(): Promise<string> {
  const directory = join(BUILDS, `ipamd-${await keyOfSources()}`);
  if (existsSync(directory)) return directory;
  await removeOldBuilds();
  const fresh = `${directory}.${process.pid}`;
  await buildIpamd(fresh, { more: MORE, isForTests: true });
  // Somebody else may have built the same meanwhile.
  await rename(fresh, directory).catch(() => rm(fresh, { recursive: true }));
  await fillCompileCache(directory);
  return directory;
}

/** Of times and sizes: a source that changed is newer. */
async function keyOfSources(): Promise<string> {
  const files = await Promise.all(
    SOURCES.map(async (path) => {
      const inside = path.includes('.') ? [''] : await readdir(join(ROOT, path), { recursive: true });
      return inside.filter((file) => !file.endsWith('.test.ts')).map((file) => join(ROOT, path, file));
    }),
  );
  const stats = await Promise.all(
    files.flat().map(async (file) => {
      const found = await stat(file).catch(() => undefined);
      return found?.isFile() === true ? `${file} ${found.size} ${found.mtimeMs}` : '';
    }),
  );
  return createHash('sha256').update(stats.join('\n')).digest('hex').slice(0, 16);
}

/** A daemon that is killed leaves no compiled code behind for its successor; one that only says its version does. */
async function fillCompileCache(directory: string): Promise<void> {
  await Promise.all([
    run(process.execPath, [join(directory, 'ipamd.cjs'), '--version']),
    run(process.execPath, [join(directory, 'ec2-agent.cjs')]),
  ]);
}

async function removeOldBuilds(): Promise<void> {
  await mkdir(BUILDS, { recursive: true });
  for (const name of await readdir(BUILDS)) {
    const path = join(BUILDS, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > (name.startsWith('ipamd-') ? BUILD_KEPT_MS : COMPILED_KEPT_MS))
      await rm(path, { recursive: true, force: true });
  }
}
