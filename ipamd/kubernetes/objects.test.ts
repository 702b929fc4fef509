import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { eniConfigFacts, nodeFacts, podFacts } from './objects.ts';
import { watchEvent } from './watch-event.ts';
import { ApiError } from './api-error.ts';

const TEXTS = (value: Readonly<Record<string, unknown>>) =>
  Object.values(value).every((each) => typeof each === 'string');

describe('facts of objects', () => {
  it('any value is read without an error, and gives what the types promise', () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.record({ metadata: fc.jsonValue(), spec: fc.jsonValue(), status: fc.jsonValue() }),
      fc.record({
        metadata: fc.record({ name: fc.jsonValue(), labels: fc.jsonValue(), annotations: fc.jsonValue() }),
        spec: fc.record({ taints: fc.jsonValue(), securityGroups: fc.jsonValue() }),
        status: fc.record({ capacity: fc.record({ pods: fc.jsonValue() }), conditions: fc.jsonValue() }),
      }),
    );
    fc.assert(
      fc.property(anything, (object) => {
        const node = nodeFacts(object);
        if (node !== undefined) {
          expect(TEXTS(node.labels) && TEXTS(node.annotations) && TEXTS(node.conditions)).toBe(true);
          expect(node.podCapacity === undefined || Number.isSafeInteger(node.podCapacity)).toBe(true);
        }
        const eniConfig = eniConfigFacts(object);
        if (eniConfig !== undefined)
          expect(eniConfig.securityGroupIds.every((id) => typeof id === 'string')).toBe(true);
        const pod = podFacts(object);
        if (pod !== undefined) expect(TEXTS(pod.annotations)).toBe(true);
      }),
    );
  });

  it.each([
    ['110', 110],
    [110, 110],
    ['1k', 1000],
    ['0', 0],
    ['-1', undefined],
    ['1.5', undefined],
    ['', undefined],
    [null, undefined],
  ])('capacity for pods %j is %j', (pods, expected) => {
    expect(nodeFacts({ metadata: { name: 'n' }, status: { capacity: { pods } } })?.podCapacity).toBe(expected);
  });
});

describe('watchEvent', () => {
  it('any line is an event or an ApiError', () => {
    const type = fc.constantFrom('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR', 'OTHER');
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ type, object: fc.jsonValue() })), (line) => {
        try {
          expect(['put', 'removed', 'bookmark']).toContain(watchEvent(line).kind);
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError);
        }
      }),
    );
  });

  it('an expired version is 410', () => {
    const line = { type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } };
    expect(() => watchEvent(line)).toThrow(expect.objectContaining({ kind: 'refused', status: 410 }));
  });
});
