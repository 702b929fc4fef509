/** Where a journal lies: the few things that it asks of a disk. `journalFiles` is the file system. */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * O_DSYNC (open(2)): a write returns when data and length are on the disk, as with fdatasync(2) after it. One job of the thread
 * pool instead of two, the second of which would wait for the main thread while it plumbs the pod.
 */
const FLAGS = constants.O_CREAT | constants.O_TRUNC | constants.O_RDWR | constants.O_DSYNC;

export interface JournalStorage {
  /** For messages. */
  readonly path: string;
  /** What is there; '' where nothing is. */
  read(): Promise<string>;
  /** Keeps what is there under the journal's name with `.<suffix>` added; nothing is there afterwards. */
  setAside(suffix: string): Promise<void>;
  /** Puts `text` in the place of what is there: after a crash one or the other is there, whole. Durable when it resolves. */
  replace(text: string): Promise<JournalFile>;
}

/** The file that `replace` made, open for appends. */
export interface JournalFile {
  /** Writes all the bytes at an offset: durable when it resolves; what a failure or a crash before leaves of them is not said. */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  /** Cuts the file to a length; durable with the next `write`. */
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/** The journal as a file that only its owner can read; its directory is made where it is missing. */
export function journalFiles(path: string): JournalStorage {
  return {
    path,
    async read() {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return '';
        throw error;
      });
    },
    setAside: (suffix) => rename(path, `${path}.${suffix}`),
    replace: async (text) => fileOf(await writeWhole(path, text)),
  };
}

function fileOf(handle: FileHandle): JournalFile {
  return {
    async write(bytes, offset) {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
        done += bytesWritten;
      }
    },
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  };
}

/** Writes a new file beside the old one and puts it in its place; durable when it resolves. */
async function writeWhole(path: string, text: string): Promise<FileHandle> {
  const temporary = join(dirname(path), `.${process.pid}.journal.new`);
  const handle = await open(temporary, FLAGS, 0o600);
  try {
    await fileOf(handle).write(Buffer.from(text, 'utf8'), 0);
    await rename(temporary, path);
    const directory = await open(dirname(path), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  return handle;
}
