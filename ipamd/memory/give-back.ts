/** Gives memory back to the kernel that this process holds and does not use. */
import { readFile, realpath } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import koffi from 'koffi';
import { droppable } from './executable-pages.ts';

/** asm-generic/mman-common.h */
const MADV_DONTNEED = 4;

interface LibC {
  readonly trim: (pad: number) => number;
  readonly advise: (start: bigint, length: number, advice: number) => number;
}

let opened: LibC | undefined;

/** glibc's; another libc may have no malloc_trim, and then nothing is given back. */
function libC(): LibC {
  if (opened !== undefined) return opened;
  const library = koffi.load(null);
  const trim = library.func('int malloc_trim(size_t)');
  const advise = library.func('int madvise(uintptr_t, size_t, int)');
  opened = {
    trim: (pad) => Number(trim(pad)),
    advise: (start, length, advice) => Number(advise(start, length, advice)),
  };
  return opened;
}

let collector: (() => void) | undefined;

/** V8 collects when it needs room, which a quiet daemon does not: what a burst left would stay for hours. */
function collectGarbage(): void {
  if (collector === undefined) {
    setFlagsFromString('--expose-gc');
    const gc: unknown = runInNewContext('gc');
    // The ordinary collection leaves half-empty pages where they are; this one moves what lives together.
    const thoroughly = { type: 'major', execution: 'sync', flavor: 'last-resort' };
    collector = typeof gc === 'function' ? () => void gc.call(undefined, thoroughly) : () => undefined;
  }
  collector();
}

/** Garbage, what malloc kept of what was freed, and the pages of the executable. Takes some 50 ms, most of it for garbage. */
export async function giveMemoryBack(): Promise<void> {
  const [smaps, executable] = await Promise.all([readFile('/proc/self/smaps', 'utf8'), realpath(process.execPath)]);
  const { trim, advise } = libC();
  collectGarbage();
  trim(0);
  for (const { start, length } of droppable(smaps, executable)) advise(start, length, MADV_DONTNEED);
}
