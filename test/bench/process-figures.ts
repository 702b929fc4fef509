/** What the kernel says of a process (proc(5): smaps_rollup, task/TID/schedstat). */
import { readdir, readFile } from 'node:fs/promises';

export interface Memory {
  readonly rssMb: number;
  readonly pssMb: number;
  /** Of it what is in no file: no other process has it, and the kernel cannot drop it. */
  readonly anonymousMb: number;
}

/** Of a process and its children: what a daemon keeps in a second process is its memory as well. Shared pages count twice in `rssMb`. */
export async function memoryOfAll(pid: number): Promise<Memory> {
  const all = await Promise.all([pid, ...(await childrenOf(pid))].map(memoryOf));
  return all.reduce((sum, { rssMb, pssMb, anonymousMb }) => ({
    rssMb: sum.rssMb + rssMb,
    pssMb: sum.pssMb + pssMb,
    anonymousMb: sum.anonymousMb + anonymousMb,
  }));
}

/** Processes that it started and that live; of its threads, too (proc(5), task/TID/children). */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8')));
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}

/** Of a process alone. */
export async function memoryOf(pid: number): Promise<Memory> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const megabytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { rssMb: megabytes('Rss'), pssMb: megabytes('Pss'), anonymousMb: megabytes('Anonymous') };
}

/** Milliseconds on a processor so far, all threads that live. */
export async function processorMsOf(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const spent = await Promise.all(
    threads.map(async (thread) => {
      const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      return Number(text.split(' ')[0]) / 1e6;
    }),
  );
  return spent.reduce((sum, ms) => sum + ms, 0);
}
