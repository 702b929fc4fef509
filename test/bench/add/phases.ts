/** Where the time of an ADD goes within the daemon, by its own histogram. */
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { type Figure, figure } from '../figures.ts';

const HISTOGRAM = 'wellspring_cni_request_duration_seconds';
const PHASES = ['queue', 'kernel-and-journal', 'total'] as const;
type Phase = (typeof PHASES)[number];

interface Mean {
  readonly seconds: number;
  readonly count: number;
}

/** The mean of each phase over the ADDs that the work makes, in milliseconds. */
export async function phases(node: ClusterNode, work: () => Promise<void>): Promise<readonly Figure[]> {
  const before = await read(node);
  await work();
  const after = await read(node);
  return PHASES.flatMap((phase) => {
    const count = after[phase].count - before[phase].count;
    const seconds = after[phase].seconds - before[phase].seconds;
    return count === 0 ? [] : (figure(`add/daemon-mean-${phase}`, 'ms', [(1000 * seconds) / count]) ?? []);
  });
}

async function read(node: ClusterNode): Promise<Readonly<Record<Phase, Mean>>> {
  const text = await node.page('/metrics');
  const value = (name: string, phase: Phase): number => {
    const line = text.split('\n').find((each) => each.startsWith(`${name}{`) && isOf(each, phase));
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')));
  };
  const mean = (phase: Phase): Mean => ({
    seconds: value(`${HISTOGRAM}_sum`, phase),
    count: value(`${HISTOGRAM}_count`, phase),
  });
  return { queue: mean('queue'), 'kernel-and-journal': mean('kernel-and-journal'), total: mean('total') };
}

function isOf(line: string, phase: Phase): boolean {
  return line.includes('method="Add"') && line.includes(`phase="${phase}"`);
}
