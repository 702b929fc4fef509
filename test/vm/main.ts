/**
 * `npm run test:vm`: what this machine's kernel lacks (VLAN, IPVS), on Debian's kernel in a small virtual machine. Ends with the same
 * closing line as every lane; where there is no QEMU, with the count that it skipped.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { builtApiServer, builtKubeProxy } from '#test/kubernetes/build.ts';
import { missing } from '#test/support/needs.ts';
import { copyCheckout } from './checkout.ts';
import { BUSYBOX } from './initramfs.ts';
import { cacheDirectory, type GuestKernel, provideKernel } from './kernel.ts';
import { runInMachine, VIRTIOFSD } from './machine.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FOLDER = 'test/vm';
const MEMORY_MIB = 3072;
/** Five minutes where nothing else runs. */
const DEADLINE_MS = 45 * 60_000;
const HELP = `npm run test:vm [-- PATH ...]

Runs the tests of test/vm (or the given ones, test/kernel too) on Debian's kernel in a virtual machine. What they write
is gone with the machine. Needs root, qemu-system-x86, busybox-static and cpio, and Go once for what runs beside a real kube-proxy.
The processor is emulated: expect a tenth of the usual speed.
`;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function lacking(): readonly string[] {
  const files: readonly (readonly [string, boolean])[] = [
    ['busybox-static', existsSync(BUSYBOX)],
    ['virtiofsd (qemu-system-x86 or virtiofsd)', VIRTIOFSD.some((path) => existsSync(path))],
  ];
  const absent = files.filter(([, there]) => !there).map(([name]) => name);
  const tools = missing('root', 'qemu-system-x86_64', 'cpio', 'depmod', 'apt-get');
  return tools === '' ? absent : [tools, ...absent];
}

async function testFiles(): Promise<readonly string[]> {
  const files = await readdir(join(ROOT, FOLDER));
  return files.filter((file) => file.endsWith('.test.ts')).map((file) => join(FOLDER, file));
}

function jest(files: readonly string[], mounts: readonly string[]): string {
  const node = join(ROOT, 'node_modules', '.bin');
  const cache = dirname(dirname(cacheDirectory()));
  return [
    'set -o pipefail',
    ...mounts,
    `cd ${ROOT}`,
    `export CI=true PATH=${node}:$PATH WELLSPRING_IN_VM=1 HOME=/tmp XDG_CACHE_HOME=${cache}`,
    // Some twenty processes are started, each of which would strip and compile the same files, slowly.
    'export NODE_COMPILE_CACHE=/tmp/compiled',
    `node --experimental-vm-modules --no-warnings node_modules/jest/bin/jest.js --config test/vm/jest.config.mjs --runInBand ${files.join(' ')} 2>&1 | cat`,
  ].join(' && ');
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const files = positionals.length > 0 ? positionals : await testFiles();
  const absent = lacking();
  if (absent.length > 0) return skip(files.length, `this needs ${absent.join(', ')}`);
  let kernel: GuestKernel;
  try {
    kernel = await provideKernel(say);
  } catch (error) {
    return skip(files.length, `no kernel to be had: ${error instanceof Error ? error.message : String(error)}`);
  }
  await provideKubernetes();
  say(`starting Linux ${kernel.version} ...`);
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(name)));
  return await runInMachine({
    kernel,
    script: async (directory) => jest(files, await copyCheckout(ROOT, join(directory, 'checkout'))),
    memoryMib: MEMORY_MIB,
    onOutput: (text) => process.stdout.write(text),
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(DEADLINE_MS)]),
  });
}

/** Compiled here: on the emulated processor it would take hours. What is not there is a counted skip in the guest. */
async function provideKubernetes(): Promise<void> {
  if (missing('go') !== '') return;
  try {
    await builtApiServer();
    await builtKubeProxy();
  } catch (error) {
    say(`kube-apiserver and kube-proxy could not be built: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function skip(files: number, why: string): number {
  process.stdout.write(`${files} test files skipped: ${why}\n0 passed, 0 failed, ${files} skipped\n`);
  return 0;
}

process.exitCode = await main();
