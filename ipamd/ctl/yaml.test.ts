import { describe, expect, it } from '@jest/globals';
import { loadYaml } from '@kubernetes/client-node';
import * as fc from 'fast-check';
import { yaml } from './yaml.ts';

describe('yaml', () => {
  it('looks as people write it', () => {
    const value = {
      pods: [{ name: 'web', addresses: ['10.0.0.1'], since: null, none: [], empty: {} }],
      count: 1,
      on: 'on',
    };
    expect(yaml(value)).toBe(
      'pods:\n  - name: web\n    addresses:\n      - "10.0.0.1"\n    since: null\n    none: []\n    empty: {}\ncount: 1\n"on": "on"\n',
    );
    expect(yaml([['a', ['b']], 'no'])).toBe('- - a\n  - - b\n- "no"\n');
    expect(yaml('')).toBe('""\n');
  });

  it('another reader reads the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        expect(loadYaml(yaml({ value }))).toEqual(JSON.parse(JSON.stringify({ value })));
      }),
    );
  });
});
