/** What surrounds every chart: its heading, description, legend, drawing and the same data as a table. Pure. */
import { html, type Html } from './html.ts';
import { dataTable, type TableSpec } from './table.ts';

/** Told apart by form as well as by colour. */
export type Mark =
  | { readonly kind: 'line'; readonly dash: Dash }
  | { readonly kind: 'area' }
  | { readonly kind: 'bar'; readonly isHatched?: boolean }
  | { readonly kind: 'point'; readonly form: Form };
export type Dash = 'solid' | 'dashed' | 'dotted';
export type Form = 'circle' | 'diamond' | 'triangle' | 'rect';

export interface LegendEntry {
  readonly name: string;
  readonly colour: string;
  readonly mark: Mark;
}

export interface FigureSpec {
  /** Unique on the page: letters, digits, hyphens. */
  readonly id: string;
  readonly title: string;
  /** What is drawn and what stands out: all that the drawing says to who does not see it. */
  readonly description: string;
  readonly legend: readonly LegendEntry[];
  readonly table: TableSpec;
}

export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly body: Html;
}

/** `drawings`: for a narrow place, and for a wide one where there is a second. */
export function figure(spec: FigureSpec, drawings: readonly Drawing[]): Html {
  const { id, title, description, legend, table } = spec;
  const keys = legend.map(({ name, colour, mark }) => html`<li>${swatch(colour, mark)}${name}</li>`);
  const [narrow, wide] = drawings.map((drawing, index) => svg(spec, `${id}-${index}`, drawing));
  const plot =
    wide === undefined
      ? narrow
      : html`<div class="narrow">${narrow}</div>
          <div class="wide">${wide}</div>`;
  return html`<figure id="${id}">
    <figcaption>
      <h3>${title}</h3>
      <p>${description}</p>
      ${
        legend.length < 2
          ? undefined
          : html`<ul class="legend">
              ${keys}
            </ul>`
      }
    </figcaption>
    <div class="plot">${plot}</div>
    <details>
      <summary>Data of “${title}” as a table</summary>
      ${dataTable(table)}
    </details>
  </figure> `;
}

function svg({ title, description }: FigureSpec, id: string, { width, height, body }: Drawing): Html {
  return html`<svg class="drawing" role="img" aria-labelledby="${id}-t ${id}-d" viewBox="0 0 ${width} ${height}">
    <title id="${id}-t">${title}</title>
    <desc id="${id}-d">${description} The table after the chart has its data.</desc>
    ${body}
  </svg>`;
}

const DASHES: Readonly<Record<Dash, string>> = { solid: 'none', dashed: '7 4', dotted: '2 3' };
const SHAPES: Readonly<Record<Form, string>> = {
  circle: 'M9 6a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z',
  diamond: 'M14 0l6 6l-6 6l-6 -6z',
  triangle: 'M14 0l6 11h-12z',
  rect: 'M9 1h10v10h-10z',
};

function swatch(colour: string, mark: Mark): Html {
  const shape = (): Html => {
    switch (mark.kind) {
      case 'line':
        return html`<path
          d="M0 6h28"
          fill="none"
          stroke="${colour}"
          stroke-width="2.5"
          stroke-dasharray="${DASHES[mark.dash]}"
        />`;
      case 'area':
        return html`<path d="M0 1h28v10h-28z" fill="${colour}" fill-opacity="0.25" />`;
      case 'bar':
        return html`<path
          d="M8 0h12v12h-12z"
          fill="${colour}"
          fill-opacity="${mark.isHatched === true ? 0.45 : 1}"
          stroke="${colour}"
        />`;
      case 'point':
        return html`<path d="${SHAPES[mark.form]}" fill="${colour}" />`;
      default:
        return mark satisfies never;
    }
  };
  return html`<svg width="28" height="12" viewBox="0 0 28 12" aria-hidden="true">${shape()}</svg>`;
}
