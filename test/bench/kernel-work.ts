/** The kernel's work of an ADD: the datapath against the same messages sent by a bare loop and by a C program. */
import { join } from 'node:path';
import { ratios, Samples, type Figure } from './figures.ts';
import { BareProgram } from './kernel-work/bare-c.ts';
import { type Kind, KernelWorkBed, KINDS } from './kernel-work/bed.ts';
import type { RecordedDatagram } from './kernel-work/recording.ts';
import type { Took } from './kernel-work/stopwatch.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { atMost } from './reach.ts';

const ROUNDS = 100;
/** Not counted: until then V8 interprets what later is compiled. */
const WARM_UP_ROUNDS = 25;
const KIND_NAMES = Object.keys(KINDS) as readonly Kind[];

export const kernelWorkPart: Part = {
  about: 'what the datapath needs for a pod, against the same netlink messages sent by a bare loop and by a C program',
  run: runKernelWork,
};

/** `datapath` is all that its ADD does, `plumber` the kernel's work of it. */
type Method = 'datapath' | 'plumber' | 'loop' | 'c';

type Run = (kind: Kind, netns: string) => Promise<Took>;

async function runKernelWork(options: PartOptions): Promise<Measured> {
  await using bed = await KernelWorkBed.create();
  const recordings: (readonly RecordedDatagram[])[] = [];
  for (const kind of KIND_NAMES) recordings.push((await bed.record(kind)).add);
  await using program = await startProgram(options, recordings);
  const methods: (readonly [Method, Run])[] = [
    ['datapath', (kind, netns) => bed.add(kind, netns)],
    ['plumber', (kind, netns) => bed.plumb(kind, netns)],
    ['loop', (kind, netns) => bed.replay(recordings[KIND_NAMES.indexOf(kind)] ?? [], netns)],
  ];
  if (program !== undefined) methods.push(['c', (kind, netns) => program.run(KIND_NAMES.indexOf(kind), netns)]);
  const samples = new Samples();
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    options.signal.throwIfAborted();
    const first = (WARM_UP_ROUNDS + round) % methods.length;
    const inTurn = [...methods.slice(first), ...methods.slice(0, first)];
    for (const kind of KIND_NAMES) await measureOnce(bed, kind, inTurn, round, samples);
  }
  return { figures: [...samples.figures('us'), ...comparisons(samples)], reach: reachOf(samples) };
}

async function startProgram(
  { say, workDirectory }: PartOptions,
  recordings: readonly (readonly RecordedDatagram[])[],
): Promise<BareProgram | undefined> {
  const directory = join(workDirectory, 'kernel-work');
  const program = await BareProgram.start(KernelWorkBed.hostNetns, recordings, directory);
  if (program === undefined) say('  no C compiler in PATH: the bare loop alone is compared with');
  return program;
}

/** Each method once; in the first round that counts, whether the kernel holds the same after each. */
async function measureOnce(
  bed: KernelWorkBed,
  kind: Kind,
  methods: readonly (readonly [Method, Run])[],
  round: number,
  samples: Samples,
): Promise<void> {
  const states = new Set<string>();
  for (const [method, run] of methods) {
    const netns = await bed.freshNetns();
    const { wallUs, cpuUs } = await run(kind, netns);
    if (round === 0) states.add(await bed.state(kind, netns));
    if (round >= 0) {
      samples.add(idOf('cpu', method, kind), cpuUs);
      samples.add(idOf('wall', method, kind), wallUs);
    }
    await bed.remove(kind);
  }
  if (states.size > 1) throw new Error(`not the same work:\n${[...states].join('\n---\n')}`);
}

type Clock = 'cpu' | 'wall';

function idOf(clock: Clock, method: Method, kind: Kind): string {
  return `kernel-work/${kind}-${clock}/${method}`;
}

/** Round by round. */
function against(samples: Samples, clock: Clock, kind: Kind, method: Method, bare: Method): Figure | undefined {
  const id = `kernel-work/${kind}-${clock}/${method}:${bare}`;
  return ratios(id, samples.of(idOf(clock, method, kind)), samples.of(idOf(clock, bare, kind)));
}

function comparisons(samples: Samples): readonly Figure[] {
  return KIND_NAMES.flatMap((kind) =>
    (['cpu', 'wall'] as const).flatMap((clock) =>
      (['datapath', 'plumber'] as const).flatMap((method) =>
        (['loop', 'c'] as const).flatMap((bare) => against(samples, clock, kind, method, bare) ?? []),
      ),
    ),
  );
}

/** By processor time: on a machine with other work the clock on the wall says how long a processor was waited for. */
function reachOf(samples: Samples) {
  return [
    atMost('add.kernel-vs-bare', 1.3, against(samples, 'cpu', 'ipv4', 'plumber', 'loop')),
    atMost('add.kernel-vs-c', 1.3, against(samples, 'cpu', 'ipv4', 'plumber', 'c')),
  ];
}
