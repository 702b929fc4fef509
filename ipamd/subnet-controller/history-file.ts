/** The history on disk: written whole beside itself and renamed, so that a crash leaves the old one or the new one. */
import { readFile, rename } from 'node:fs/promises';
import { writeWhole } from '../store/write-whole.ts';
import { type History, historyText, parseHistory } from './history.ts';

export interface ReadHistory {
  readonly history: History;
  /** Where what could not be read was put; undefined: nothing was wrong. */
  readonly damaged: string | undefined;
}

/** A file that is not there is an empty history; one that cannot be understood is put aside. Rejects where the disk refuses. */
export async function readHistory(path: string, now: number): Promise<ReadHistory> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { history: new Map(), damaged: undefined };
    throw error;
  }
  const history = parseHistory(text);
  if (history !== undefined) return { history, damaged: undefined };
  const damaged = `${path}.damaged-${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}`;
  await rename(path, damaged);
  return { history: new Map(), damaged };
}

/** Resolves when it would outlive a loss of power. */
export function writeHistory(path: string, history: History): Promise<void> {
  return writeWhole(path, historyText(history), 0o600);
}
