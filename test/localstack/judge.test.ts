import { describe, expect, it } from '@jest/globals';
import { closingLine, judge, report } from './judge.ts';

const GAPS = { 'a › limits': { reason: 'knows no limits', failure: 'Resolved to value' } };
const fails = (check: string, failure: string) => ({ check, status: 'failed' as const, failure });
const passes = (check: string) => ({ check, status: 'passed' as const, failure: '' });

describe('the verdict of the LocalStack lane', () => {
  it('a known gap is expected, whatever colours its failure has', () => {
    const verdict = judge([passes('b'), fails('a › limits', '\u001b[31mResolved \u001b[0mto value: 3')], GAPS);
    expect(verdict).toEqual({
      passed: 1,
      skipped: 0,
      expected: [{ check: 'a › limits', reason: 'knows no limits' }],
      failed: [],
    });
    expect(report('LocalStack', verdict)).toBe(
      'LocalStack:\ngap   a › limits: knows no limits\n1 passed, 1 expected gaps, 0 failed, 0 skipped\n',
    );
    expect(closingLine([verdict, verdict])).toBe('2 passed, 0 failed, 0 skipped');
  });

  it('a gap that closes, another failure at its place, a new one and a name without a check each fail', () => {
    expect(judge([passes('a › limits')], GAPS).failed).toMatchObject([{ check: 'a › limits', kind: 'closed' }]);
    expect(judge([fails('a › limits', 'timeout')], GAPS).failed).toMatchObject([{ kind: 'new', text: 'timeout' }]);
    expect(judge([fails('b', 'Resolved to value')], GAPS).failed).toMatchObject([
      { check: 'b', kind: 'new' },
      { check: 'a › limits', kind: 'gone' },
    ]);
    expect(closingLine([judge([], GAPS)])).toBe('0 passed, 1 failed, 0 skipped');
  });

  it('a skipped check is neither passed nor a closed gap', () => {
    expect(judge([{ check: 'a › limits', status: 'skipped', failure: '' }], GAPS)).toMatchObject({
      skipped: 1,
      failed: [],
    });
  });
});
