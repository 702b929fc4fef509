/** What the CNI program asks of whoever runs it: a compiled C host or Node. The program itself does nothing else. */
import type { CniEnvironment } from './protocol/messages.ts';
import type { ProtocolErrorCode } from './protocol/errors.ts';

/** Everything the program is told at its start. */
export interface CallInput {
  readonly env: CniEnvironment;
  readonly stdin: StdinOutcome;
  /** A fresh random text, to find this call in the daemon's log. */
  readonly id: string;
}

export type StdinOutcome =
  | { readonly kind: 'read'; readonly text: string }
  /** `reason`: `too-large`, `not-utf8`, or the name of an errno. */
  | { readonly kind: 'failed'; readonly reason: string };

/** The next thing to do. `next` gives the one after it. */
export type Step = Exit | ExchangeStep | SpoolStep | WaitStep;

/** Write `stdout`, leave with `exitCode`. */
export interface Exit {
  readonly kind: 'exit';
  readonly exitCode: 0 | 1;
  readonly stdout: string;
}

/** Send `text` as one frame to the unix socket, wait for one frame, all within `timeoutMs`. */
export interface ExchangeStep {
  readonly kind: 'exchange';
  readonly socketPath: string;
  readonly text: string;
  readonly timeoutMs: number;
  readonly next: (outcome: ExchangeOutcome) => Step;
}

export type ExchangeOutcome =
  | { readonly kind: 'answered'; readonly text: string }
  | { readonly kind: 'failed'; readonly code: ProtocolErrorCode; readonly reason: string };

/**
 * Write `text` to `directory`/`name` so that it survives a crash: temporary file, fsync, rename, fsync of the directory.
 * The directory is made (0700) where it is missing, the file has mode 0600 and replaces an older one.
 */
export interface SpoolStep {
  readonly kind: 'spool';
  readonly directory: string;
  readonly name: string;
  readonly text: string;
  readonly next: (outcome: SpoolOutcome) => Step;
}

/** Do nothing for `ms`. */
export interface WaitStep {
  readonly kind: 'wait';
  readonly ms: number;
  readonly next: () => Step;
}

export type SpoolOutcome = { readonly kind: 'written' } | { readonly kind: 'failed'; readonly reason: string };
