/**
 * cnitool, the program of the CNI project that calls plugins as a runtime does, built from its Go module into a cache outside
 * the repository. Twenty seconds once; later runs find it. The only real caller of CHECK and GC.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { missing } from '#test/support/needs.ts';

const VERSION = 'v1.3.0';
const BUILD_TIMEOUT_MS = 180_000;

/** Where the program is, or why it cannot be had here. */
export type Cnitool = { readonly path: string } | { readonly lacking: string };

/** Synchronous, because what cannot run must be known where suites are declared. */
export function provideCnitool(): Cnitool {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const directory = join(cache, 'wellspring', `cnitool-${VERSION.slice(1)}`);
  const path = join(directory, 'cnitool');
  if (existsSync(path)) return { path };
  const lacking = missing('go');
  if (lacking !== '') return { lacking };
  mkdirSync(directory, { recursive: true });
  const workshop = mkdtempSync(join(directory, 'build-'));
  const go = (...args: readonly string[]): void => {
    execFileSync('nice', ['-n', '15', 'go', ...args], {
      cwd: workshop,
      env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod -buildvcs=false' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: BUILD_TIMEOUT_MS,
    });
  };
  try {
    writeFileSync(join(workshop, 'go.mod'), 'module wellspring.dev/cnitool\n');
    go('get', `github.com/containernetworking/cni/cnitool@${VERSION}`);
    go('build', '-trimpath', '-o', 'cnitool', 'github.com/containernetworking/cni/cnitool');
    renameSync(join(workshop, 'cnitool'), path);
    return { path };
  } catch (error) {
    // Without the module proxy there are no sources, which is no fault of the code under test.
    return { lacking: `cnitool, which cannot be built: ${(error as Error).message.split('\n').slice(0, 3).join(' ')}` };
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}
