/** The page around a report: one file that asks nothing of anybody. Pure. */
import { html, type Html, markupOf, trusted } from './html.ts';
import { STYLE } from './style.data.ts';

export interface Section {
  /** Unique on the page: letters, digits, hyphens. */
  readonly id: string;
  readonly title: string;
  readonly body: readonly Html[];
}

export interface PageSpec {
  readonly title: string;
  /** What it is of, in a line. */
  readonly about: string;
  readonly sections: readonly Section[];
  /** Which program, in the footer. */
  readonly madeBy: string;
  /** Loads itself anew after so many seconds. */
  readonly refreshSeconds?: number;
}

/** Nothing but what is in the page itself: no script, no request. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export function page({ title, about, sections, madeBy, refreshSeconds }: PageSpec): string {
  const refresh =
    refreshSeconds === undefined ? undefined : html`<meta http-equiv="refresh" content="${refreshSeconds}" /> `;
  const links = sections.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`);
  const nav =
    sections.length < 2
      ? undefined
      : html`<nav aria-label="Sections">
          <ul>
            ${links}
          </ul>
        </nav>`;
  return markupOf(
    html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          ${refresh}
          <title>${title}</title>
          <style>
            ${trusted(STYLE)}
          </style>
        </head>
        <body>
          <a class="skip" href="#main">Skip to the content</a>
          <header>
            <h1>${title}</h1>
            <p>${about}</p>
            ${nav}
          </header>
          <main id="main" tabindex="-1">${sections.map(sectionHtml)}</main>
          <footer><p>${madeBy}</p></footer>
        </body>
      </html> `,
  );
}

function sectionHtml({ id, title, body }: Section): Html {
  return html`<section id="${id}" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    ${body}
  </section> `;
}

/** A figure with its name, and what it says of each of several sides. */
export interface Tile {
  readonly name: string;
  readonly values: readonly { readonly of: string; readonly value: string; readonly note?: string }[];
}

export function tiles(list: readonly Tile[]): Html {
  const each = list.map(({ name, values }) => {
    const lines = values.map(({ of, value, note }) => {
      const side = of === '' ? undefined : html`<span class="side">${of}</span> `;
      const more = note === undefined ? undefined : html` <span class="note">${note}</span>`;
      return html`<dd>${side}<span class="figure">${value}</span>${more}</dd>`;
    });
    return html`<div class="tile">
      <dt>${name}</dt>
      ${lines}
    </div> `;
  });
  return html`<dl class="tiles">${each}</dl>`;
}
