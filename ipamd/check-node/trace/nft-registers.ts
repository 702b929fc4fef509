/**
 * Registers of nf_tables while a rule is judged (struct nft_regs, include/net/netfilter/nf_tables.h): bytes, each of which may be
 * unknown. Pure, but for the registers themselves.
 */

/** A byte; undefined: not known. */
export type Byte = number | undefined;
export type Bytes = readonly Byte[];
/** What comparing says; `unknown` where unknown bytes decide. */
export type Answer = boolean | 'unknown';

const WORD_BYTES = 4;
/** Registers have sixteen words (NFT_REG32_COUNT). */
export const MOST_BYTES = 64;

export class Registers {
  readonly #bytes: Byte[] = [];

  /** Sets the words from `word` on; the last one is filled with zeros, as nft_reg_store8 and the like do. */
  set(word: number, bytes: Bytes): void {
    const padded = Math.ceil(bytes.length / WORD_BYTES) * WORD_BYTES;
    for (let at = 0; at < padded; at += 1) this.#bytes[word * WORD_BYTES + at] = at < bytes.length ? bytes[at] : 0;
  }

  get(word: number, length: number): Bytes {
    return Array.from({ length }, (_, at) => this.#bytes[word * WORD_BYTES + at]);
  }
}

/** `0x0a00…` as bytes. */
export function bytesOf(hexadecimal: string): Bytes {
  return [...Buffer.from(hexadecimal.replace(/^0x/, ''), 'hex')];
}

/** So many bytes of which nothing is known. */
export function unknownBytes(length: number): Bytes {
  return Array.from({ length }, () => undefined);
}

/** Unsigned, in the order of the processor, which is little-endian wherever this runs. */
export function hostOrder(value: number): Bytes {
  return Array.from({ length: WORD_BYTES }, (_, at) => (value >>> (8 * at)) & 0xff);
}

/** undefined where a byte of it is unknown. */
export function numberOf(bytes: Bytes): number | undefined {
  let value = 0;
  for (const byte of bytes.toReversed()) {
    if (byte === undefined) return undefined;
    value = value * 256 + byte;
  }
  return value;
}

/** undefined where a byte is unknown. */
export function knownBytes(bytes: Bytes): Uint8Array | undefined {
  const known = bytes.filter((byte) => byte !== undefined);
  return known.length === bytes.length ? Uint8Array.from(known) : undefined;
}

/** (bytes & mask) ^ xor; a bit that the mask takes away is known. */
export function masked(bytes: Bytes, mask: Bytes, xor: Bytes): Bytes {
  return bytes.map((byte, at) => {
    const kept = mask[at] ?? 0;
    if (kept === 0) return xor[at] ?? 0;
    return byte === undefined ? undefined : (byte & kept) ^ (xor[at] ?? 0);
  });
}

/** Turns the order of the bytes in each group of so many. */
export function swapped(bytes: Bytes, size: number): Bytes {
  if (size < 2) return bytes;
  return bytes.map((_, at) => {
    const group = at - (at % size);
    return bytes[group + size - 1 - (at - group)];
  });
}

/** memcmp: negative, zero or positive; undefined where an unknown byte decides. */
export function compared(one: Bytes, other: Bytes): number | undefined {
  for (const [at, byte] of one.entries()) {
    const beside = other[at] ?? 0;
    if (byte === undefined) return undefined;
    if (byte !== beside) return byte - beside;
  }
  return 0;
}

/** One known byte that differs is enough for no. */
export function isEqual(one: Bytes, other: Bytes): Answer {
  if (one.some((byte, at) => byte !== undefined && byte !== (other[at] ?? 0))) return false;
  return one.includes(undefined) ? 'unknown' : true;
}

/** NFT_CMP_EQ to NFT_CMP_GTE. */
export function compare(bytes: Bytes, operation: number, value: Bytes): Answer {
  if (operation === 0) return isEqual(bytes, value);
  if (operation === 1) return not(isEqual(bytes, value));
  const order = compared(bytes, value);
  if (order === undefined) return 'unknown';
  return [order < 0, order <= 0, order > 0, order >= 0][operation - 2] ?? 'unknown';
}

export function within(bytes: Bytes, low: Bytes, high: Bytes): Answer {
  const [above, below] = [compared(bytes, low), compared(bytes, high)];
  if ((above !== undefined && above < 0) || (below !== undefined && below > 0)) return false;
  return above === undefined || below === undefined ? 'unknown' : true;
}

export function not(answer: Answer): Answer {
  return answer === 'unknown' ? answer : !answer;
}
