/** The machine's clock, faster: what waits for a minute waits for a minute divided by `factor`. Wall time stays true. */
import { type Clock, systemClock } from '#cloud/decorate/clock.ts';

export function scaledClock(factor: number): Clock {
  return {
    now: () => systemClock.now() * factor,
    wallTime: () => systemClock.wallTime(),
    upTime: () => systemClock.upTime() * factor,
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
    after: (ms, work) => systemClock.after(ms / factor, work),
    soon: (work) => systemClock.soon(work),
    deadline: (ms) => systemClock.deadline(ms / factor),
  };
}
