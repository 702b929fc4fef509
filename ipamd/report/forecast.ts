/** The report of the forecast: each subnet's past, future, holders and blocks. Pure. */
import type { Exhaustion } from '#warm-pool/forecast/exhaustion.ts';
import type { SubnetState } from '../subnet-controller/assess.ts';
import { duration } from '../subnet-controller/notices.ts';
import type { SubnetsAnswer } from '../subnet-controller/subnet-watch.ts';
import { barsChart } from './bars.ts';
import { blockMap } from './block-map.ts';
import { html, type Html } from './html.ts';
import { type Limit, linesChart, type Point } from './lines.ts';
import { page, type Section, tiles } from './page.ts';
import {
  alarm,
  anchorOf,
  byUrgency,
  exhaustionText,
  holders,
  isUrgent,
  nameOf,
  overview,
  repairList,
} from './subnet-words.ts';
import { count, counted, decimal, percent } from './words.ts';

/** More would make a file that no phone opens; the overview has all of them. */
const MOST_DRAWN = 20;

export function forecastReport({ at, subnets }: SubnetsAnswer): string {
  const ordered = byUrgency(subnets);
  const drawn = ordered.slice(0, MOST_DRAWN);
  return page({
    title: 'When subnets run dry',
    about: at === undefined ? 'Nothing was seen yet.' : `${counted(subnets.length, 'subnet')}, looked at ${at}.`,
    madeBy: 'Made by wellspringctl forecast. The method, and how often its interval holds, is in docs/forecast.md.',
    sections: [summary(ordered), ...drawn.map((subnet) => subnetSection(subnet, Date.parse(at ?? '')))],
  });
}

function summary(subnets: readonly SubnetState[]): Section {
  const sum = (of: (subnet: SubnetState) => number): number => subnets.reduce((total, subnet) => total + of(subnet), 0);
  const urgent = subnets.filter(({ addresses }) => isUrgent(addresses.exhaustion)).length;
  const [first] = subnets;
  const one = (name: string, value: string, note = '') => ({ name, values: [{ of: '', value, note }] });
  const left =
    subnets.length > MOST_DRAWN ? html`<p>Drawn are the ${MOST_DRAWN} subnets that run dry first.</p>` : undefined;
  return {
    id: 'summary',
    title: 'Summary',
    body: [
      tiles([
        one(
          'Free addresses',
          count(sum(({ addresses }) => addresses.free)),
          `of ${count(sum(({ addresses }) => addresses.total))}`,
        ),
        one(
          'Free /28 blocks',
          count(sum(({ blocks }) => blocks.free)),
          `of ${count(sum(({ blocks }) => blocks.total))}`,
        ),
        one('Run dry within a day', count(urgent), `of ${counted(subnets.length, 'subnet')}`),
      ]),
      html`<p>
        ${first === undefined ? 'No subnet was found.' : `First: ${nameOf(first)}, ${exhaustionText(first.addresses.exhaustion)}.`}
      </p>`,
      overview(subnets, 'All subnets, the soonest to run dry first', MOST_DRAWN),
      html`${left}`,
    ],
  };
}

function subnetSection(subnet: SubnetState, now: number): Section {
  const { id, zone, cidr, vpcId, addresses, blocks } = subnet;
  const anchor = anchorOf(id);
  const charts = [
    historyChart(subnet, { now, column: 1, of: addresses, id: `${anchor}-addresses`, what: 'addresses' }),
    ...(blocks.total > 0 && blocks.exhaustion.kind !== 'not-enough-history'
      ? [historyChart(subnet, { now, column: 2, of: blocks, id: `${anchor}-blocks`, what: '/28 blocks' })]
      : []),
    holderChart(subnet, anchor),
    blockMap({ id: `${anchor}-map`, cidr, use: subnet.blockUse }),
  ];
  return {
    id: anchor,
    title: nameOf(subnet),
    body: [
      html`<div class="card">
        <p>${cidr}, ${zone}, ${vpcId}. ${percent(subnet.fragmentation)} fragmented.</p>
        <p>No address: ${alarm(addresses.exhaustion)}. No /28 block: ${alarm(blocks.exhaustion)}.</p>
        ${basis(addresses.exhaustion)}
      </div>`,
      html`<div class="pair">${charts}</div>`,
      html`<div class="card">${repairList(subnet)}</div>`,
      holders(subnet),
    ],
  };
}

function basis(exhaustion: Exhaustion): Html | undefined {
  if (exhaustion.kind !== 'forecast') return undefined;
  const { season, growthPerDay, horizonMs } = exhaustion;
  const trend = `${growthPerDay < 0 ? '' : '+'}${decimal(growthPerDay, 1)} addresses a day`;
  return html`<p class="note">
    Told from ${season === 'none' ? 'a history without a season' : `a ${season} season`}, ${trend}; nothing is said of
    what is more than ${duration(horizonMs)} ahead.
  </p>`;
}

interface HistoryOptions {
  readonly now: number;
  /** Of a row of the history. */
  readonly column: 1 | 2;
  readonly of: SubnetState['addresses'];
  readonly id: string;
  readonly what: string;
}

function historyChart({ id: subnet, history }: SubnetState, { now, column, of, id, what }: HistoryOptions): Html {
  const { total, exhaustion } = of;
  const unit = unitOf(
    Math.max(now - (history[0]?.[0] ?? now), exhaustion.kind === 'forecast' ? exhaustion.horizonMs : 0),
  );
  const place = (ms: number): number => Math.round((ms / unit.ms) * 1000) / 1000;
  const past = history.map((row): Point => [place(row[0] - now), row[column]]);
  const used = past.at(-1)?.[1] ?? 0;
  const band = exhaustion.kind === 'forecast' ? exhaustion.band : [];
  const limits: readonly Limit[] = [
    { name: `all ${count(total)}`, at: total, along: 'y' },
    ...(band.length === 0 ? [] : [{ name: 'now', at: 0, along: 'x' } as const]),
  ];
  const colour = 'var(--c2)';
  const future = band.map(([after, , median]): Point => [place(after), median]);
  return linesChart({
    id,
    title: `${what === 'addresses' ? 'Addresses' : what} in use`,
    description: `${count(used)} of ${count(total)} ${what} of ${subnet} are in use. None left: ${exhaustionText(exhaustion)}.`,
    x: {
      name: `${unit.name} from the last look`,
      format: (value) => (value === 0 ? 'now' : `${value > 0 ? '+' : ''}${decimal(value, 1)}`),
    },
    y: {
      name: `${what} in use`,
      min: 0,
      max: total + Math.max(1, Math.round(total * 0.08)),
      isMaxRoom: true,
      format: count,
      isWhole: true,
    },
    xText: (value) => (value === 0 ? 'now' : `${value > 0 ? '+' : ''}${decimal(value)} ${unit.short}`),
    lines: [
      { name: 'seen', points: past },
      ...(band.length === 0
        ? []
        : [{ name: 'forecast, middle', points: [[0, used] as const, ...future], colour, dash: 'dashed' as const }]),
    ],
    limits,
    ...(band.length === 0
      ? {}
      : {
          band: {
            name: 'nine futures in ten',
            colour,
            rows: [
              [0, used, used] as const,
              ...band.map(([after, lower, , upper]) => [place(after), lower, upper] as const),
            ],
          },
        }),
  });
}

function unitOf(spanMs: number) {
  const hour = { ms: 3_600_000, name: 'Hours', short: 'h' };
  return spanMs > 96 * hour.ms ? { ms: 24 * hour.ms, name: 'Days', short: 'd' } : hour;
}

function holderChart({ id, clusters, addresses }: SubnetState, anchor: string): Html {
  const held = Object.entries(clusters).map(([cluster, { addresses: many }]) => [cluster, many] as const);
  const rows = [...held.toSorted(([, a], [, b]) => b - a).slice(0, 10), ['free', addresses.free] as const];
  const [most] = rows;
  return barsChart({
    id: `${anchor}-holders`,
    title: 'Who holds the addresses',
    description: `${most?.[0]}: ${count(most?.[1] ?? 0)} of ${count(addresses.total)} addresses of ${id}; ${count(addresses.free)} are free.`,
    categoryName: 'Holder',
    categories: rows.map(([name]) => name),
    valueName: 'Addresses',
    sides: [{ name: 'Addresses', values: rows.map(([, many]) => many) }],
    format: count,
    isLying: true,
    isWhole: true,
  });
}
