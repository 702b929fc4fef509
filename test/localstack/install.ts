/**
 * LocalStack as a Python package, in a virtual environment of its own outside of the repository: no Docker, no account.
 * The versions are the newest free ones; without the upper bounds pip resolves to packages they do not start with.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const INSTALL_MS = 10 * 60_000;
const BOUNDS = ['cbor2<6', 'localstack-twisted<26', 'pyopenssl<26'];
/** Later cores are written in the syntax of Python 3.12, whatever their metadata says. */
const RELEASES = {
  old: { version: '4.13.1', packages: ['localstack-core[base-runtime]==4.13.1', 'moto-ext[ec2]==5.1.20.post22'] },
  new: { version: '2026.3.0', packages: ['localstack-core[base-runtime]==2026.3.0', 'moto-ext[ec2]==5.1.25'] },
} as const;
const CANDIDATES = ['python3', 'python3.13', 'python3.12', 'python3.11'];

export interface Python {
  readonly command: string;
  /** Of `3.N`. */
  readonly minor: number;
}

/** A Python of 3.11 or newer that can make virtual environments; undefined where there is none. */
export async function findPython(signal: AbortSignal): Promise<Python | undefined> {
  for (const command of CANDIDATES) {
    const minor = await minorOf(command, signal);
    if (minor !== undefined && minor >= 11) return { command, minor };
  }
  return undefined;
}

async function minorOf(command: string, signal: AbortSignal): Promise<number | undefined> {
  const script = 'import sys, venv, ensurepip; print(*sys.version_info[:2])';
  try {
    const { stdout } = await run(command, ['-c', script], { timeout: 20_000, signal });
    const [major, minor] = stdout.trim().split(' ').map(Number);
    return major === 3 ? minor : undefined;
  } catch {
    // Not there, or without venv (Debian's python3-venv): the next one may do.
    signal.throwIfAborted();
    return undefined;
  }
}

/** What runs LocalStack: made on the first call, found on later ones. Rejects with pip's words where it cannot be made. */
export async function provideLocalStack(
  python: Python,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<{ readonly python: string; readonly version: string }> {
  const { version, packages } = RELEASES[python.minor >= 12 ? 'new' : 'old'];
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const place = join(cache, 'wellspring', `localstack-${version}-python-3.${String(python.minor)}`);
  const found = { python: join(place, 'bin', 'python'), version };
  if (existsSync(found.python)) return found;
  say(`installing LocalStack ${version} into ${place} (once; about a minute) ...`);
  // Under another name until it is complete: what a broken installation leaves is never taken for a whole one.
  const making = `${place}.${String(process.pid)}`;
  const began = performance.now();
  try {
    await mkdir(dirname(place), { recursive: true });
    await run(python.command, ['-m', 'venv', making], { timeout: INSTALL_MS, signal });
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages, ...BOUNDS];
    await run(join(making, 'bin', 'python'), pip, { timeout: INSTALL_MS, signal });
    await rename(making, place).catch((error: unknown) => {
      // Another run was quicker.
      if (!existsSync(found.python)) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  say(`installed in ${seconds(began)}`);
  return found;
}

/** Since a time of the monotonic clock, for people. */
export function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
