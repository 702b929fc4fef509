import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '#cloud/decorate/testing/manual-clock.ts';
import { createLog } from '../observe/log.ts';
import { MemoryRest } from './memory-rest.ts';

const log = createLog({ level: 'error', destination: 'stderr' });

function setUp(giveBack: () => Promise<void> = () => Promise.resolve()) {
  const clock = new ManualClock();
  const at: number[] = [];
  let change = (): void => undefined;
  const rest = new MemoryRest({
    pool: { onChange: (listener) => void (change = listener) },
    clock,
    giveBack: () => (at.push(clock.now()), giveBack()),
    log,
  });
  return { clock, at, rest, change: () => change() };
}

describe('MemoryRest', () => {
  it('gives back once after each burst, and has no timer while nothing happens', async () => {
    const { clock, at, change } = setUp();
    await clock.advance(60_000);
    expect(at).toHaveLength(1);
    expect(clock.sleeping).toBe(0);
    for (let i = 0; i < 30; i += 1) {
      change();
      await clock.advance(1000);
    }
    expect(at).toHaveLength(1);
    await clock.advance(600_000);
    expect(at).toHaveLength(2);
    expect(at[1]).toBeLessThanOrEqual(60_000 + 30_000 + 10_000);
    expect(clock.sleeping).toBe(0);
  });

  it('is not stopped by a failure, and is by its end', async () => {
    const { clock, at, change, rest } = setUp(() => Promise.reject(new Error('no such function')));
    await clock.advance(20_000);
    change();
    await clock.advance(20_000);
    expect(at).toHaveLength(2);
    change();
    rest[Symbol.dispose]();
    change();
    await clock.advance(20_000);
    expect(at).toHaveLength(2);
    expect(clock.sleeping).toBe(0);
  });
});
