import { describe, expect, it } from '@jest/globals';
import { isUrgent } from './call-urgency.ts';

describe('isUrgent', () => {
  it.each([
    ['pods-waiting', 0, true],
    ['below-warm-eni-target', 1, true],
    ['below-warm-eni-target', 0, false],
    ['verify', 3, true],
    ['start', 0, false],
    ['leaked-interfaces', 9, false],
    ['interface-not-needed', 9, false],
    ['second-look', 9, false],
    ['subnet-tags', 9, false],
  ])('a call for %s while %i pods wait: %s', (cause, waiting, urgent) => {
    expect(isUrgent(cause, waiting)).toBe(urgent);
  });
});
