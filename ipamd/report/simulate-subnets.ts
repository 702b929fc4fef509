/** The subnets of a simulation over time. Pure. */
import { html, type Html } from './html.ts';
import { linesChart } from './lines.ts';
import type { Section } from './page.ts';
import { hour, HOURS, hoursOf, type Side } from './sides.ts';
import { dataTable } from './table.ts';
import { count, percent } from './words.ts';

/** More lines are not told apart. */
const MOST_DRAWN = 6;

export function subnetsSection(sides: readonly Side[]): Section {
  return {
    id: 'subnets',
    title: 'Subnets',
    body: sides.flatMap((side) => {
      const title = sides.length === 1 ? undefined : html`<h3>${side.name}</h3>`;
      return [
        html`${title}
          <div class="pair">${useChart(side)}${fragmentationChart(side)}</div>`,
        endTable(side),
      ];
    }),
  };
}

/** Those with the least part free at the end, in the order they have. */
function drawnOf({ result: { subnets } }: Side): readonly string[] {
  const tightest = subnets.toSorted((a, b) => a.free / a.size - b.free / b.size).slice(0, MOST_DRAWN);
  return subnets.filter((subnet) => tightest.includes(subnet)).map(({ id }) => id);
}

function leftOut({ result: { subnets } }: Side): string {
  return subnets.length > MOST_DRAWN ? ` Drawn are the ${MOST_DRAWN} of ${subnets.length} with the least free.` : '';
}

type Sample = Side['result']['series'][number]['subnets'][number];

function subnetLines(side: Side, value: (sample: Sample) => number) {
  return drawnOf(side).map((id) => ({
    name: id,
    points: side.result.series.flatMap((point) => {
      const sample = point.subnets.find((subnet) => subnet.id === id);
      return sample === undefined ? [] : [[hoursOf(point), value(sample)] as const];
    }),
  }));
}

function useChart(side: Side): Html {
  const { subnets } = side.result;
  const said = subnets
    .slice(0, MOST_DRAWN)
    .map(({ id, free, size }) => `${id}: ${count(free)} of ${count(size)} free at the end.`);
  return linesChart({
    id: `subnet-use-${side.name}`,
    title: 'Free addresses of the subnets',
    description: `${said.join(' ')}${leftOut(side)}`,
    x: HOURS,
    y: { name: 'Free addresses', min: 0, format: count, isWhole: true },
    xText: hour,
    lines: subnetLines(side, ({ free }) => free),
  });
}

function fragmentationChart(side: Side): Html {
  return linesChart({
    id: `subnet-fragments-${side.name}`,
    title: 'Fragmentation of the subnets',
    description: `The part of the free addresses that lies in no whole /28 block.${leftOut(side)}`,
    x: HOURS,
    y: { name: 'Part of the free addresses', min: 0, max: 1, format: percent },
    xText: hour,
    lines: subnetLines(side, ({ fragmentation }) => fragmentation),
  });
}

function endTable({ name, result }: Side): Html {
  return dataTable({
    caption: `Subnets at the end (${name})`,
    columns: ['Subnet', 'Addresses', 'Free', 'Free /28 blocks', 'Fragmented'],
    rows: result.subnets.map(({ id, size, free, freeBlocks, fragmentation }) => [
      id,
      count(size),
      count(free),
      count(freeBlocks),
      percent(fragmentation),
    ]),
  });
}
