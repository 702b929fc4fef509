import { expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Timeline } from './timeline.ts';

it('runs what is arranged in order of time, and at one time as it was arranged, also by what runs', () => {
  const delays = fc.array(fc.record({ at: fc.nat(20), later: fc.array(fc.nat(20), { maxLength: 4 }) }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(delays, (list) => {
      const timeline = new Timeline();
      const arranged: { at: number; order: number }[] = [];
      const ran: { at: number; order: number }[] = [];
      const arrange = (time: number, later: readonly number[]): void => {
        const event = { at: Math.max(timeline.now, time), order: arranged.length };
        arranged.push(event);
        timeline.at(time, () => {
          expect(timeline.now).toBe(event.at);
          ran.push(event);
          for (const delay of later) arrange(timeline.now + delay - 5, []);
        });
      };
      for (const { at, later } of list) arrange(at, later);
      while (timeline.nextAt < Infinity) timeline.step();
      expect(ran).toEqual(arranged.toSorted((a, b) => a.at - b.at || a.order - b.order));
      timeline.step();
      expect(ran.length).toBe(arranged.length);
    }),
  );
});
