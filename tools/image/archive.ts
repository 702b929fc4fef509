/** POSIX "ustar" archives (pax(1), "ustar Interchange Format") that are the same byte for byte whenever they are made. */

/** One entry. Everything belongs to root and is dated 1970. */
export type ArchiveEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

const BLOCK = 512;
const TYPE = { file: '0', link: '2', directory: '5' } as const;

/** The archive in pieces, sorted by path. Throws RangeError for a path or a link that is too long for the format. */
export function archive(entries: readonly ArchiveEntry[]): readonly Uint8Array[] {
  const sorted = entries.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const parts = sorted.flatMap((entry) => {
    const content = entry.kind === 'file' ? entry.content : new Uint8Array();
    return [header(entry, content.length), content, new Uint8Array((BLOCK - (content.length % BLOCK)) % BLOCK)];
  });
  return [...parts.filter(({ length }) => length > 0), new Uint8Array(2 * BLOCK)];
}

function header(entry: ArchiveEntry, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, width: number): number =>
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, offset, 'latin1');
  const { prefix, name } = split(entry.kind === 'directory' ? `${entry.path}/` : entry.path);
  block.write(name, 0, 'utf8');
  octal(entry.kind === 'link' ? 0o777 : entry.mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(TYPE[entry.kind], 156, 'latin1');
  if (entry.kind === 'link') {
    if (Buffer.byteLength(entry.target) > 100) throw new RangeError(`link target too long for ustar: ${entry.target}`);
    block.write(entry.target, 157, 'utf8');
  }
  block.write('ustar\x0000', 257, 'latin1');
  block.write(prefix, 345, 'utf8');
  // The checksum is taken with its own field as blanks, and written as six digits, NUL, blank.
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** 100 bytes for the name, 155 for the directories before it. */
function split(path: string): { readonly prefix: string; readonly name: string } {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path };
  for (let slash = path.indexOf('/'); slash > 0 && slash < path.length - 1; slash = path.indexOf('/', slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100) return { prefix, name };
  }
  throw new RangeError(`path too long for ustar: ${path}`);
}
