/**
 * The time by which a node keeps cool-downs, back-offs and ages. It is set by the wall clock once a boot and then goes on
 * with the time since the boot, through restarts of the daemon: a clock that is set, forward or back, must neither end an
 * address's rest early nor prolong it.
 */
import type { Clock } from '#cloud/decorate/clock.ts';

/** What the journal says of the time. */
export interface RememberedTime {
  /** Milliseconds since the epoch at which the node booted, as it reckons; undefined in the first start of a boot. */
  readonly bootedAt: number | undefined;
  /** The latest time of which the journal knows: that of the node never goes back behind it. */
  readonly latest: number;
}

export interface NodeTime {
  /** `clock`, with the node's time for its wall time. */
  readonly clock: Clock;
  readonly bootedAt: number;
}

export function nodeTime(clock: Clock, remembered: RememberedTime): NodeTime {
  const bootedAt = Math.round(bootTime(clock, remembered));
  return {
    bootedAt,
    clock: {
      now: () => clock.now(),
      wallTime: () => Math.round(bootedAt + clock.upTime()),
      upTime: () => clock.upTime(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      after: (ms, work) => clock.after(ms, work),
      soon: (work) => clock.soon(work),
      deadline: (ms) => clock.deadline(ms),
    },
  };
}

function bootTime(clock: Clock, { bootedAt, latest }: RememberedTime): number {
  // A container's own uptime may begin anew within a boot.
  return Math.max(bootedAt ?? clock.wallTime() - clock.upTime(), latest - clock.upTime());
}
