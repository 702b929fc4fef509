import type { FabricState } from './state.ts';

/** Where a fabric's state comes from: the emulator in this process, or an EC2 endpoint that is polled. */
export interface FabricSource {
  /** The state now. */
  read(): FabricState | Promise<FabricState>;
  /** Calls the listener after every change (more often is harmless); returns how to stop that. */
  onChange(listener: () => void): () => void;
}

/** What `follow` needs of a fabric. */
export interface FabricTarget {
  apply(state: FabricState): Promise<void>;
}

export interface Following {
  /** Resolves when the fabric shows every change made before the call, or has failed to (see `onError`). */
  settled(): Promise<void>;
  /** Stops listening and waits for the change under way. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Applies the source's state to the fabric, now and after every change: one `apply` at a time, changes that come
 * meanwhile taken together. What `read` or `apply` throws goes to `onError`; the next change tries again.
 */
export function follow(source: FabricSource, fabric: FabricTarget, onError: (error: Error) => void): Following {
  let stale = false;
  let stopped = false;
  let running: Promise<void> | undefined;
  const catchUp = async (): Promise<void> => {
    // One turn of the event loop, so that a burst of changes becomes one apply.
    await Promise.resolve();
    while (stale && !stopped) {
      stale = false;
      try {
        await fabric.apply(await source.read());
      } catch (error) {
        onError(error instanceof Error ? error : new Error(String(error), { cause: error }));
      }
    }
    running = undefined;
  };
  const changed = (): void => {
    stale = true;
    running ??= catchUp();
  };
  const stop = source.onChange(changed);
  changed();
  return {
    settled: async () => await running,
    [Symbol.asyncDispose]: async () => {
      stopped = true;
      stop();
      await running;
    },
  };
}
