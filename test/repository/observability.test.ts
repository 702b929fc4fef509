/** Alerts and dashboards speak of metrics and labels that are really exposed; alerts hold what their test says where promtool is. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Registry } from 'prom-client';
import { createMetrics, NO_FIGURES } from '#ipamd/observe/metrics.ts';
import { createSubnetMetrics } from '#ipamd/subnet-controller/metrics.ts';
import { ALERTS, alertRules } from '#test/support/alert-rules.ts';
import { run } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { DASHBOARDS } from '#tools/dashboards/dashboards.data.ts';

/** What Prometheus adds to a target, and the parts of a histogram. */
const OF_PROMETHEUS = { up: new Set<string>(), labels: ['job', 'instance', 'le'] };

interface Described {
  readonly name: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

/** Series -> labels. */
function exposed(): ReadonlyMap<string, ReadonlySet<string>> {
  const registries: readonly Registry[] = [
    createMetrics(() => NO_FIGURES, '0').registry,
    createSubnetMetrics().registry,
  ];
  const series = new Map<string, Set<string>>([['up', OF_PROMETHEUS.up]]);
  for (const metric of registries.flatMap((each) => each.getMetricsAsArray() as unknown as readonly Described[])) {
    const names =
      metric.type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => metric.name + end) : [metric.name];
    for (const name of names) series.set(name, new Set([...(series.get(name) ?? []), ...metric.labelNames]));
  }
  return series;
}

const queries = [
  ...alertRules().map(({ alert, expr }) => [alert, expr] as const),
  ...DASHBOARDS.flatMap(({ title, rows }) =>
    rows.flatMap(({ panels }) =>
      panels.flatMap((panel) => panel.queries.map(({ expr }) => [`${title}: ${panel.title}`, expr] as const)),
    ),
  ),
  ...DASHBOARDS.flatMap(({ title, variable }) =>
    variable === undefined ? [] : [[`${title}: ${variable.name}`, `${variable.metric}{${variable.label}=""}`] as const],
  ),
];

describe('what alerts and dashboards ask for', () => {
  const series = exposed();

  it.each(queries)('%s: %s', (_where, expr) => {
    const named = [...expr.matchAll(/\b((?:wellspring|awscni)_\w+|up)\b(?:\{([^}]*)\})?/g)];
    expect(named.length).toBeGreaterThan(0);
    for (const [, metric = '', matchers = ''] of named) {
      expect([...series.keys()]).toContain(metric);
      const known = [...(series.get(metric) ?? []), ...OF_PROMETHEUS.labels];
      const asked = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
      expect([metric, asked.filter((label) => !known.includes(label))]).toEqual([metric, []]);
    }
    const metrics = named.flatMap(([, metric = '']) => [...(series.get(metric) ?? [])]);
    const grouped = [...expr.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(/,\s*/));
    expect(grouped.filter((label) => ![...metrics, ...OF_PROMETHEUS.labels].includes(label))).toEqual([]);
  });

  it('a legend names labels that the query leaves', () => {
    for (const { rows } of DASHBOARDS)
      for (const { expr, legend } of rows.flatMap(({ panels }) => panels.flatMap((panel) => panel.queries))) {
        const by = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(/,\s*/);
        const metric = /\b(?:wellspring|awscni)_\w+/.exec(expr)?.[0] ?? '';
        const left = by ?? [...(series.get(metric) ?? []), ...OF_PROMETHEUS.labels];
        const named = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
        expect([expr, named.filter((label) => !left.includes(label))]).toEqual([expr, []]);
      }
  });
});

describeWith(['promtool'], 'promtool', () => {
  const TEST = join(dirname(ALERTS), 'wellspring.test.yaml');

  it('finds the rules in order, and every alert fires when it should and stays silent when it should not', async () => {
    expect(await run('promtool', ['check', 'rules', ALERTS])).toMatchObject({ code: 0 });
    const { code, stdout, stderr } = await run('promtool', ['test', 'rules', TEST]);
    expect([code, `${stdout}${stderr}`]).toEqual([0, expect.stringContaining('SUCCESS')]);
  });

  it('takes every query of the dashboards', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'wellspring-queries-'));
    try {
      const rules = queries.map(([where, expr], index) => ({
        record: `query:${index}`,
        expr: expr.replaceAll('$__rate_interval', '5m').replaceAll(/"\$\w+"/g, '".*"'),
        labels: { where },
      }));
      const path = join(directory, 'queries.yaml');
      writeFileSync(path, JSON.stringify({ groups: [{ name: 'queries', rules }] }));
      const { code, stderr } = await run('promtool', ['check', 'rules', path]);
      expect([code, stderr]).toEqual([0, '']);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('every alert has a test', () => {
    const text = readFileSync(TEST, 'utf8');
    for (const { alert } of alertRules())
      expect(text).toMatch(new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n\\s+- exp_labels`));
  });
});
