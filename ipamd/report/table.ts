/** Tables: a caption, headings with their scope, and a frame that scrolls by keyboard where they are too wide. Pure. */
import { html, type Html } from './html.ts';

export type Cell = string | number | Html;

export interface TableSpec {
  readonly caption: string;
  readonly columns: readonly string[];
  /** The first cell of a row is its heading. */
  readonly rows: readonly (readonly Cell[])[];
}

export function dataTable({ caption, columns, rows }: TableSpec): Html {
  const head = columns.map((column, index) => {
    const isOfNumbers = index > 0 && rows.length > 0 && rows.every((row) => isNumeric(row[index] ?? ''));
    return html`<th scope="col" ${isOfNumbers ? NUMERIC : undefined}>${column}</th>`;
  });
  const body = rows.map(([first = '', ...cells]) => {
    const rest = cells.map((cell) => html`<td${formOf(cell)}>${cell}</td>`);
    return html`<tr>
      <th scope="row" ${typeof first === 'string' && first.length <= 24 ? SHORT : LONG}>${first}</th>
      ${rest}
    </tr> `;
  });
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${head}
        </tr>
      </thead>
      <tbody>
        ${body}
      </tbody>
    </table>
  </div>`;
}

const NUMERIC = html` class="n"`;
const SHORT = html` class="k"`;
const LONG = html` class="w"`;

function formOf(cell: Cell): Html {
  if (isNumeric(cell)) return NUMERIC;
  return typeof cell === 'string' && cell.length <= 24 ? SHORT : LONG;
}

function isNumeric(cell: Cell): boolean {
  return typeof cell === 'number' || (typeof cell === 'string' && /^[+<>-]?[\d.,]+( (%|ms|s|min|h|d))?$/.test(cell));
}
