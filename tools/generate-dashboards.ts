/** Makes deploy/dashboards (Grafana) of tools/dashboards/dashboards.data.ts, and gives the chart its copy of the alerts; with --check, fails when one is out of step. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Dashboard, DASHBOARDS, type Panel } from './dashboards/dashboards.data.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const HEIGHT = 8;
/** The first whose panels and variables have this form. */
const SCHEMA_VERSION = 39;

/** File -> text. */
export function generatedDashboards(): Readonly<Record<string, string>> {
  const dashboards = DASHBOARDS.map((dashboard) => {
    const path = `deploy/dashboards/${dashboard.uid}.json`;
    return [path, `${JSON.stringify(grafana(dashboard), undefined, 2)}\n`] as const;
  });
  // A chart holds only what lies in its directory.
  const alerts = readFileSync(join(ROOT, 'deploy/alerts/wellspring.yaml'), 'utf8');
  return { ...Object.fromEntries(dashboards), 'deploy/charts/wellspring/alerts.yaml': alerts };
}

function grafana({ uid, title, about, variable, rows }: Dashboard): object {
  let y = 0;
  let id = 0;
  const panels: object[] = [];
  for (const row of rows) {
    panels.push({
      id: (id += 1),
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    for (const panel of row.panels) {
      const w = panel.width ?? (row.panels.length === 4 ? 6 : 8);
      if (x + w > 24) [x, y] = [0, y + HEIGHT];
      panels.push(grafanaPanel(panel, (id += 1), { x, y, w, h: HEIGHT }));
      x += w;
    }
    y += HEIGHT;
  }
  return {
    uid,
    title,
    description: about,
    tags: ['wellspring'],
    schemaVersion: SCHEMA_VERSION,
    editable: true,
    time: { from: 'now-6h', to: 'now' },
    refresh: '1m',
    templating: { list: [DATA_SOURCE, ...(variable === undefined ? [] : [grafanaVariable(variable)])] },
    panels,
  };
}

const DATA_SOURCE = { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' };
const PROMETHEUS = { type: 'prometheus', uid: '${datasource}' };

function grafanaVariable({ name, metric, label }: NonNullable<Dashboard['variable']>): object {
  return {
    name,
    type: 'query',
    datasource: PROMETHEUS,
    query: { query: `label_values(${metric}, ${label})`, refId: name },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  };
}

function grafanaPanel({ title, about, kind, unit, queries }: Panel, id: number, gridPos: object): object {
  const targets = queries.map(({ expr, legend }, index) => ({
    refId: String.fromCodePoint('A'.charCodeAt(0) + index),
    datasource: PROMETHEUS,
    expr,
    legendFormat: legend === '' ? '__auto' : legend,
  }));
  return {
    id,
    type: kind,
    title,
    description: about,
    datasource: PROMETHEUS,
    gridPos,
    targets,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options:
      kind === 'timeseries' ? { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } } : {},
  };
}

if (import.meta.main) {
  let stale = 0;
  for (const [path, text] of Object.entries(generatedDashboards())) {
    if (!process.argv.includes('--check')) writeFileSync(join(ROOT, path), text);
    else if (readFileSync(join(ROOT, path), 'utf8') !== text) {
      stale += 1;
      process.stderr.write(`${path} is out of step: run node tools/generate-dashboards.ts\n`);
    }
  }
  process.exitCode = stale === 0 ? 0 : 1;
}
