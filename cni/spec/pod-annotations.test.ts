import { describe, expect, it } from '@jest/globals';
import { parseConfig } from './config.ts';

const parsed = (runtimeConfig: unknown, isAdd = true) =>
  parseConfig(JSON.stringify({ cniVersion: '1.0.0', name: 'n', type: 't', runtimeConfig }), { isAdd }).podAnnotations;
const KEY = 'io.kubernetes.cri.pod-annotations';

describe('annotations of a pod in runtimeConfig', () => {
  it.each([
    [undefined, undefined],
    [{}, undefined],
    // What containerd writes for a pod without any.
    [{ [KEY]: null }, undefined],
    [{ [KEY]: {} }, {}],
    [{ [KEY]: { a: 'b', 'c.d/e': '' } }, { a: 'b', 'c.d/e': '' }],
  ])('%j are %j', (runtimeConfig, expected) => {
    expect(parsed(runtimeConfig)).toEqual(expected);
  });

  it.each([
    [{ [KEY]: 'a' }, `runtimeConfig.${KEY}: "a"`],
    [{ [KEY]: [] }, `runtimeConfig.${KEY}`],
    [{ [KEY]: { a: null } }, `runtimeConfig.${KEY}.a: null`],
  ])('%j is refused for ADD, and keeps no pod from being deleted', (runtimeConfig, msg) => {
    expect(() => parsed(runtimeConfig)).toThrow(msg);
    expect(parsed(runtimeConfig, false)).toBeUndefined();
  });
});
