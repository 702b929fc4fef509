/** A subnet block by block: a drawing of its /28 blocks in the order of their addresses, and what it shows in words. Pure. */
import { type Ipv4, formatIpv4, parseCidr } from '#warm-pool/address.ts';
import { BLOCK } from '#warm-pool/forecast/subnet-map.ts';
import { type Drawing, figure, type LegendEntry } from './figure.ts';
import { html, type Html } from './html.ts';
import { count, counted } from './words.ts';

export interface BlockMapSpec {
  readonly id: string;
  readonly cidr: string;
  /** As `blockUse` (#warm-pool/forecast/block-use.ts) writes it. */
  readonly use: string;
}

type State = 'free' | 'held' | 'prefix' | 'kept';

interface Block {
  readonly state: State;
  /** Addresses held one by one. */
  readonly held: number;
}

const WORDS: Readonly<Record<State, string>> = {
  free: 'free',
  held: 'held address by address',
  prefix: 'prefix of a node',
  kept: 'kept by EC2',
};
const LEGEND: readonly LegendEntry[] = [
  { name: 'free: an empty cell', colour: 'var(--c3)', mark: { kind: 'bar', isHatched: true } },
  { name: 'held one by one: filled as high as used', colour: 'var(--c2)', mark: { kind: 'bar' } },
  { name: 'prefix of a node: full, with a bar across', colour: 'var(--c1)', mark: { kind: 'bar' } },
  { name: 'kept by EC2: crossed out', colour: 'var(--soft)', mark: { kind: 'line', dash: 'solid' } },
];
const CELL = 10;
const MOST_ROWS = 400;

/** A line instead of a map for a subnet that has no room for a block. */
export function blockMap({ id, cidr, use }: BlockMapSpec): Html {
  const base = parseCidr(cidr)?.base;
  if (base === undefined || use === '') return html`<p>The subnet has no room for a /28 block.</p>`;
  const blocks = Array.from(use, blockOf);
  const of = (state: State): number => blocks.filter((block) => block.state === state).length;
  const said = `${count(blocks.length)} blocks of sixteen addresses in the order of their addresses, left to right: ${of('free')} free, ${of('held')} held address by address, ${counted(of('prefix'), 'prefix', 'prefixes')}.`;
  const rows = runsOf(blocks, base);
  const more = rows.length > MOST_ROWS ? `; the first ${MOST_ROWS} of ${count(rows.length)} rows` : '';
  const columns = blocks.length <= 64 ? 16 : blocks.length <= 1024 ? 32 : 64;
  return figure(
    {
      id,
      title: '/28 blocks',
      description: said,
      legend: LEGEND,
      table: {
        caption: `/28 blocks of ${cidr}, neighbours of one kind together${more}`,
        columns: ['From', 'To', 'Blocks', 'What they are', 'Addresses held'],
        rows: rows.slice(0, MOST_ROWS),
      },
    },
    [drawing(blocks, columns)],
  );
}

function blockOf(character: string): Block {
  if (character === 'x') return { state: 'kept', held: 0 };
  if (character === 'P') return { state: 'prefix', held: BLOCK };
  const held = Number.parseInt(character, BLOCK + 1);
  return held > 0 ? { state: 'held', held } : { state: 'free', held: 0 };
}

/** One path for each kind, so that a /16 is small as well. */
function drawing(blocks: readonly Block[], columns: number): Drawing {
  const paths: Record<State, string> = { free: '', held: '', prefix: '', kept: '' };
  let frames = '';
  let bars = '';
  for (const [index, { state, held }] of blocks.entries()) {
    const x = (index % columns) * CELL + 1;
    const y = Math.floor(index / columns) * CELL + 1;
    const size = CELL - 2;
    const high = state === 'held' ? Math.round((held / BLOCK) * size * 10) / 10 : size;
    frames += `M${x} ${y}h${size}v${size}h-${size}z`;
    if (state === 'kept') paths.kept += `M${x} ${y}l${size} ${size}M${x + size} ${y}l-${size} ${size}`;
    else paths[state] += `M${x} ${y + size - high}h${size}v${high}h-${size}z`;
    if (state === 'prefix') bars += `M${x} ${y + size / 2}h${size}`;
  }
  return {
    width: columns * CELL,
    height: Math.ceil(blocks.length / columns) * CELL,
    body: html`<path d="${paths.free}" fill="var(--c3)" fill-opacity="0.18" />
      <path d="${paths.held}" fill="var(--c2)" /><path d="${paths.prefix}" fill="var(--c1)" />
      <path d="${bars}" stroke="var(--card)" stroke-width="1.5" />
      <path d="${paths.kept}" stroke="var(--soft)" stroke-width="0.8" />
      <path d="${frames}" fill="none" stroke="var(--soft)" stroke-width="0.5" />`,
  };
}

function runsOf(blocks: readonly Block[], base: Ipv4): readonly (readonly string[])[] {
  const runs: { from: number; to: number; state: State; held: number }[] = [];
  for (const [index, { state, held }] of blocks.entries()) {
    const last = runs.at(-1);
    if (last?.state === state) Object.assign(last, { to: index, held: last.held + held });
    else runs.push({ from: index, to: index, state, held });
  }
  return runs.map(({ from, to, state, held }) => [
    formatIpv4(base + from * BLOCK),
    formatIpv4(base + to * BLOCK + BLOCK - 1),
    count(to - from + 1),
    WORDS[state],
    count(held),
  ]);
}
