/**
 * An earlier version of ourselves, built from this repository's history into the user's cache: its daemon as it is released,
 * and its CNI binary. Nothing of it is kept in the repository; where the history does not reach so far (a shallow clone, an
 * unpacked archive), there is none.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run, runCommand } from '#test/support/command.ts';

const REPOSITORY = new URL('../../', import.meta.url).pathname;
const BUILD_DEADLINE_MS = 600_000;

/** A version that upgrades start from. */
export interface Version {
  /** As its fixtures are called. */
  readonly name: string;
  readonly commit: string;
}

/** The state of the repository before it ran in a cluster. */
export const ISSUE_D_START: Version = { name: 'issue-d-start', commit: 'ce3c20d5e15ba4a2c58fceaa701ac722b4366e02' };

/** Programs of an earlier version. */
export interface OlderVersion {
  /** What node is given to run its ipamd. */
  readonly program: readonly string[];
  readonly cniBinary: string;
}

/** Whether the history has it. */
export async function hasHistory({ commit }: Version): Promise<boolean> {
  const answer = await run('git', ['-C', REPOSITORY, 'cat-file', '-e', `${commit}^{commit}`]).catch(() => undefined);
  return answer?.code === 0;
}

/** Built on first use, in half a minute of CPU. Rejects with what the build said. */
export async function olderVersion(version: Version): Promise<OlderVersion> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'wellspring');
  const place = join(cache, `version-${version.commit.slice(0, 12)}`);
  if (!existsSync(place)) await buildInto(place, version);
  const dist = join(place, 'dist');
  return { program: ['--no-warnings', join(dist, 'ipamd', 'ipamd.cjs')], cniBinary: join(dist, 'wellspring-cni') };
}

async function buildInto(place: string, { commit }: Version): Promise<void> {
  const directory = `${place}.${process.pid}`;
  await mkdir(join(directory, 'dist'), { recursive: true });
  try {
    const archive = join(directory, 'sources.tar');
    await runCommand('git', ['-C', REPOSITORY, 'archive', '--output', archive, commit]);
    await runCommand('tar', ['-xf', archive, '-C', directory]);
    await symlink(join(REPOSITORY, 'node_modules'), join(directory, 'node_modules'));
    // The engine of the CNI binary is the same as long as its version is.
    const native = join(REPOSITORY, 'dist', 'native');
    if (existsSync(native)) await symlink(native, join(directory, 'dist', 'native'));
    const options = { timeoutMs: BUILD_DEADLINE_MS, cwd: directory };
    for (const program of ['build-ipamd.ts', 'build-cni.ts'])
      await runCommand(process.execPath, ['--no-warnings', join(directory, 'tools', program)], options);
    // Whole, or not there: another run may build at the same time.
    await rename(directory, place).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
