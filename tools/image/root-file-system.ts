/**
 * The root file system of the image, without a base image: Node of node_modules with the shared libraries that it names, our
 * programs, and the few files that every Linux program expects. No shell and no package: the daemon executes nothing but
 * itself.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { ArchiveEntry } from './archive.ts';

/** Where our programs lie in the image. */
export const HOME = '/opt/wellspring';
/** Commands of the image beside `node`, by the file that each runs. */
const COMMANDS: Readonly<Record<string, string>> = {
  ipamd: 'ipamd.cjs',
  wellspringctl: 'wellspringctl.cjs',
  'wellspring-install': 'wellspring-install.cjs',
  'wellspring-subnets': 'wellspring-subnets.cjs',
};
const DIRECTORIES = ['etc', 'host', 'opt', 'proc', 'run', 'sys', 'usr', 'usr/bin', 'var', 'var/lib', 'var/log'];
const FILES: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/:/sbin/nologin\n',
  'etc/group': 'root:x:0:\n',
  // What kubelet writes into /etc/hosts goes before the name servers.
  'etc/nsswitch.conf': 'hosts: files dns\n',
};
/** Of koffi's native parts, those that the image's C library does not load. */
const FOREIGN = /\/musl_[^/]+(\/|$)/;

/** Node with what the dynamic linker loads for it and for `natives`, each under the path where the linker looks. */
export async function nodeLayer(node: string, natives: readonly string[]): Promise<readonly ArchiveEntry[]> {
  const libraries = new Set<string>();
  for (const program of [node, ...natives]) for (const library of await librariesOf(program)) libraries.add(library);
  const files = [file('usr/bin/node', 0o755, await readFile(node))];
  for (const library of libraries) files.push(file(library.slice(1), 0o755, await readFile(await realpath(library))));
  return withDirectories([...baseEntries(), ...files]);
}

/** What is ours: `daemon` is the directory that tools/build-ipamd.ts makes, `cniBinary` the compiled binary. */
export async function programLayer(daemon: string, cniBinary: string): Promise<readonly ArchiveEntry[]> {
  const home = HOME.slice(1);
  const entries: ArchiveEntry[] = [file(`${home}/wellspring-cni`, 0o755, await readFile(cniBinary))];
  for (const name of (await readdir(daemon, { recursive: true })).toSorted()) {
    const path = join(daemon, name);
    // The launcher is a shell script; the image has no shell.
    if (name === 'ipamd' || FOREIGN.test(`/${name}`) || !(await stat(path)).isFile()) continue;
    entries.push(file(`${home}/${relative(daemon, path)}`, 0o644, await readFile(path)));
  }
  for (const [command, program] of Object.entries(COMMANDS)) {
    const text = `#!/usr/bin/node --no-warnings\nrequire('${HOME}/${program}');\n`;
    entries.push(file(`usr/bin/${command}`, 0o755, Buffer.from(text)));
  }
  return withDirectories(entries);
}

/** Entries of layers as files below a directory, over what an earlier layer put there. */
export async function unpackTo(directory: string, entries: readonly ArchiveEntry[]): Promise<void> {
  for (const entry of entries.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    const path = join(directory, entry.path);
    if (entry.kind === 'directory') await mkdir(path, { recursive: true });
    else await rm(path, { force: true });
    if (entry.kind === 'file') await writeFile(path, entry.content);
    if (entry.kind === 'link') await symlink(entry.target, path);
    else await chmod(path, entry.mode);
  }
}

function baseEntries(): readonly ArchiveEntry[] {
  const directories = DIRECTORIES.map((path) => directory(path));
  const files = Object.entries(FILES).map(([path, text]) => file(path, 0o644, Buffer.from(text)));
  const run: ArchiveEntry = { kind: 'link', path: 'var/run', target: '../run' };
  return [...directories, { ...directory('tmp'), mode: 0o1777 }, ...files, run];
}

/** ld.so(8) by ldd(1): lines `name => path (address)` and, for the linker itself, `path (address)`. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)('ldd', [program], { timeout: 30_000 });
  const lost = /^\s*(\S+) => not found/m.exec(stdout)?.[1];
  if (lost !== undefined) throw new Error(`${program} needs ${lost}, which is not on this machine: install it`);
  return [...stdout.matchAll(/(?:=>\s+|^\s+)(\/\S+) \(0x/gm)].map(([, path = '']) => path);
}

/** Every directory on the way to an entry is an entry, so that unpacking depends on no default mode. */
function withDirectories(entries: readonly ArchiveEntry[]): readonly ArchiveEntry[] {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path } of entries)
    for (let parent = dirname(path); parent !== '.'; parent = dirname(parent))
      if (!byPath.has(parent)) byPath.set(parent, directory(parent));
  return [...byPath.values()];
}

function file(path: string, mode: number, content: Uint8Array): ArchiveEntry {
  return { kind: 'file', path, mode, content };
}

function directory(path: string) {
  return { kind: 'directory', path, mode: 0o755 } as const;
}
