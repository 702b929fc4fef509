/** What a figure belongs to: the machine, and the versions that ran on it. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import type { CniBinary } from '#tools/build-cni.ts';
import type { DaemonBuild } from '#tools/build-ipamd.ts';
import { apiServerName } from './daemon/api-server.ts';

export interface Machine {
  readonly processors: number;
  readonly model: string;
  readonly memoryMb: number;
  readonly kernel: string;
  /** One-minute load when the benchmarks began: figures of a busy machine are ratios at best. */
  readonly loadAtStart: number;
  /** The same when they ended; what they do themselves is in it. */
  readonly loadAtEnd: number;
}

export interface Versions {
  readonly wellspring: string;
  readonly node: string;
  readonly cniBinary: { readonly kind: string; readonly bytes: number };
  /** The release: one file for the process that stays, beside those that it starts. */
  readonly daemon: { readonly kind: 'bundle'; readonly bytes: number };
  /** What the daemon of the part `daemon` watches: `kube-apiserver VERSION`, or `played`. */
  readonly apiServer: string;
}

/** `loadAtStart` is that of now. */
export function machine(): Omit<Machine, 'loadAtEnd'> {
  const processors = cpus();
  return {
    processors: processors.length,
    model: processors[0]?.model ?? 'unknown',
    memoryMb: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    loadAtStart: load(),
  };
}

/** Of the last minute. */
export function load(): number {
  return Number((loadavg()[0] ?? 0).toFixed(2));
}

export function versions({ kind, bytes }: CniBinary, { programs }: DaemonBuild): Versions {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return {
    wellspring: version,
    node: process.version,
    cniBinary: { kind, bytes },
    daemon: { kind: 'bundle', bytes: programs['ipamd.cjs'] ?? 0 },
    apiServer: apiServerName(),
  };
}
