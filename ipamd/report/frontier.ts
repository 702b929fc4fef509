/** The frontier as points: idle addresses against what they save. Pure. */
import type { RecommendAnswer } from '../ctl/recommend/answer.ts';
import { chart, type Series } from './chart.ts';
import type { Form } from './figure.ts';
import type { Html } from './html.ts';
import { count } from './words.ts';

interface Place {
  readonly idleAddresses: number;
  readonly delayed: number;
  readonly calls: number;
}

interface Kind {
  readonly name: string;
  readonly colour: string;
  readonly form: Form;
  readonly size: number;
  readonly places: readonly Place[];
  /** Where its name stands; `''`: nowhere. */
  readonly label: 'right' | 'bottom' | 'left' | '';
}

const TITLES = {
  delayed: 'Delayed pods against idle addresses',
  calls: 'EC2 calls against idle addresses',
} as const;
const NAMES = { delayed: 'Delayed pods', calls: 'EC2 calls' } as const;

/** Settings differ by factors, and 0 is among them: the logarithm of one more than the value. */
const log = (value: number): number => Math.log10(1 + Math.max(0, value));
const back = (place: number): string => count(10 ** place - 1);
const TICKS = [
  0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000, 10_000_000,
];

export function frontierChart(answer: RecommendAnswer, measure: 'delayed' | 'calls'): Html {
  const kinds = kindsOf(answer);
  const { chosen, peerDefaults, frontier } = answer;
  const places = kinds.flatMap((kind) => kind.places);
  const said = (name: string, place: Place): string =>
    `${name}: ${count(place.idleAddresses)} idle, ${count(place[measure])} ${NAMES[measure].replace('Delayed', 'delayed')}.`;
  return chart({
    id: `frontier-${measure}`,
    title: TITLES[measure],
    description: `${frontier.length} settings that no other beats. ${said('Chosen', chosen)} ${said('Peer with its defaults', peerDefaults)} ${said('Current', answer.baseline)} Further left and further down is better.`,
    legend: kinds.map(({ name, colour, form }) => ({ name, colour, mark: { kind: 'point', form } })),
    x: { name: 'Idle addresses, mean', ...rangeOf(places.map(({ idleAddresses }) => idleAddresses)), format: back },
    y: { name: NAMES[measure], ...rangeOf(places.map((place) => place[measure])), format: back },
    series: kinds.map((kind) => seriesOf(kind, measure)),
    height: 260,
    table: {
      caption: TITLES[measure],
      columns: ['Settings', 'Idle addresses', NAMES[measure]],
      rows: kinds.flatMap(({ name, places: list }) =>
        list.map((place, index) => [
          list.length > 1 ? `${name} ${index + 1}` : name,
          count(place.idleAddresses),
          count(place[measure]),
        ]),
      ),
    },
  });
}

function kindsOf({ frontier, chosen, baseline, peerDefaults }: RecommendAnswer): readonly Kind[] {
  const rest = frontier.filter(({ isChosen, isCurrent }) => !isChosen && !isCurrent);
  const colours = ['var(--c1)', 'var(--c2)', 'var(--c4)', 'var(--c3)'] as const;
  return [
    { name: 'on the frontier', colour: colours[0], form: 'circle', size: 9, places: rest, label: '' },
    { name: 'peer, defaults', colour: colours[1], form: 'rect', size: 13, places: [peerDefaults], label: 'right' },
    { name: 'current', colour: colours[2], form: 'triangle', size: 14, places: [baseline], label: 'left' },
    { name: 'chosen', colour: colours[3], form: 'diamond', size: 18, places: [chosen], label: 'bottom' },
  ];
}

function seriesOf({ name, colour, form, size, places, label }: Kind, measure: 'delayed' | 'calls'): Series {
  return {
    type: 'scatter',
    symbol: form,
    symbolSize: size,
    data: places.map((place) => [log(place.idleAddresses), log(place[measure])]),
    itemStyle: { color: colour, opacity: label === '' ? 0.7 : 1, borderColor: 'var(--card)', borderWidth: 1 },
    label:
      label === ''
        ? { show: false }
        : { show: true, position: label, formatter: () => name, color: 'var(--ink)', fontSize: 12 },
  };
}

function rangeOf(values: readonly number[]) {
  const [least, most] = [Math.min(...values), Math.max(...values)].map(log) as [number, number];
  const room = Math.max(0.08, (most - least) * 0.15);
  const [min, max] = [least - room, most + room];
  const within = TICKS.filter((tick) => log(tick) >= min && log(tick) <= max);
  // Few decades leave too few of the round numbers: some more, evenly.
  const ticks =
    within.length >= 3
      ? within.map(log)
      : Array.from({ length: 4 }, (_, index) => least + ((most - least) * index) / 3);
  return { min, max, ticks };
}
