/** Text tables: aligned columns, two spaces apart. */

/** Heading and the field it shows. */
export type Column = readonly [heading: string, field: string];

export type Row = Readonly<Record<string, string | number | boolean | null | undefined>>;

export function table(columns: readonly Column[], rows: readonly Row[]): string {
  const cells = [
    columns.map(([heading]) => heading),
    ...rows.map((row) => columns.map(([, field]) => String(row[field] ?? ''))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => (line[index] ?? '').length)));
  const lines = cells.map((line) =>
    line
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
