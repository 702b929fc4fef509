/**
 * Charts as SVG text, drawn by Apache ECharts without a browser. Colours are variables of the page's style, so that one drawing is
 * right in light and in dark. Nothing here is loaded but for a report.
 */
import { BarChart, type BarSeriesOption, LineChart, type LineSeriesOption, ScatterChart } from 'echarts/charts';
import type { ScatterSeriesOption } from 'echarts/charts';
import { GridComponent, MarkLineComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { type Drawing, figure, type FigureSpec } from './figure.ts';
import { type Html, trusted } from './html.ts';

use([LineChart, BarChart, ScatterChart, GridComponent, MarkLineComponent, SVGRenderer]);

export type Series = LineSeriesOption | BarSeriesOption | ScatterSeriesOption;

export interface AxisSpec {
  /** What is measured, with its unit. */
  readonly name: string;
  readonly categories?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  readonly format?: (value: number) => string;
  /** Where labels stand; elsewhere the library says. */
  readonly ticks?: readonly number[];
  /** Only whole numbers mean something. */
  readonly isWhole?: boolean;
  /** `max` leaves room above what matters, and is not named. */
  readonly isMaxRoom?: boolean;
}

export interface ChartSpec extends FigureSpec {
  readonly x: AxisSpec;
  readonly y: AxisSpec;
  readonly series: readonly Series[];
  /** Of the narrow drawing; default 240. */
  readonly height?: number;
}

export const COLOURS = ['var(--c1)', 'var(--c2)', 'var(--c3)', 'var(--c4)', 'var(--c5)', 'var(--c6)'] as const;

export function colourAt(index: number): string {
  return COLOURS[index % COLOURS.length] ?? COLOURS[0];
}

const NARROW = 360;
const WIDE = 760;

export function chart(spec: ChartSpec): Html {
  const height = spec.height ?? 240;
  return figure(spec, [drawn(spec, NARROW, height), drawn(spec, WIDE, Math.max(height, 280))]);
}

function drawn(spec: ChartSpec, width: number, height: number): Drawing {
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    drawing.setOption(optionOf(spec, width));
    return { width, height, body: trusted(bodyOf(drawing.renderToSVGString(), `${spec.id}-${width}`)) };
  } finally {
    drawing.dispose();
  }
}

/**
 * Without the outer element, whose names of namespaces HTML does not need, and without what is for a pointer. Its names count the charts
 * of the process; these say which chart it is. What the library writes of the data is escaped, so that a tag here is one of its own.
 */
function bodyOf(svg: string, prefix: string): string {
  return svg
    .replace(/^<svg[^>]*>/, '')
    .replace(/<\/svg>\s*$/, '')
    .replaceAll(/<style[^>]*>[\s\S]*?<\/style>/g, '')
    .replaceAll(/ (?:class|ecmeta_\w+)="[^"]*"/g, '')
    .replaceAll(/(\bid="|url\(#)zr\d+-/g, `$1${prefix}-`)
    .trim();
}

function optionOf({ x, y, series }: ChartSpec, width: number): EChartsCoreOption {
  const few = width < 500 ? 4 : 7;
  // How wide a text is is only estimated without a browser: a margin for long names beside the axis.
  const roomForNames = Math.max(0, ...(y.categories ?? []).map(({ length }) => length)) * 0.8;
  return {
    animation: false,
    textStyle: { fontFamily: 'system-ui, sans-serif', color: 'var(--ink)', fontSize: 12 },
    grid: {
      left: 8 + roomForNames,
      right: 20,
      top: 28,
      bottom: 24,
      outerBoundsMode: 'same',
      outerBoundsContain: 'axisLabel',
      outerBoundsClampWidth: '20%',
    },
    xAxis: { ...axis(x, few), nameLocation: 'middle', nameGap: 28 },
    yAxis: {
      ...axis(y, 5),
      nameLocation: 'end',
      nameGap: 12,
      nameTextStyle: { color: 'var(--soft)', align: 'left', padding: [0, 0, 0, -24] },
    },
    series: series.map((each) => ({ silent: true, emphasis: { disabled: true }, ...each })),
  };
}

function axis(
  { name, categories, min, max, format, ticks, isWhole = false, isMaxRoom = false }: AxisSpec,
  splitNumber: number,
): Readonly<Record<string, unknown>> {
  return {
    type: categories === undefined ? 'value' : 'category',
    ...(categories === undefined ? {} : { data: [...categories] }),
    name,
    nameTextStyle: { color: 'var(--soft)' },
    min,
    max,
    splitNumber,
    ...(isWhole ? { minInterval: 1 } : {}),
    axisLine: { show: true, onZero: false, lineStyle: { color: 'var(--line)' } },
    axisTick: { show: categories === undefined, lineStyle: { color: 'var(--line)' }, customValues: ticks },
    splitLine: {
      show: categories === undefined && ticks === undefined,
      lineStyle: { color: 'var(--line)', opacity: 0.6 },
    },
    axisLabel: {
      color: 'var(--soft)',
      fontSize: 11,
      hideOverlap: true,
      ...(isMaxRoom ? { showMaxLabel: false } : {}),
      ...(ticks === undefined ? {} : { customValues: ticks }),
      ...(format === undefined ? {} : { formatter: (value: number) => format(value) }),
    },
  };
}
