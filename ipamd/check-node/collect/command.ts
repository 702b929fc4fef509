/** Runs a program of the node, with a limit of time and of what is kept of its output. */
import { execFile, type ExecFileException } from 'node:child_process';
import type { Known } from '../facts.ts';

const LIMIT_MS = 10_000;
const MOST_BYTES = 64 * 1024 * 1024;

export function output(
  command: readonly string[],
  options: { readonly timeoutMs?: number } = {},
): Promise<Known<string>> {
  const [program = '', ...args] = command;
  return new Promise((resolve) => {
    const limits = { timeout: options.timeoutMs ?? LIMIT_MS, maxBuffer: MOST_BYTES, encoding: 'utf8' as const };
    execFile(program, args, limits, (error, stdout, stderr) => {
      if (error === null) resolve({ value: stdout });
      else resolve({ unknown: reason(program, error, stderr) });
    });
  });
}

function reason(program: string, error: ExecFileException, stderr: string): string {
  if (error.code === 'ENOENT') return `there is no program ${program} here`;
  if (error.killed === true) return `${program} did not end in time`;
  return `${program}: ${stderr.trim().split('\n')[0] || error.message}`;
}
