/** The report of a recommendation: its sentences, the frontier, what to paste. Pure. */
import type { FrontierPoint, RecommendAnswer } from '../ctl/recommend/answer.ts';
import type { Figures } from '../ctl/recommend/figures.ts';
import { barsChart } from './bars.ts';
import { frontierChart } from './frontier.ts';
import { html, type Html } from './html.ts';
import { page, type Section, tiles } from './page.ts';
import { dataTable } from './table.ts';
import { count, counted, decimal, span } from './words.ts';

export function recommendReport(answer: RecommendAnswer): string {
  const { workload, objective, meaning, baseline, hours, podEvents, seeds, runs } = answer;
  return page({
    title: `Recommendation: ${workload}`,
    about: `${counted(baseline.nodes, 'node')}, ${decimal(hours)} h, ${counted(podEvents, 'pod event')}, ${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}; ${counted(runs, 'simulation')}. Objective: ${objective} (${meaning}).`,
    madeBy: 'Made by wellspringctl recommend. How it chooses is in docs/recommend.md.',
    sections: [choice(answer), frontier(answer), paste(answer)],
  });
}

function sidesOf({ peerDefaults, baseline, chosen }: RecommendAnswer): readonly (readonly [string, Figures])[] {
  return [
    ['chosen', chosen],
    ['current', baseline],
    ['peer, defaults', peerDefaults],
  ];
}

function choice(answer: RecommendAnswer): Section {
  const sides = sidesOf(answer);
  const tile = (name: string, of: (one: Figures) => string) => ({
    name,
    values: sides.map(([side, figures]) => ({ of: side, value: of(figures) })),
  });
  return {
    id: 'choice',
    title: 'What is recommended',
    body: [
      tiles([
        tile('Idle addresses, mean', ({ idleAddresses }) => count(idleAddresses)),
        tile('Delayed pods', ({ delayed }) => count(delayed)),
        tile('Delay, p99', ({ delayMs }) => span(delayMs.p99)),
        tile('Never served', ({ unserved }) => count(unserved)),
        tile('EC2 calls', ({ calls }) => count(calls)),
        tile('ENIs, mean', ({ interfaces }) => count(interfaces)),
      ]),
      html`<h3>Why</h3>
        <div class="card">${answer.explanation.map((sentence) => html`<p>${sentence}</p>`)}</div>`,
    ],
  };
}

function frontier(answer: RecommendAnswer): Section {
  const calls = barsChart({
    id: 'calls-chart',
    title: 'EC2 calls',
    description: 'Calls of all nodes together, the mean over the seeds.',
    categoryName: 'Settings',
    categories: sidesOf(answer).map(([name]) => name),
    valueName: 'Calls',
    sides: [{ name: 'Calls', values: sidesOf(answer).map(([, figures]) => figures.calls) }],
    format: count,
    isLying: true,
  });
  return {
    id: 'frontier',
    title: 'The frontier',
    body: [
      html`<p>
        No other settings that were tried are as good in everything: fewer idle addresses cost delays or calls. Axes are
        logarithmic.
      </p>`,
      html`<div class="pair">${frontierChart(answer, 'delayed')}${frontierChart(answer, 'calls')}${calls}</div>`,
      frontierTable(answer.frontier),
    ],
  };
}

function frontierTable(points: readonly FrontierPoint[]): Html {
  return dataTable({
    caption: 'Settings of the frontier',
    columns: ['Settings', 'Group', 'Instance type', 'Idle', 'Delayed', 'Delay p99', 'Calls', 'Note'],
    rows: points.map((point) => [
      settingsText(point.settings),
      point.group,
      point.instanceType,
      count(point.idleAddresses),
      count(point.delayed),
      point.delayed === 0 ? '' : span(point.delayMs.p99),
      count(point.calls),
      [...(point.isChosen ? ['chosen'] : []), ...(point.isCurrent ? ['current'] : [])].join(', '),
    ]),
  });
}

function settingsText({ ENABLE_PREFIX_DELEGATION: prefixes, ...rest }: Readonly<Record<string, string>>): string {
  const text = Object.entries(rest).map(([key, value]) => `${key}=${value}`);
  return [...(prefixes === 'true' ? ['prefixes'] : []), ...text].join(' ');
}

function paste({ values, env, changes }: RecommendAnswer): Section {
  return {
    id: 'paste',
    title: 'What to paste, and what changes',
    body: [
      ...changes.map(
        ({ group, sentences }) =>
          html`<h3>${group}</h3>
            <ul>
              ${sentences.map((sentence) => html`<li>${sentence}</li>`)}
            </ul>`,
      ),
      html`<h3>Values of the chart</h3>
        <pre tabindex="0" role="region" aria-label="Values of the chart">${values}</pre>`,
      html`<h3>Environment of ipamd</h3>`,
      ...env.map(({ group, set, unset }) => {
        const text = Object.entries(set).map(([key, value]) => `${key}=${value}\n`);
        return html`<p>${group}; not set: ${unset.join(', ')}</p>
          <pre tabindex="0" role="region" aria-label="Environment of ${group}">${text.join('')}</pre>`;
      }),
    ],
  };
}
