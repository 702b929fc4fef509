/**
 * The guest's kernel: Debian's own cloud kernel, fetched with apt and unpacked into a cache outside the repository.
 * Nothing of it is installed on this machine.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run, runCommand } from '#test/support/command.ts';

export interface GuestKernel {
  readonly version: string;
  readonly image: string;
  /** A directory that holds `<version>/`, with the index that modprobe reads. */
  readonly modules: string;
}

/** Where Debian 12 keeps the kernel of the next release for clouds; the exact package follows from it. */
const FETCH_MS = 300_000;
const PACKAGES = ['linux-image-6.12-cloud-amd64', 'linux-image-cloud-amd64'];

export function cacheDirectory(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'wellspring', 'vm');
}

/** The kernel, from the cache or from Debian's archive. Rejects with the command that failed. */
export async function provideKernel(say: (text: string) => void): Promise<GuestKernel> {
  const name = await provided(say);
  const directory = join(cacheDirectory(), name);
  const version = name.replace(/^linux-image-/, '');
  return { version, image: join(directory, 'boot', `vmlinuz-${version}`), modules: join(directory, 'lib', 'modules') };
}

/** Name of the package, which is unpacked in the cache. What apt knows may be nothing, or no more in the archive: then it is updated. */
async function provided(say: (text: string) => void): Promise<string> {
  const fetch = async (): Promise<string> => {
    const name = await knownPackage();
    if (!existsSync(join(cacheDirectory(), name))) {
      say(`fetching ${name} (about 35 MB, once) ...`);
      await unpack(name, join(cacheDirectory(), name));
    }
    return name;
  };
  try {
    return await fetch();
  } catch {
    await runCommand('apt-get', ['update', '-qq'], { timeoutMs: FETCH_MS });
    return fetch();
  }
}

async function knownPackage(): Promise<string> {
  for (const metaPackage of PACKAGES) {
    const { stdout } = await run('apt-cache', ['depends', '--important', metaPackage]);
    const exact = /Depends: (linux-image-[0-9][^\s]*-cloud-amd64)$/m.exec(stdout)?.[1];
    if (exact !== undefined) return exact;
  }
  throw new Error(`apt knows none of ${PACKAGES.join(', ')}; this needs Debian 12`);
}

/** Complete or not there: unpacked beside its place and renamed. */
async function unpack(name: string, directory: string): Promise<void> {
  const building = `${directory}.${process.pid}`;
  await mkdir(building, { recursive: true });
  try {
    await runCommand('apt-get', ['download', name], { cwd: building, timeoutMs: FETCH_MS });
    const deb = (await readdir(building)).find((file) => file.endsWith('.deb'));
    if (deb === undefined) throw new Error(`apt-get download ${name} left no package in ${building}`);
    await runCommand('dpkg-deb', ['-x', deb, '.'], { cwd: building });
    await rm(join(building, deb));
    await runCommand('depmod', ['-b', building, name.replace(/^linux-image-/, '')]);
    await rename(building, directory);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}
