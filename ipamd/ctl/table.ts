/** Text tables: aligned columns, two spaces apart. */

type Cell = string | number | boolean | null | undefined;

export type Row = Readonly<Record<string, Cell>>;

/** A heading, and the field it shows or a function that says what the cell holds. */
export type Column<R = Row> = readonly [heading: string, cell: (keyof R & string) | ((row: R) => Cell)];

/** The headings and a line for each row; what is not known is a dash. `none` stands in place of a table without rows. */
export function table<R>(columns: readonly Column<R>[], rows: readonly R[], none?: string): string {
  if (rows.length === 0 && none !== undefined) return `${none}\n`;
  const cells = rows.map((row) =>
    columns.map(([, cell]) => text(typeof cell === 'string' ? (row[cell] as Cell) : cell(row))),
  );
  return aligned([columns.map(([heading]) => heading), ...cells]);
}

function text(value: Cell): string {
  return value === undefined || value === null || value === '' ? '-' : String(value);
}

/** Lines of cells, each column as wide as its widest cell. */
export function aligned(lines: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const line of lines) {
    for (const [index, cell] of line.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  const padded = lines.map((line) =>
    line
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${padded.join('\n')}\n`;
}
