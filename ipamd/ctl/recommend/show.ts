/** A recommendation for people. */
import type { Verdict } from '#warm-pool/recommend/yardstick.ts';
import { aligned, table } from '../table.ts';
import type { FrontierPoint, RecommendAnswer } from './answer.ts';
import type { ComparisonRow, Side } from './compare.ts';
import { seriesOf } from './chart.ts';
import type { Figures } from './figures.ts';

const count = (value: number): string => Math.round(value).toLocaleString('en-US');
const span = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

export function showRecommendation(answer: RecommendAnswer): string {
  const { workload, objective, podEvents, hours, seeds, runs, baseline } = answer;
  const size = `${count(baseline.nodes)} nodes, ${hours} h, ${count(podEvents)} pod events, ${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}`;
  return [
    `${workload}: ${size}; ${runs} runs, objective ${objective}\n`,
    `${answer.explanation.join('\n')}\n`,
    figuresTable(answer),
    `Frontier: no other settings are as good in everything (* chosen, o current)\n${frontierTable(answer.frontier)}`,
    seriesOf(answer.frontier),
    `What changes\n${answer.changes.map(({ group, sentences }) => sentences.map((each) => `  ${group}: ${each}\n`).join('')).join('')}`,
    `Values of the chart\n${indented(answer.values)}`,
    `Environment of ipamd\n${answer.env.map(envLines).join('')}`,
  ].join('\n');
}

function figuresTable({ peerDefaults, baseline, chosen }: RecommendAnswer): string {
  const sides: readonly Figures[] = [peerDefaults, baseline, chosen];
  const row = (name: string, of: (figures: Figures) => string): readonly string[] => [name, ...sides.map(of)];
  return aligned([
    ['', 'peer, defaults', 'current', 'chosen'],
    row('idle addresses, mean', ({ idleAddresses }) => count(idleAddresses)),
    row('delayed pods', ({ delayed }) => count(delayed)),
    row('  delay p99', ({ delayMs }) => span(delayMs.p99)),
    row('  never served', ({ unserved }) => count(unserved)),
    row('EC2 calls', ({ calls }) => count(calls)),
    row('  throttled', ({ throttledCalls }) => count(throttledCalls)),
    row('ENIs, mean', ({ interfaces }) => count(interfaces)),
  ]);
}

function frontierTable(points: readonly FrontierPoint[]): string {
  const isOne = new Set(points.map(({ group, instanceType }) => `${group} ${instanceType}`)).size === 1;
  return table<FrontierPoint>(
    [
      ['', ({ isChosen, isCurrent }) => (isChosen ? '*' : isCurrent ? 'o' : ' ')],
      ...(isOne
        ? []
        : ([
            ['GROUP', 'group'],
            ['TYPE', 'instanceType'],
          ] as const)),
      ['IDLE', ({ idleAddresses }) => count(idleAddresses)],
      ['DELAYED', ({ delayed }) => count(delayed)],
      ['P99', ({ delayed, delayMs }) => (delayed === 0 ? '-' : span(delayMs.p99))],
      ['CALLS', ({ calls }) => count(calls)],
      ['SETTINGS', ({ settings }) => settingsText(settings)],
    ],
    points,
  );
}

function settingsText(settings: Readonly<Record<string, string>>): string {
  const { ENABLE_PREFIX_DELEGATION: prefixes, ...rest } = settings;
  const text = Object.entries(rest).map(([key, value]) => `${key}=${value}`);
  return `${prefixes === 'true' ? 'prefixes ' : ''}${text.join(' ')}`;
}

function envLines({ group, set, unset }: RecommendAnswer['env'][number]): string {
  const lines = Object.entries(set).map(([key, value]) => `  ${key}=${value}\n`);
  return `  # ${group}; not set: ${unset.join(', ')}\n${lines.join('')}`;
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ');
}

const SIGNS: Readonly<Record<Verdict, string>> = { better: '+', same: '=', worse: '-' };

/** Three rows a workload: the peer, the recommendation, and Wellspring with its defaults. */
export function showComparisons(rows: readonly ComparisonRow[]): string {
  const cells = rows.flatMap((row) => {
    const settings = row.settings.map(({ settings: text }) => text).join('; ');
    const side = (name: string, { score, verdicts }: Side, note: string): readonly string[] => [
      name,
      `${count(score.idle)} ${SIGNS[verdicts.idle]}`,
      `${count(score.delayed)} ${SIGNS[verdicts.delay]}`,
      span(score.p99Ms),
      `${count(score.calls)} ${SIGNS[verdicts.calls]}`,
      note,
    ];
    const { peer } = row;
    return [
      [row.workload, 'peer, defaults', count(peer.idle), count(peer.delayed), span(peer.p99Ms), count(peer.calls), ''],
      ['', ...side('recommended', row.recommended, `${row.isHeld ? 'held' : 'NOT HELD'}: ${settings}`)],
      ['', ...side('wellspring, defaults', row.defaults, '')],
    ];
  });
  const heading = ['WORKLOAD', 'POLICY', 'IDLE', 'DELAYED', 'P99', 'CALLS', ''];
  return `${aligned([heading, ...cells])}
Means over three seeds that the search has not seen. + better than amazon-vpc-cni-k8s with its defaults, = not worse, - worse by
more than 10 % and by more than half an address a node, one pod in 500, 1 s of p99, or a call a node in two hours.
`;
}
