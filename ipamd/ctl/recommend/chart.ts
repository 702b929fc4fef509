/** The frontier as a picture of characters: idle addresses to the right, calls upwards. Pure. */
import type { FrontierPoint } from './answer.ts';

const WIDTH = 60;
const HEIGHT = 12;

/** Logarithmic both ways, since settings differ by factors. A point shows who waits there: `.` nobody, `:` few, `#` many. */
export function seriesOf(points: readonly FrontierPoint[]): string {
  const xs = points.map(({ idleAddresses }) => Math.log(1 + idleAddresses));
  const ys = points.map(({ calls }) => Math.log(1 + calls));
  const place = (values: readonly number[], value: number, steps: number): number => {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return most === least ? 0 : Math.round(((value - least) / (most - least)) * (steps - 1));
  };
  const rows = Array.from({ length: HEIGHT }, () => Array.from({ length: WIDTH }, () => ' '));
  // The chosen one is drawn last, over whatever lies on its place.
  for (const point of points.toSorted((a, b) => Number(a.isChosen) - Number(b.isChosen))) {
    const x = place(xs, Math.log(1 + point.idleAddresses), WIDTH);
    const y = HEIGHT - 1 - place(ys, Math.log(1 + point.calls), HEIGHT);
    const row = rows[y];
    if (row !== undefined) row[x] = markOf(point);
  }
  const body = rows.map((row) => `  |${row.join('').trimEnd()}\n`).join('');
  return `Calls (up) against idle addresses (right), both logarithmic; delayed pods: . none, : up to 10, # more; * chosen\n${body}  +${'-'.repeat(WIDTH)}\n`;
}

function markOf({ isChosen, delayed }: FrontierPoint): string {
  if (isChosen) return '*';
  if (delayed === 0) return '.';
  return delayed <= 10 ? ':' : '#';
}
