/** The CNI program under the C host (host.c), which calls with its functions in the global `host`. */
import { MAX_FRAME_BYTES } from '../protocol/messages.ts';
import { pickEnvironment, run } from '../run.ts';
import { MAX_STDIN_BYTES } from '../spec/config.ts';
import type { ExchangeOutcome, SpoolOutcome, StdinOutcome, Step } from '../step.ts';

/** What host.c offers. All are synchronous. */
interface NativeHost {
  readonly id: () => string;
  readonly getenv: (name: string) => string | undefined;
  readonly readStdin: (maxBytes: number) => StdinOutcome;
  readonly exchange: (socketPath: string, text: string, timeoutMs: number, maxAnswerBytes: number) => ExchangeOutcome;
  readonly wait: (ms: number) => void;
  readonly spool: (directory: string, name: string, text: string) => SpoolOutcome;
  /** Writes standard output and ends the process. */
  readonly exit: (stdout: string, exitCode: number) => never;
}

declare const host: NativeHost;

let step: Step = run({ env: pickEnvironment(host.getenv), stdin: host.readStdin(MAX_STDIN_BYTES), id: host.id() });
for (;;) {
  switch (step.kind) {
    case 'exit':
      host.exit(step.stdout, step.exitCode);
    case 'exchange':
      step = step.next(host.exchange(step.socketPath, step.text, step.timeoutMs, MAX_FRAME_BYTES));
      break;
    case 'wait':
      host.wait(step.ms);
      step = step.next();
      break;
    case 'spool':
      step = step.next(host.spool(step.directory, step.name, step.text));
      break;
    default:
      step satisfies never;
  }
}
