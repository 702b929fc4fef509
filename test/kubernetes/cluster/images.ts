/** The images of pods, packed from what was built here and from programs of this computer. */
import { chmod, copyFile, cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from '#test/support/command.ts';
import { PAUSE_IMAGE } from '#test/e2e/containerd/pause-image.ts';
import { built, kubernetesSources } from '../build.ts';
import { packImage } from './oci-archive.ts';

export const AGNHOST_IMAGE = 'wellspring.test/agnhost:1';
export const COREDNS_IMAGE = 'wellspring.test/coredns:1';

/**
 * What Kubernetes' own tests expect beside agnhost itself; dash as the shell, because busybox's runs its own applets
 * before those in PATH.
 */
const TOOLS = [
  'dash',
  'curl',
  'nc',
  'dig',
  'nslookup',
  'getent',
  'ip',
  'cat',
  'sleep',
  'hostname',
  'grep',
  'sed',
  'test',
  'ls',
  'seq',
  'date',
  'tr',
  'head',
  'wc',
  'true',
  'echo',
  'mkdir',
  'rm',
  'touch',
  'id',
  'stat',
  'env',
  'printf',
  'timeout',
] as const;

/** Archives for `ctr images import`, in that directory. */
export async function buildImages(directory: string): Promise<readonly string[]> {
  return Promise.all([sandboxImage(directory), agnhostImage(directory), corednsImage(directory)]);
}

/** Under the name that containerd's configuration asks for. */
async function sandboxImage(directory: string): Promise<string> {
  const archive = join(directory, 'sandbox.tar');
  await withRoot(directory, async (root) => {
    const source = join(import.meta.dirname, 'sandbox.c');
    await runCommand('gcc', ['-Os', '-static', '-s', '-o', join(root, 'sandbox'), source]);
    await packImage({ name: PAUSE_IMAGE, root, entrypoint: ['/sandbox'], archive });
  });
  return archive;
}

async function agnhostImage(directory: string): Promise<string> {
  const archive = join(directory, 'agnhost.tar');
  const porter = join(await kubernetesSources(), 'test/images/agnhost/porter');
  await withRoot(directory, async (root) => {
    await copyFile(await built('agnhost'), join(root, 'agnhost'));
    // For its TLS servers; they stand at the root of the original image.
    for (const file of ['localhost.crt', 'localhost.key']) await copyReadable(join(porter, file), join(root, file));
    for (const tool of TOOLS) await addTool(root, tool);
    await symlink('dash', join(root, 'bin/sh'));
    await mkdir(join(root, 'etc'));
    await mkdir(join(root, 'tmp'), { mode: 0o1777 });
    await packImage({ name: AGNHOST_IMAGE, root, entrypoint: ['/agnhost'], arguments: ['pause'], archive });
  });
  return archive;
}

async function corednsImage(directory: string): Promise<string> {
  const archive = join(directory, 'coredns.tar');
  await withRoot(directory, async (root) => {
    await copyFile(await built('coredns'), join(root, 'coredns'));
    await mkdir(join(root, 'tmp'), { mode: 0o1777 });
    await packImage({ name: COREDNS_IMAGE, root, entrypoint: ['/coredns'], archive });
  });
  return archive;
}

async function withRoot(directory: string, fill: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(directory, 'root-'));
  try {
    await chmod(root, 0o755);
    await mkdir(join(root, 'bin'));
    await fill(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** The program as /bin/NAME, and the libraries that it is linked with where they are here. */
async function addTool(root: string, tool: string): Promise<void> {
  const path = (await runCommand('sh', ['-c', 'command -v -- "$(which "$0")"', tool])).trim();
  await cp(path, join(root, 'bin', tool), { dereference: true });
  for (const library of await librariesOf(path)) {
    const target = join(root, library);
    if (existsSync(target)) continue;
    await mkdir(dirname(target), { recursive: true });
    await cp(library, target, { dereference: true });
  }
}

async function librariesOf(program: string): Promise<readonly string[]> {
  const text = await runCommand('sh', ['-c', 'ldd "$0" || true', program]);
  return [...text.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
}

async function copyReadable(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o644);
}
