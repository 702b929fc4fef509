/** Which conflist ipamd keeps, and where, by its settings. */
import { readFile } from 'node:fs/promises';
import type { Config } from '../config/config.ts';
import { OPTIONS } from '../config/options.data.ts';
import { conflistFrom, conflistText } from '../conflist.ts';

/** Undefined where none is to be kept. Rejects with what is wrong with the operator's own list. */
export async function conflistFor(
  config: Pick<Config, 'conflistDirectory' | 'conflistFile' | 'socketPath' | 'spoolDirectory'>,
): Promise<{ readonly directory: string; readonly text: string } | undefined> {
  const { conflistDirectory: directory, conflistFile, socketPath, spoolDirectory } = config;
  if (directory === '') return undefined;
  if (conflistFile === '') return { directory, text: conflistText({ socketPath, spoolDirectory }) };
  try {
    return { directory, text: conflistFrom(await readFile(conflistFile, 'utf8'), { socketPath, spoolDirectory }) };
  } catch (error) {
    throw new Error(`${OPTIONS.conflistFile.env}=${conflistFile} cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
