import { describe, expect, it } from '@jest/globals';
import { figure } from './figures.ts';
import { atLeast, atMost } from './reach.ts';
import { parseReport, renderMarkdown, renderText, type Report } from './report.ts';

const report: Report = {
  machine: { processors: 2, model: 'any', memoryMb: 1, kernel: '6.1', loadAtStart: 0.5, loadAtEnd: 1.5 },
  versions: {
    wellspring: '0.1.0',
    node: 'v26.0.0',
    cniBinary: { kind: 'script', bytes: 10 },
    daemon: { kind: 'bundle', bytes: 20 },
    apiServer: 'played',
  },
  results: [figure('a/b', 'ms', [1, 2, 3]) ?? never()],
  reach: [atMost('daemon.start', 1000, 400), atLeast('traffic.stream-vs-plain', 0.9, 0.8), atMost('x', 1, undefined)],
};

function never(): never {
  throw new Error('there are samples');
}

describe('a report', () => {
  it('is Markdown that says of each bound which way it goes', () => {
    const text = renderMarkdown(report);
    expect(text).toContain('| `daemon.start` | <= 1000 | 400 | yes |');
    expect(text).toContain('| `traffic.stream-vs-plain` | >= 0.9 | 0.8 | no |');
    expect(text).toContain('| `x` | <= 1 | not measured | no |');
    expect(text).toContain('| `a/b` | ms | 3 | 1 | 2 | 3 |');
  });

  it('shows the same in both forms, and the load of the machine', () => {
    for (const text of [renderText(report), renderMarkdown(report)])
      expect(text).toMatch(
        /load 0\.5 at the start and 1\.5 at the end[^]*API server played|API server played[^]*load 0\.5/,
      );
  });

  it('comes back from its JSON, and nothing else is taken for one', () => {
    expect(parseReport(JSON.stringify(report))).toEqual(report);
    expect(() => parseReport('{"results":[]}')).toThrow('it has no machine, versions, reach');
    expect(() => parseReport('null')).toThrow('it has no machine');
  });
});

describe('a lower bound', () => {
  it('must be known as one, or it would be shown as an upper one', () => {
    expect(() => atLeast('daemon.start', 1, 2)).toThrow('LOWER_BOUNDS');
  });
});
