/** A run over time as lines of characters. Pure. */
import type { SimulationResult } from '#warm-pool/simulator/result.ts';
import { sparkline } from '../forecast/sparkline.ts';
import { aligned } from '../table.ts';

const WIDTH = 48;

type Point = SimulationResult['series'][number];

const ROWS: readonly (readonly [name: string, of: (point: Point, before: Point) => number])[] = [
  ['idle addresses', ({ idle }) => idle],
  ['ENIs', ({ interfaces }) => interfaces],
  ['pods waiting', ({ waiting }) => waiting],
  ['EC2 calls a second', callRate],
];

/** A row for each measure and side, all sides of a measure to one scale, which is named: the highest value. */
export function overTime(sides: readonly (readonly [name: string, result: SimulationResult])[]): string {
  const rows = ROWS.flatMap(([measure, of]) => {
    const each = sides.map(([name, { series }]) => ({ name, values: valuesOf(series, of) }));
    const most = Math.max(0, ...each.flatMap(({ values }) => values));
    return each.map(({ name, values }, index) => [
      index === 0 ? measure : '',
      ...(sides.length > 1 ? [name] : []),
      sparkline(values, most, WIDTH),
      index === 0 ? `0 to ${most.toLocaleString('en-US', { maximumFractionDigits: 2 })}` : '',
    ]);
  });
  return aligned(rows);
}

function valuesOf(series: readonly Point[], of: (typeof ROWS)[number][1]): readonly number[] {
  return series.slice(1).map((point, index) => of(point, series[index] ?? point));
}

function callRate(point: Point, before: Point): number {
  return (point.calls - before.calls) / Math.max(1e-9, point.atSeconds - before.atSeconds);
}
