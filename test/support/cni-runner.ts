/** Executes a CNI plugin chain the way libcni does: one process a plugin, configuration on standard input. */
import { run } from './command.ts';

export interface CniOutcome {
  readonly ok: boolean;
  /** The printed document: result or error. */
  readonly document: Record<string, unknown>;
  readonly tookMs: number;
  readonly stderr: string;
}

interface Conflist {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly object[];
}

export async function runCni(call: {
  readonly binary: string;
  readonly conflist: object;
  readonly env: Readonly<Record<string, string>>;
  readonly prevResult?: unknown;
}): Promise<CniOutcome> {
  const { cniVersion, name, plugins } = call.conflist as Conflist;
  const stdin = JSON.stringify({
    ...plugins[0],
    cniVersion,
    name,
    ...(call.prevResult === undefined ? {} : { prevResult: call.prevResult }),
  });
  const from = performance.now();
  const { code, stdout, stderr } = await run(call.binary, [], {
    stdin,
    env: { PATH: process.env['PATH'], ...call.env },
  });
  const tookMs = performance.now() - from;
  return {
    ok: code === 0,
    document: stdout.trim() === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>),
    tookMs,
    stderr,
  };
}
