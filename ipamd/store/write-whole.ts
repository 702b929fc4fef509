/** Small files that are replaced as a whole. */
import { open, rename, rm } from 'node:fs/promises';

/**
 * Beside itself, synced and renamed: after a crash the file is the old one or the whole new one. Rejects with what the disk says;
 * nothing is left beside it then.
 */
export async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const beside = `${path}.new-${process.pid}`;
  try {
    const file = await open(beside, 'w', mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
