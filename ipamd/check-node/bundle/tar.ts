/** Archives of text files: POSIX "ustar" (pax(1), "ustar Interchange Format"), regular files alone. Pure. */

export interface ArchivedFile {
  /** Relative, at most 100 bytes. */
  readonly path: string;
  readonly text: string;
}

/** The archive cannot be read; the message says where it ends to make sense. */
export class TarError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TarError';
  }
}

const BLOCK = 512;
const MODE = 0o600;

/** `mtime` in seconds since 1970. */
export function writeTar(files: readonly ArchivedFile[], mtime: number): Buffer {
  const parts = files.flatMap(({ path, text }) => {
    const content = Buffer.from(text, 'utf8');
    return [headerOf(path, content.length, mtime), content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function headerOf(path: string, size: number, mtime: number): Buffer {
  if (Buffer.byteLength(path) > 100) throw new TarError(`the path ${path} is too long for an archive`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, width: number): void => {
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, offset, 'latin1');
  };
  block.write(path, 0, 'utf8');
  octal(MODE, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(mtime, 136, 12);
  block.write('        0', 148, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(checksum(block), 148, 7);
  return block;
}

/** The sum of all bytes, those of the field itself taken as blanks. */
function checksum(block: Buffer): number {
  return block.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);
}

/** The regular files of an archive; other members are left out. Throws `TarError`. */
export function readTar(bytes: Buffer): readonly ArchivedFile[] {
  const files: ArchivedFile[] = [];
  let offset = 0;
  for (;;) {
    const block = bytes.subarray(offset, offset + BLOCK);
    if (block.length < BLOCK)
      throw new TarError(`the archive is cut off after ${bytes.length} bytes (${files.length} files are whole)`);
    if (block.every((byte) => byte === 0)) return files;
    const field = (at: number, length: number): string =>
      (block.toString('utf8', at, at + length).split('\0')[0] ?? '').trim();
    if (checksum(block) !== Number.parseInt(field(148, 8), 8))
      throw new TarError(`there is no header of a file at byte ${offset}`);
    const size = Number.parseInt(field(124, 12), 8);
    const from = offset + BLOCK;
    if (from + size > bytes.length) throw new TarError(`the archive is cut off within ${field(0, 100)}`);
    if (block[156] === 0 || block[156] === 0x30)
      files.push({ path: field(0, 100), text: bytes.toString('utf8', from, from + size) });
    offset = from + size + ((BLOCK - (size % BLOCK)) % BLOCK);
  }
}
