/** `--html FILE`: the report of an answer, rendered by a program part that is loaded for it alone. */
import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { RecommendAnswer } from '../ctl/recommend/answer.ts';
import type { SimulateAnswer } from '../ctl/simulate/command.ts';
import type { SubnetsAnswer } from '../subnet-controller/subnet-watch.ts';

interface Renderer {
  readonly simulateReport: (answer: SimulateAnswer) => string;
  readonly recommendReport: (answer: RecommendAnswer) => string;
  readonly forecastReport: (answer: SubnetsAnswer) => string;
}

/** The chart library and what draws with it; by its place, so that the bundle has a file of its own for it. */
export async function openRenderer(): Promise<Renderer> {
  return (await import(new URL('./render.ts', import.meta.url).href)) as Renderer;
}

/** Rejects with what the disk says where `path` cannot become a file. Long work comes before it is written. */
export async function checkWritable(path: string): Promise<void> {
  await access(dirname(resolve(path)), constants.W_OK);
  const there = await stat(path).catch(ignoreAbsence);
  // A device or a pipe would be replaced by a file.
  if (there?.isFile() === false) throw new Error(`${path} is there and is no ordinary file`);
}

function ignoreAbsence(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
