/** Charts of lines over time, with their legend and table. Pure. */
import { type AxisSpec, chart, type ChartSpec, colourAt, type Series } from './chart.ts';
import type { Dash, LegendEntry } from './figure.ts';
import type { Html } from './html.ts';
import { decimal } from './words.ts';

export type Point = readonly [x: number, y: number];

export interface Line {
  readonly name: string;
  readonly points: readonly Point[];
  /** Without one that of its place. */
  readonly colour?: string;
  readonly dash?: Dash;
  /** A value holds until the next one. */
  readonly isStep?: boolean;
}

/** A level or a moment, named where it is drawn. */
export interface Limit {
  readonly name: string;
  readonly at: number;
  readonly along: 'x' | 'y';
}

export interface Band {
  readonly name: string;
  readonly rows: readonly (readonly [x: number, lower: number, upper: number])[];
  readonly colour: string;
}

export interface LinesSpec extends Pick<ChartSpec, 'id' | 'title' | 'description'> {
  readonly x: AxisSpec;
  readonly y: AxisSpec;
  readonly lines: readonly Line[];
  readonly limits?: readonly Limit[];
  readonly band?: Band;
  /** How x is written in the table. */
  readonly xText: (x: number) => string;
}

const DASHES: readonly Dash[] = ['solid', 'dashed', 'dotted'];
const dashAt = (index: number): Dash => DASHES[index % DASHES.length] ?? 'solid';

export function linesChart(spec: LinesSpec): Html {
  const { id, title, description, x, y, lines, limits = [], band, xText } = spec;
  const legend = lines.map(({ name, colour, dash }, index): LegendEntry => {
    return { name, colour: colour ?? colourAt(index), mark: { kind: 'line', dash: dash ?? dashAt(index) } };
  });
  const shade: readonly LegendEntry[] =
    band === undefined ? [] : [{ name: band.name, colour: band.colour, mark: { kind: 'area' } }];
  return chart({
    id,
    title,
    description,
    x,
    y,
    legend: [...legend, ...shade],
    series: [...(band === undefined ? [] : shaded(band)), ...lines.map(drawnLine), ...limits.map(drawnLimit)],
    table: { caption: `${title}: ${y.name}`, ...tableOf(x.name, lines, band, xText) },
  });
}

function drawnLine({ points, colour, dash, isStep = false }: Line, index: number): Series {
  return {
    type: 'line',
    data: points.map(([x, y]) => [x, y]),
    showSymbol: points.length === 1,
    symbol: 'circle',
    step: isStep ? 'end' : false,
    lineStyle: { color: colour ?? colourAt(index), width: 2, type: dash ?? dashAt(index) },
    itemStyle: { color: colour ?? colourAt(index) },
  };
}

function drawnLimit({ name, at, along }: Limit): Series {
  return {
    type: 'line',
    data: [],
    lineStyle: { color: 'var(--ink)' },
    markLine: {
      silent: true,
      symbol: 'none',
      data: [along === 'y' ? { yAxis: at } : { xAxis: at }],
      lineStyle: { color: 'var(--ink)', width: 1.5, type: [2, 4] },
      label: {
        formatter: () => name,
        position: along === 'y' ? 'insideEndTop' : 'end',
        color: 'var(--ink)',
        fontSize: 11,
      },
    },
  };
}

/** The lower end as an invisible line, and the width of the band stacked upon it. */
function shaded({ rows, colour }: Band): readonly Series[] {
  const part = (value: (row: Band['rows'][number]) => number, opacity: number): Series => ({
    type: 'line',
    stack: 'band',
    stackStrategy: 'all',
    data: rows.map((row) => [row[0], value(row)]),
    showSymbol: false,
    lineStyle: { opacity: 0, color: colour },
    areaStyle: { color: colour, opacity },
  });
  return [part((row) => row[1], 0), part((row) => row[2] - row[1], 0.25)];
}

function tableOf(xName: string, lines: readonly Line[], band: Band | undefined, xText: (x: number) => string) {
  const columns = lines.map(({ points }) => new Map(points));
  const ends = new Map(band?.rows.map(([x, lower, upper]) => [x, `${decimal(lower)} to ${decimal(upper)}`]));
  const xs = [...new Set([...columns.flatMap((column) => [...column.keys()]), ...ends.keys()])].toSorted(
    (a, b) => a - b,
  );
  const cell = (value: number | undefined): string => (value === undefined ? '' : decimal(value));
  return {
    columns: [xName, ...lines.map(({ name }) => name), ...(band === undefined ? [] : [band.name])],
    rows: xs.map((x) => [
      xText(x),
      ...columns.map((column) => cell(column.get(x))),
      ...(band === undefined ? [] : [ends.get(x) ?? '']),
    ]),
  };
}
