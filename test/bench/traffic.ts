/** What two pods on two nodes get of each other: bytes a second, and how soon an answer comes. */
import { join } from 'node:path';
import { compileC } from './compile-c.ts';
import { type Figure, ratios, Samples } from './figures.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { atLeast, atMost, type Reach } from './reach.ts';
import { Talk } from './traffic/talk.ts';
import { type Layout, LAYOUTS, twoNodes } from './traffic/two-nodes.ts';

const SOURCE = new URL('traffic/traffic.c', import.meta.url).pathname;
const ROUNDS = 40;
const STREAM_MS = 200;
const REQUESTS = 2000;
const BASES = ['plain', 'tracked'] as const;

export const trafficPart: Part = {
  about: 'TCP between pods of two nodes: throughput and request/response, our layout and routes alone',
  run: runTraffic,
};

async function runTraffic({ workDirectory, say, signal }: PartOptions): Promise<Measured> {
  const program = await compileC(SOURCE, join(workDirectory, 'traffic'));
  const samples = { stream: new Samples(), request: new Samples() };
  if (program === undefined) say('  no C compiler in PATH: nothing to talk with');
  else await measure(program, samples, { say, signal });
  return {
    figures: [
      ...samples.stream.figures('MB/s'),
      ...samples.request.figures('us'),
      ...BASES.flatMap((base) => against(samples, 'stream', base) ?? []),
      ...BASES.flatMap((base) => against(samples, 'request', base) ?? []),
    ],
    reach: BASES.flatMap((base): readonly Reach[] => [
      atLeast(`traffic.stream-vs-${base}`, 0.9, against(samples, 'stream', base)),
      atMost(`traffic.request-vs-${base}`, 1.1, against(samples, 'request', base)),
    ]),
  };
}

type Kinds = Readonly<Record<'stream' | 'request', Samples>>;

async function measure(program: string, samples: Kinds, { say, signal }: Pick<PartOptions, 'say' | 'signal'>) {
  await using stack = new AsyncDisposableStack();
  const talks: (readonly [Layout, Talk])[] = [];
  for (const layout of LAYOUTS) {
    signal.throwIfAborted();
    talks.push([layout, stack.use(await Talk.begin(program, await twoNodes(layout)))]);
  }
  // The first round finds neighbours unknown, windows small and processors asleep.
  for (let round = 0; round <= ROUNDS; round += 1) {
    if (round % 10 === 0 && round > 0) say(`  round ${round} of ${ROUNDS}`);
    const first = round % talks.length;
    for (const [layout, talk] of [...talks.slice(first), ...talks.slice(0, first)]) {
      signal.throwIfAborted();
      const { bytes, seconds } = await talk.stream(STREAM_MS);
      const { p50Us } = await talk.request(REQUESTS);
      if (round === 0) continue;
      samples.stream.add(idOf('stream', layout), bytes / 1e6 / seconds);
      samples.request.add(idOf('request', layout), p50Us);
    }
  }
}

function idOf(kind: keyof Kinds, layout: Layout): string {
  return `traffic/${kind}/${layout}`;
}

function against(samples: Kinds, kind: keyof Kinds, base: Layout): Figure | undefined {
  const [ours, of] = [idOf(kind, 'wellspring'), samples[kind]];
  return ratios(`${ours}:${base}`, of.of(ours), of.of(idOf(kind, base)));
}
