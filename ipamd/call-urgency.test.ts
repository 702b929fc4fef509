import { describe, expect, it } from '@jest/globals';
import { urgencyOf } from './call-urgency.ts';

describe('urgencyOf', () => {
  it.each([
    ['pods-waiting', 0, 'urgent'],
    ['below-warm-eni-target', 1, 'urgent'],
    ['below-warm-eni-target', 0, 'patient'],
    ['verify', 3, 'urgent'],
    ['verify', 0, 'usual'],
    ['start', 0, 'usual'],
    ['leaked-interfaces', 9, 'usual'],
    ['interface-not-needed', 9, 'patient'],
    ['delete-interface', 9, 'patient'],
    ['second-look', 9, 'usual'],
    ['subnet-tags', 9, 'usual'],
  ])('a call for %s while %i pods wait: %s', (cause, waiting, urgency) => {
    expect(urgencyOf(cause, waiting)).toBe(urgency);
  });
});
