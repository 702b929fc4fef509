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

/** One execution of the first plugin of a list. */
export interface CniCall {
  readonly binary: string;
  readonly conflist: object;
  readonly env: Readonly<Record<string, string>>;
  readonly prevResult?: unknown;
}

/** What the plugin is given on standard input. */
export function pluginInput({ conflist, prevResult }: Pick<CniCall, 'conflist' | 'prevResult'>): string {
  const { cniVersion, name, plugins } = conflist as Conflist;
  return JSON.stringify({ ...plugins[0], cniVersion, name, ...(prevResult === undefined ? {} : { prevResult }) });
}

export async function runCni(call: CniCall): Promise<CniOutcome> {
  const from = performance.now();
  const { code, stdout, stderr } = await run(call.binary, [], {
    stdin: pluginInput(call),
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
