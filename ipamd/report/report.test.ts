/** Reports whatever the data are: well-formed, escaped, without a reference outwards, and every chart with its table. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RecommendAnswer } from '../ctl/recommend/answer.ts';
import type { SimulateAnswer } from '../ctl/simulate/command.ts';
import type { SubnetState } from '../subnet-controller/assess.ts';
import type { SubnetsAnswer } from '../subnet-controller/subnet-watch.ts';
import { blockMap } from './block-map.ts';
import { escaped, html, type Html, markupOf } from './html.ts';
import { forecastReport, recommendReport, simulateReport } from './render.ts';
import { subnetsPage } from './subnets-page.ts';

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onload='x",
  '</style></svg></title><b>',
  '&lt;&#x3c;',
  'http://example.com/',
  '{b}|{a|x}',
];
const hostile = fc.oneof(fc.constantFrom(...HOSTILE), fc.string(), fc.string({ unit: 'binary' }));

const OVER_TIME = { mean: 3, p50: 3, p99: 5, max: 6 };
const RESULT = {
  podEvents: 10,
  podsServed: 5,
  delayed: 2,
  delayMs: { p50: 10, p99: 20, max: 20 },
  delayBuckets: [
    { atMostMs: 100, pods: 2 },
    { atMostMs: null, pods: 0 },
  ],
  failed: 1,
  failedAdds: 0,
  failedAddsByReason: {},
  waitingAtEnd: 0,
  unschedulableAtEnd: 0,
  idleAddresses: 3,
  idleOverTime: OVER_TIME,
  assignedOverTime: OVER_TIME,
  interfaces: OVER_TIME,
  calls: 7,
  throttledCalls: 1,
  callsPerSecond: { mean: 0.1, peak: 3 },
  callsByAction: { DescribeSubnets: { calls: 7, throttled: 1, budgetShare: 0.1, budgetPerSecond: 20 } },
};

function simulation(text: string): SimulateAnswer {
  const subnet = { id: text, free: 10, freeBlocks: 1, fragmentation: 0.5 };
  const point = { assigned: 1, idle: 2, interfaces: 1, waiting: 0, calls: 3, subnets: [subnet] };
  const series = [0, 60, 120].map((atSeconds) => ({ ...point, atSeconds }));
  const result = { ...RESULT, failedByReason: { [text]: 1 }, subnets: [{ ...subnet, size: 16 }], series };
  return { policy: 'wellspring', workload: text, seed: 1, nodes: 2, hours: 1, ...result, peer: result };
}

function recommendation(text: string): RecommendAnswer {
  const delayMs = { p50: 1, p99: 2, max: 3 };
  const figures = { nodes: 2, idleAddresses: 9, delayed: 0, unserved: 0, delayMs, calls: 5, throttledCalls: 0 };
  const all = { ...figures, addresses: 12, interfaces: 3 };
  const env = { group: text, instanceType: text, set: { [text]: text }, unset: [text] };
  const point = {
    ...all,
    group: text,
    instanceType: text,
    settings: { [text]: text },
    isChosen: false,
    isCurrent: false,
  };
  const change = { before: text, after: text };
  return {
    objective: 'balanced',
    meaning: text,
    workload: text,
    seeds: [1],
    hours: 1,
    podEvents: 3,
    runs: 4,
    baseline: all,
    peerDefaults: { ...all, idleAddresses: 30 },
    chosen: { ...all, groups: [env] },
    besidePeer: { idle: 'better', delay: 'same', calls: 'worse' },
    tolerance: { idle: 1, delayed: 1, p99Ms: 1, calls: 1 },
    frontier: [point, { ...point, isChosen: true }],
    explanation: [text],
    values: text,
    env: [env],
    changes: [
      { group: text, instanceType: change, settings: change, maxPods: { before: 1, after: 2 }, sentences: [text] },
    ],
  };
}

function subnets(text: string): SubnetsAnswer {
  const exhaustion = {
    kind: 'forecast',
    lowerMs: 1e6,
    medianMs: 2e6,
    upperMs: undefined,
    horizonMs: 1e8,
    within: { hour: 0, day: 1, horizon: 1 },
    season: 'none',
    growthPerDay: 1,
    bucketMs: 60_000,
    band: [[3_600_000, 1, 2, 3]],
  } as const;
  const held = { interfaces: 1, addresses: 2, prefixes: 0, forPods: 1, inUse: undefined, warm: undefined, leaked: 0 };
  const state: SubnetState = {
    id: text,
    vpcId: text,
    zone: text,
    name: text,
    cidr: '10.0.0.0/26',
    addresses: { total: 59, free: 3, exhaustion },
    blocks: { total: 2, free: 1, exhaustion: { kind: 'not-enough-history', missing: text } },
    fragmentation: 0.5,
    blockUse: 'x3Px',
    clusters: { [text]: held },
    nodes: { [text]: held },
    repairs: [{ node: text, interfaceIds: [text], addresses: 1, blocks: 1 }],
    history: [
      [1_000_000, 1, 1],
      [2_000_000, 2, 1],
    ],
  };
  return { at: '1970-01-01T00:33:20.000Z', leader: true, subnets: [state] };
}

const PAGES: readonly (readonly [name: string, of: (text: string) => string, isStatic?: boolean])[] = [
  ['simulate', (text) => simulateReport(simulation(text))],
  ['recommend', (text) => recommendReport(recommendation(text))],
  ['forecast', (text) => forecastReport(subnets(text))],
  ['the live map', (text) => subnetsPage(subnets(text), true)],
];

/** Elements in the order of their ends; throws where they do not nest, or an attribute has no quotes. */
function elementsOf(
  page: string,
): readonly { readonly name: string; readonly attributes: string; readonly text: string }[] {
  const open: { name: string; attributes: string; from: number }[] = [];
  const found: { name: string; attributes: string; text: string }[] = [];
  for (const tag of page.matchAll(/<(\/?)([a-z0-9-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|<!doctype html>|</gi)) {
    const [whole, end, name = '', attributes = '', isClosed] = tag;
    if (whole.startsWith('<!doctype')) continue;
    if (name === '') throw new Error(`no tag: ${page.slice(tag.index, tag.index + 80)}`);
    if (end === '/') {
      const last = open.pop();
      if (last?.name !== name) throw new Error(`</${name}> ends <${last?.name}>`);
      found.push({ name, attributes: last.attributes, text: page.slice(last.from, tag.index) });
    } else if (isClosed === '/') found.push({ name, attributes, text: '' });
    else open.push({ name, attributes, from: tag.index + whole.length });
  }
  if (open.length > 0) throw new Error(`without an end: ${open.map(({ name }) => name).join(' ')}`);
  return found;
}

const ELEMENTS = new Set(
  'html head meta title style body a header h1 h2 h3 h4 p nav ul ol li main section footer dl div dt dd span figure figcaption svg g defs clipPath desc path rect circle line text polyline polygon pattern details summary table caption thead tbody tr th td pre'.split(
    ' ',
  ),
);

/** What an element has that acts or asks; values are not looked at where they are text. */
function wrongWith({ name, attributes }: { readonly name: string; readonly attributes: string }): readonly string[] {
  const values = (of: RegExp) => [...attributes.matchAll(of)].map(([, value = '']) => value);
  const isIn = (of: RegExp) => (value: string) => of.test(value);
  return [
    ...(ELEMENTS.has(name) ? [] : [name]),
    ...[...attributes.replaceAll(/"[^"]*"/g, '').matchAll(/\b(on\w+|src\w*|action|data|xlink:\w+)=/gi)].map(
      ([each]) => each,
    ),
    ...values(/\sstyle="([^"]*)"/g).filter((value) => !isIn(/^(font-(size|family|weight):[\w .,-]+;)+$/)(value)),
    ...values(/\shref="([^"]*)"/g).filter((value) => !isIn(/^(#[\w-]+|\/|\/\?refresh=on)$/)(value)),
    ...values(/="url\(([^"]*)"/g).filter((value) => !value.startsWith('#')),
  ];
}

describe.each(PAGES)('the page of %s', (_name, of) => {
  let plain: string;
  beforeAll(() => {
    plain = of('a');
  });

  it('is well-formed whatever the names are, and has no element and no attribute that acts or asks', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const page = of(text);
        expect(elementsOf(page).flatMap(wrongWith)).toEqual([]);
        expect(page.match(/<style>/g)?.length).toBe(1);
        expect(page).not.toMatch(/@import|<script|javascript:/i);
      }),
      { examples: [[HOSTILE.join('')], [HOSTILE[0] ?? ''], [HOSTILE[1] ?? '']], numRuns: 5 },
    );
  });

  it('asks nothing of anybody', () => {
    expect(plain).not.toMatch(/https?:|"\/\/|url\((?!#)/);
  });

  it('has a title, a description and a table for every chart', () => {
    const elements = elementsOf(plain);
    const ids = elements.flatMap(({ attributes }) => /\sid="([^"]+)"/.exec(attributes)?.[1] ?? []);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    const figures = elements.filter(({ name }) => name === 'figure');
    expect(figures.length).toBeGreaterThan(0);
    for (const { text } of figures) {
      const drawings = elementsOf(text).filter(
        ({ name, attributes }) => name === 'svg' && /role="img"/.test(attributes),
      );
      expect(drawings.length).toBeGreaterThan(0);
      for (const { attributes } of drawings)
        for (const id of (/aria-labelledby="([^"]+)"/.exec(attributes)?.[1] ?? '').split(' '))
          expect(ids).toContain(id);
      expect(text).toMatch(/<details>\s*<summary>[\s\S]*<table>\s*<caption>[^<]+<\/caption>/);
      expect(text).toMatch(/<th scope="row"/);
    }
    for (const { text } of elements.filter(({ name }) => name === 'table')) expect(text).toMatch(/<caption>[^<]+</);
    for (const { name, attributes } of elements) if (name === 'th') expect(attributes).toMatch(/scope="(row|col)"/);
    const outline = elements.map(({ name }) => name);
    for (const landmark of ['header', 'main', 'footer', 'h1'])
      expect(outline.filter((each) => each === landmark)).toHaveLength(1);
  });

  it('has no colour that is right in light or in dark alone', () => {
    // What cuts off is not seen.
    const seen = plain.replaceAll(/<clipPath[\s\S]*?<\/clipPath>/g, '');
    const drawn = elementsOf(seen).filter(({ name }) => ['path', 'rect', 'text', 'circle', 'line'].includes(name));
    expect(drawn.filter(({ attributes }) => /(fill|stroke)="(#|rgb)/.test(attributes))).toEqual([]);
  });
});

describe('the axes', () => {
  it('name parts in whole percent', () => {
    const text = simulateReport(simulation('a'));
    const [fragments = ''] = /<figure id="subnet-fragments-wellspring">[\s\S]*?<\/figure>/.exec(text) ?? [];
    const labels = [...fragments.matchAll(/<text[^>]*>([^<]*%)<\/text>/g)].map(([, label]) => label);
    expect(labels).toEqual(expect.arrayContaining(['0 %', '100 %']));
    expect(labels.filter((label) => !/^\d+ %$/.test(label ?? ''))).toEqual([]);
  });
});

describe('html', () => {
  it('lets no text become markup, not even an object in its place', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const written = markupOf(html`<p title="${text}">${text}</p>`);
        expect(elementsOf(written)).toHaveLength(1);
        expect(written).toBe(`<p title="${escaped(text)}">${escaped(text)}</p>`);
      }),
    );
    const stranger = { markup: '<b>', 0: '<b>' } as unknown as Html;
    expect(markupOf(html`${stranger}`)).not.toContain('<b>');
  });
});

describe('the map of blocks', () => {
  it('says in its table what is drawn, block by block', () => {
    const use = fc.string({ unit: fc.constantFrom('0', '1', '9', 'g', 'P'), minLength: 2, maxLength: 64 });
    fc.assert(
      fc.property(use, (middle) => {
        const text = markupOf(blockMap({ id: 'm', cidr: '10.0.0.0/16', use: `x${middle}x` }));
        const rows = [...text.matchAll(/<td[^>]*>([\d,]+)<\/td>\s*<td[^>]*>([^<]+)<\/td>\s*<td[^>]*>([\d,]+)<\/td>/g)];
        const blocks = rows.reduce((sum, [, many]) => sum + Number(many), 0);
        expect(blocks).toBe(middle.length + 2);
        const held = Array.from(middle).reduce((sum, each) => sum + (each === 'P' ? 16 : Number.parseInt(each, 17)), 0);
        expect(rows.reduce((sum, [, , , many]) => sum + Number(many?.replaceAll(',', '')), 0)).toBe(held);
      }),
    );
  });
});
