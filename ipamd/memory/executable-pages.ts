/**
 * Which pages of the executable may be dropped. Node's file is mapped by the tens of megabytes, and its start touches far
 * more of it than a quiet daemon ever uses again. Pages that were never written are the file's own and come back by
 * themselves, out of the page cache (madvise(2), MADV_DONTNEED on a private file mapping).
 */

/** A range of this process's addresses. */
export interface Mapping {
  readonly start: bigint;
  readonly length: number;
}

const HEADER = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) [0-9a-f]+ \S+ \d+\s+(.*)$/;
/** Fields of proc(5), smaps, in kB: of a mapping whose pages are all as they are in the file these are 0. */
const WRITTEN = /^(?:Anonymous|Private_Dirty|Shared_Dirty|Locked):\s+[1-9]/;

/**
 * The mappings of `file` that nobody can write to and of which no page was ever written (relocations, for one, are written
 * before they are protected: dropping those pages would undo them). `smaps` is the text of /proc/self/smaps.
 */
export function droppable(smaps: string, file: string): readonly Mapping[] {
  const found: Mapping[] = [];
  let current: Mapping | undefined;
  const take = (): void => {
    if (current !== undefined) found.push(current);
    current = undefined;
  };
  for (const line of smaps.split('\n')) {
    const [, from, to, permissions, name] = HEADER.exec(line) ?? [];
    if (from !== undefined && to !== undefined && permissions !== undefined) {
      take();
      const start = BigInt(`0x${from}`);
      const isPlain = name === file && /^r-[x-]p$/.test(permissions);
      current = isPlain ? { start, length: Number(BigInt(`0x${to}`) - start) } : undefined;
    } else if (WRITTEN.test(line)) current = undefined;
  }
  take();
  return found;
}
