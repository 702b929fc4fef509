import { expect, it } from '@jest/globals';
import { systemClock } from '#cloud/decorate/clock.ts';
import { nodeTime } from './node-time.ts';

/** A machine whose wall clock can be set, and that can boot. */
class Machine {
  wall = 1_000_000;
  up = 5000;
  readonly clock = { ...systemClock, wallTime: () => this.wall, upTime: () => this.up };

  pass(ms: number): void {
    this.wall += ms;
    this.up += ms;
  }
}

it('begins with the wall clock and does not follow when that is set', () => {
  const machine = new Machine();
  const { clock } = nodeTime(machine.clock, { bootedAt: undefined, latest: 0 });
  expect(clock.wallTime()).toBe(1_000_000);
  for (const step of [3_600_000, -7_200_000]) {
    machine.wall += step;
    machine.pass(10);
  }
  expect(clock.wallTime()).toBe(1_000_020);
});

it('goes on through a restart of the daemon', () => {
  const machine = new Machine();
  const { bootedAt } = nodeTime(machine.clock, { bootedAt: undefined, latest: 0 });
  machine.wall -= 500_000;
  machine.pass(70);
  const { clock } = nodeTime(machine.clock, { bootedAt, latest: 1_000_000 });
  expect(clock.wallTime()).toBe(1_000_070);
});

it('never goes behind the latest time that is known, after a reboot or where the uptime begins anew', () => {
  const machine = new Machine();
  machine.up = 0;
  const rebooted = nodeTime(machine.clock, { bootedAt: undefined, latest: 2_000_000 });
  expect(rebooted.clock.wallTime()).toBe(2_000_000);
  const reset = nodeTime(machine.clock, { bootedAt: 900_000, latest: 2_000_000 });
  expect(reset.clock.wallTime()).toBe(2_000_000);
  machine.pass(5);
  expect(reset.clock.wallTime()).toBe(2_000_005);
});
