/** The document of a run, and how it is shown. */
import { table } from '#ipamd/ctl/table.ts';
import type { Figure } from './figures.ts';
import type { Machine, Versions } from './machine.ts';
import { isLowerBound, type Reach } from './reach.ts';

export interface Report {
  readonly machine: Machine;
  readonly versions: Versions;
  readonly results: readonly Figure[];
  readonly reach: readonly Reach[];
}

/** For a terminal. */
export function renderText({ machine, versions, results, reach }: Report): string {
  const figures = table(
    [
      ['FIGURE', 'id'],
      ['UNIT', 'unit'],
      ['N', 'n'],
      ['P10', 'p10'],
      ['P50', 'p50'],
      ['P99', 'p99'],
    ],
    results.map((result) => ({ ...result })),
  );
  const reached = table(
    [
      ['TO REACH', 'id'],
      ['WANT', 'want'],
      ['GOT', 'got'],
      ['REACHED', 'ok'],
    ],
    reach.map((one) => ({ ...wordsOf(one) })),
  );
  return [figures, reached, ...about({ machine, versions }), ''].join('\n');
}

/** For docs/benchmarks.md. */
export function renderMarkdown({ machine, versions, results, reach }: Report): string {
  const reached = reach.map(wordsOf).map(({ id, want, got, ok }) => [code(id), want, got, ok]);
  const figures = results.map(({ id, unit, n, p10, p50, p99 }) => [code(id), unit, n, p10, p50, p99]);
  return [
    about({ machine, versions }).join('\n'),
    markdownTable(['to reach', 'want', 'got', 'reached'], reached),
    markdownTable(['figure', 'unit', 'n', 'p10', 'p50', 'p99'], figures),
    '',
  ].join('\n\n');
}

/** A document that `--json` printed. Throws where it is something else. */
export function parseReport(text: string): Report {
  const value: unknown = JSON.parse(text);
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const missing = ['machine', 'versions', 'results', 'reach'].filter((key) => !keys.includes(key));
  if (missing.length > 0) throw new Error(`this is no document of a run: it has no ${missing.join(', ')}`);
  return value as Report;
}

function wordsOf({ id, want, got, ok }: Reach) {
  return { id, want: `${isLowerBound(id) ? '>=' : '<='} ${want}`, got: got ?? 'not measured', ok: ok ? 'yes' : 'no' };
}

function about({ machine, versions }: Pick<Report, 'machine' | 'versions'>): readonly string[] {
  const { processors, model, memoryMb, kernel, loadAtStart, loadAtEnd } = machine;
  const { kind, bytes } = versions.cniBinary;
  return [
    `${processors} x ${model}, ${memoryMb} MB, Linux ${kernel}, load ${loadAtStart} at the start and ${loadAtEnd} at the end`,
    `Wellspring ${versions.wellspring}, Node ${versions.node}, CNI binary ${kind} of ${bytes} bytes, ipamd bundled to ${versions.daemon.bytes} bytes, API server ${versions.apiServer}`,
  ];
}

function code(id: string): string {
  return `\`${id}\``;
}

function markdownTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
