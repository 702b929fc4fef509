/** Work that Ctrl-C ends in good order: nothing is printed, and the exit status says by which signal, as shells have it. */
import { Failure, type FailureText } from './failure.ts';

const STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs `work` with a signal that SIGINT and SIGTERM abort. What `work` gives or throws after that is dropped, and Failure with
 * `said()` is thrown in its place. A second signal ends the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>, said: () => FailureText): Promise<T> {
  const aborted = new AbortController();
  let status: 130 | 143 | undefined;
  const onSignal = (name: keyof typeof STATUS): void => {
    status ??= STATUS[name];
    aborted.abort();
  };
  const outcome = await withSignals(onSignal, async () => {
    try {
      return { kind: 'done', value: await work(aborted.signal) } as const;
    } catch (error) {
      return { kind: 'failed', error } as const;
    }
  });
  if (status !== undefined) throw new Failure(status, said());
  if (outcome.kind === 'failed') throw outcome.error;
  return outcome.value;
}

async function withSignals<T>(onSignal: (name: keyof typeof STATUS) => void, work: () => Promise<T>): Promise<T> {
  const interrupt = (): void => onSignal('SIGINT');
  const terminate = (): void => onSignal('SIGTERM');
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', terminate);
  try {
    return await work();
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', terminate);
  }
}
