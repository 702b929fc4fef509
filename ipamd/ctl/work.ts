/** Commands that do their work on this node, or on a file, rather than ask the daemon one question. */
import type { Paint } from './output.ts';

export interface WorkContext {
  /** Introspection socket. */
  readonly socket: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly now: () => number;
}

export interface Worked {
  /** What JSON and YAML print. */
  readonly answer: unknown;
  /** For people. */
  readonly show: (paint: Paint) => string;
  /** What standard output gets; the answer then goes to standard error. */
  readonly bytes?: Uint8Array;
  /** 3: it was answered, and something is wrong with what was looked at. */
  readonly exitCode: 0 | 3;
}

/** Takes `--socket PATH` out of a command line that a command reads by itself; undefined where it is not given. */
export function withoutSocket(argv: readonly string[]): {
  readonly socket: string | undefined;
  readonly rest: readonly string[];
} {
  const rest: string[] = [];
  let socket: string | undefined;
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    if (word === '--socket') {
      at += 1;
      socket = argv[at];
    } else if (word.startsWith('--socket=')) socket = word.slice('--socket='.length);
    else rest.push(word);
  }
  return { socket, rest };
}
