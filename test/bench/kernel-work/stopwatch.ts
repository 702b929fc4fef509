/** Time that passed, and time on a processor: the latter says what work costs on a machine with other work. */
import koffi from 'koffi';

/** linux/time.h. */
const CLOCK_THREAD_CPUTIME_ID = 3;

/** Microseconds; `cpuUs` is that of the calling thread. */
export interface Took {
  readonly wallUs: number;
  readonly cpuUs: number;
}

const clockGetTime: (clock: number, time: Uint8Array) => number = koffi
  .load(null)
  .func('int clock_gettime(int, void *)');
const time = Buffer.alloc(16);

function threadNs(): bigint {
  if (clockGetTime(CLOCK_THREAD_CPUTIME_ID, time) !== 0) throw new Error(`clock_gettime: errno ${koffi.errno()}`);
  return time.readBigInt64LE(0) * 1_000_000_000n + time.readBigInt64LE(8);
}

/** What some work took; of asynchronous work the share of this thread counts. */
export async function timed(work: () => void | Promise<unknown>): Promise<Took> {
  const [wall, cpu] = [process.hrtime.bigint(), threadNs()];
  await work();
  const [cpuEnd, wallEnd] = [threadNs(), process.hrtime.bigint()];
  return { wallUs: Number(wallEnd - wall) / 1000, cpuUs: Number(cpuEnd - cpu) / 1000 };
}
