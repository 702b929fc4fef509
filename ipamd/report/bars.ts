/** Charts of bars, lying or standing, with their legend and table. Pure. */
import { chart, colourAt, type Series } from './chart.ts';
import type { Html } from './html.ts';

export interface BarsSpec {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly categoryName: string;
  readonly categories: readonly string[];
  readonly valueName: string;
  readonly sides: readonly { readonly name: string; readonly values: readonly number[] }[];
  readonly format: (value: number) => string;
  /** Categories from above downwards; their names have more room. */
  readonly isLying?: boolean;
  readonly isWhole?: boolean;
}

export function barsChart(spec: BarsSpec): Html {
  const { id, title, description, categoryName, categories, valueName, sides, format, isLying = false } = spec;
  // The first category is the lowest of an axis.
  const order = isLying ? categories.toReversed() : categories;
  const ordered = (values: readonly number[]): number[] => [...(isLying ? values.toReversed() : values)];
  const series = sides.map(({ values }, index): Series => {
    const colour = colourAt(index);
    return {
      type: 'bar',
      data: ordered(values),
      barMaxWidth: 28,
      itemStyle: { color: colour, opacity: index === 0 ? 1 : 0.45, borderColor: colour, borderWidth: 1 },
      label: {
        show: true,
        position: isLying ? 'right' : 'top',
        color: 'var(--ink)',
        fontSize: 10,
        opacity: 1,
        formatter: ({ value }) => (value === 0 ? '' : format(Number(value))),
      },
    };
  });
  const isWhole = spec.isWhole === true;
  const category = { name: isLying ? '' : categoryName, categories: order };
  const value = { name: valueName, format, min: 0, isWhole };
  return chart({
    id,
    title,
    description,
    x: isLying ? value : category,
    y: isLying ? category : value,
    series,
    ...(isLying ? { height: Math.max(150, 70 + categories.length * 14 * (1 + sides.length)) } : {}),
    legend: sides.map(({ name }, index) => {
      return { name, colour: colourAt(index), mark: { kind: 'bar', isHatched: index > 0 } };
    }),
    table: {
      caption: `${title}: ${valueName}`,
      columns: [categoryName, ...sides.map(({ name }) => name)],
      rows: categories.map((name, index) => [name, ...sides.map(({ values }) => format(values[index] ?? 0))]),
    },
  });
}
