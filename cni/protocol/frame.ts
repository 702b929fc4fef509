/** Frames: u32 big-endian length, then that many bytes of UTF-8 JSON. No I/O. */
import { ProtocolError } from './errors.ts';
import { MAX_FRAME_BYTES } from './messages.ts';

const HEADER_BYTES = 4;

/**
 * One frame with `value` as JSON.
 * @throws ProtocolError `too-large` when the JSON exceeds `limit` bytes, `malformed` when the value has no JSON form
 */
export function encodeFrame(value: unknown, limit: number = MAX_FRAME_BYTES): Uint8Array {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new ProtocolError('malformed', 'a frame needs a value that JSON can express');
  return frameText(text, limit);
}

/** One frame around a JSON text. @throws ProtocolError `too-large` */
export function frameText(text: string, limit: number = MAX_FRAME_BYTES): Uint8Array {
  const length = Buffer.byteLength(text, 'utf8');
  if (length > limit) throw new ProtocolError('too-large', `a frame of ${length} bytes exceeds the limit of ${limit}`);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame.writeUInt32BE(length, 0);
  frame.write(text, HEADER_BYTES, 'utf8');
  return frame;
}

/**
 * Collects the bytes of one connection and gives back the bodies of whole frames, however the bytes were cut. It holds at most
 * `limit` + 4 bytes of an unfinished frame: a length above the limit is refused when the header is whole.
 */
export class FrameCollector {
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #buffered = 0;

  constructor(limit: number = MAX_FRAME_BYTES) {
    this.#limit = limit;
  }

  /** Bytes of an unfinished frame. When the connection ends and this is not 0, the frame was cut off. */
  get pendingBytes(): number {
    return this.#buffered;
  }

  /**
   * The bodies of all frames that `chunk` completes, in order.
   * @throws ProtocolError `too-large`; the connection cannot be used after it
   */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const bodies: Uint8Array[] = [];
    for (let length = this.#announced(); length !== undefined; length = this.#announced()) {
      if (this.#buffered < HEADER_BYTES + length) break;
      bodies.push(this.#take(HEADER_BYTES + length).subarray(HEADER_BYTES));
    }
    return bodies;
  }

  #announced(): number | undefined {
    if (this.#buffered < HEADER_BYTES) return undefined;
    if ((this.#chunks[0]?.length ?? 0) < HEADER_BYTES) this.#chunks = [Buffer.concat(this.#chunks)];
    const first = this.#chunks[0] ?? Buffer.alloc(HEADER_BYTES);
    const length = new DataView(first.buffer, first.byteOffset, first.byteLength).getUint32(0);
    if (length > this.#limit) {
      throw new ProtocolError('too-large', `a frame of ${length} bytes exceeds the limit of ${this.#limit}`);
    }
    return length;
  }

  #take(count: number): Uint8Array {
    const all =
      this.#chunks.length === 1 && this.#chunks[0] !== undefined ? this.#chunks[0] : Buffer.concat(this.#chunks);
    const rest = all.subarray(count);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#buffered = rest.length;
    return all.subarray(0, count);
  }
}

/** A `FrameCollector` that decodes: for servers. */
export class FrameDecoder {
  readonly #collector: FrameCollector;

  constructor(limit: number = MAX_FRAME_BYTES) {
    this.#collector = new FrameCollector(limit);
  }

  /** Bytes of an unfinished frame. When the connection ends and this is not 0, the frame was cut off. */
  get pendingBytes(): number {
    return this.#collector.pendingBytes;
  }

  /**
   * The values of all frames that `chunk` completes, in order.
   * @throws ProtocolError `too-large` or `malformed`; the connection cannot be used after either
   */
  push(chunk: Uint8Array): readonly unknown[] {
    return this.#collector.push(chunk).map(decodeBody);
  }
}

/** A frame's body as text. @throws ProtocolError `malformed` where it is not UTF-8 */
export function decodeText(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (cause) {
    throw new ProtocolError('malformed', 'a frame holds bytes that are not UTF-8', { cause });
  }
}

function decodeBody(body: Uint8Array): unknown {
  const text = decodeText(body);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError('malformed', `a frame of ${body.length} bytes is not JSON`, { cause });
  }
}
