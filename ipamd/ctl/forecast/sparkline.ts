/** A line of block characters. Pure. */

const LEVELS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/** At most `width` characters, the highest value of each span; from 0 to `most`. Empty without values. */
export function sparkline(values: readonly number[], most: number, width: number): string {
  const count = Math.min(width, values.length);
  const spans = Array.from({ length: count }, (_, index) =>
    Math.max(
      ...values.slice(Math.floor((index * values.length) / count), Math.floor(((index + 1) * values.length) / count)),
    ),
  );
  const level = (value: number) =>
    Math.round((Math.min(most, Math.max(0, value)) / Math.max(1, most)) * (LEVELS.length - 1));
  return spans.map((value) => LEVELS[level(value)]).join('');
}
