/**
 * Bodies of requests, written piece by piece. A pod is made of a dozen messages with some fifty attributes, and what makes them runs
 * once a pod, when the processor's caches have long forgotten it: fewer objects and less code are all that counts there.
 */
import { align } from './attributes.ts';

const ATTRIBUTE_HEADER_LENGTH = 4;
/** Most bodies are below 200 bytes; the longest of a pod has an alias of 255. */
const USUAL_BYTES = 1024;

/** A body as it grows. Numbers are in host order, which is little-endian (see `attributes.ts`). */
export class BodyWriter {
  #bytes = Buffer.allocUnsafe(USUAL_BYTES);
  #end = 0;

  /** Begins anew, with a header of so many zeros. What was not finished is forgotten. */
  begin(headerLength: number): this {
    this.#end = 0;
    this.zeros(headerLength);
    return this;
  }

  /** So many zeros; returns where they begin. */
  zeros(length: number): number {
    const start = this.#room(length);
    for (let at = start; at < this.#end; at += 1) this.#bytes[at] = 0;
    return start;
  }

  /** Overwrites a byte. */
  setU8(at: number, value: number): void {
    this.#bytes[at] = value;
  }

  /** Overwrites two bytes. */
  setU16(at: number, value: number): void {
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
  }

  /** Overwrites four bytes. */
  setU32(at: number, value: number): void {
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
    this.#bytes[at + 2] = value >>> 16;
    this.#bytes[at + 3] = value >>> 24;
  }

  /** An attribute of an unsigned byte. */
  u8(type: number, value: number): void {
    this.setU8(this.#attribute(type, 1), value);
  }

  /** An attribute of four bytes. */
  u32(type: number, value: number): void {
    this.setU32(this.#attribute(type, 4), value);
  }

  /** An attribute of so many bytes, which are still to be set; returns where they begin. */
  room(type: number, length: number): number {
    return this.#attribute(type, length);
  }

  /** An attribute of raw bytes. */
  bytes(type: number, value: Uint8Array): void {
    this.#bytes.set(value, this.#attribute(type, value.length));
  }

  /** An attribute of text without a zero at its end. */
  text(type: number, value: string): void {
    this.#text(type, value, 0);
  }

  /** An attribute of text with its terminating zero. */
  terminatedText(type: number, value: string): void {
    this.#text(type, value, 1);
  }

  /** Begins an attribute of attributes, which `close` ends; returns what `close` is to be told. Flags belong to the type. */
  open(type: number): number {
    return this.#attribute(type, 0) - ATTRIBUTE_HEADER_LENGTH;
  }

  close(opened: number): void {
    this.setU16(opened, this.#end - opened);
  }

  /** The body; this writer may be used for the next. */
  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#end));
  }

  #text(type: number, value: string, zeros: 0 | 1): void {
    const length = Buffer.byteLength(value);
    const at = this.#attribute(type, length + zeros);
    this.#bytes.write(value, at, length);
    if (zeros === 1) this.#bytes[at + length] = 0;
  }

  /** Header and padding; returns where the value is to be. */
  #attribute(type: number, valueLength: number): number {
    const length = ATTRIBUTE_HEADER_LENGTH + valueLength;
    const at = this.#room(align(length));
    this.setU16(at, length);
    this.setU16(at + 2, type);
    for (let padding = at + length; padding < this.#end; padding += 1) this.#bytes[padding] = 0;
    return at + ATTRIBUTE_HEADER_LENGTH;
  }

  #room(length: number): number {
    const start = this.#end;
    this.#end += length;
    if (this.#end > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], 2 * this.#end);
    return start;
  }
}

const writer = new BodyWriter();

/** A body with a header of so many zeros. There is one writer: a body is finished before the next is begun. */
export function beginBody(headerLength: number): BodyWriter {
  return writer.begin(headerLength);
}
