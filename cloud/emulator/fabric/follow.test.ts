import { describe, expect, it } from '@jest/globals';
import { follow } from './follow.ts';
import type { FabricState } from './state.ts';
import { EMPTY_STATE } from './state.ts';

/** A source whose state is a number of subnets, and a fabric that applies slowly and can be told to fail. */
function world() {
  const listeners = new Set<() => void>();
  const applied: number[] = [];
  const errors: string[] = [];
  let value = 0;
  let busy = 0;
  let failing = false;
  const state = (): FabricState => ({
    ...EMPTY_STATE,
    subnets: Array.from({ length: value }, (_, index) => ({ id: String(index), cidr: '' })),
  });
  return {
    applied,
    errors,
    listeners,
    set: (next: number): void => {
      value = next;
      for (const listener of listeners) listener();
    },
    fail: (now: boolean): void => void (failing = now),
    source: {
      read: state,
      onChange: (listener: () => void) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    fabric: {
      apply: async (wanted: FabricState): Promise<void> => {
        busy += 1;
        if (busy > 1) throw new Error('two at a time');
        await new Promise((resolve) => setImmediate(resolve));
        busy -= 1;
        if (failing) throw new Error('refused');
        applied.push(wanted.subnets.length);
      },
    },
    onError: (error: Error): void => void errors.push(error.message),
  };
}

describe('follow', () => {
  it('applies the state at once, and a burst of changes as one', async () => {
    const w = world();
    await using following = follow(w.source, w.fabric, w.onError);
    await following.settled();
    for (const value of [1, 2, 3]) w.set(value);
    await following.settled();
    expect({ applied: w.applied, errors: w.errors }).toEqual({ applied: [0, 3], errors: [] });
  });

  it('applies what changed meanwhile, one apply at a time, and ends with the last state', async () => {
    const w = world();
    await using following = follow(w.source, w.fabric, w.onError);
    for (const value of [1, 2, 3, 4]) {
      await new Promise((resolve) => setImmediate(resolve));
      w.set(value);
    }
    await following.settled();
    expect(w.applied.at(-1)).toBe(4);
    expect(w.errors).toEqual([]);
  });

  it('reports a failure and tries again with the next change', async () => {
    const w = world();
    await using following = follow(w.source, w.fabric, w.onError);
    await following.settled();
    w.fail(true);
    w.set(1);
    await following.settled();
    w.fail(false);
    w.set(2);
    await following.settled();
    expect({ applied: w.applied, errors: w.errors }).toEqual({ applied: [0, 2], errors: ['refused'] });
  });

  it('stops listening when it is disposed of, after what is under way', async () => {
    const w = world();
    const following = follow(w.source, w.fabric, w.onError);
    await following.settled();
    w.set(1);
    await following[Symbol.asyncDispose]();
    const then = [...w.applied];
    w.set(2);
    await following.settled();
    expect(w.listeners.size).toBe(0);
    expect(w.applied).toEqual(then);
  });
});
