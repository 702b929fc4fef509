/**
 * A log file that does not fill the disk: at 100 MB it becomes `FILE.1`, `FILE.1` becomes `FILE.2`, and the fifth goes. Written
 * synchronously, so that the last lines before a crash are there. A disk that takes no more costs lines, not the daemon.
 */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

export interface RotationLimits {
  /** A line that would make the file longer than this begins the next file. */
  readonly bytes: number;
  /** Files beside the one that is written to. */
  readonly kept: number;
}

const LIMITS: RotationLimits = { bytes: 100 * 2 ** 20, kept: 5 };

export class RotatingFile {
  readonly #path: string;
  readonly #limits: RotationLimits;
  #fd: number;
  #size: number;
  #lost = 0;

  /** Makes the directory where it is missing. Throws the file system's error where the file cannot be opened. */
  constructor(path: string, limits: RotationLimits = LIMITS) {
    this.#path = path;
    this.#limits = limits;
    mkdirSync(dirname(path), { recursive: true });
    this.#fd = openSync(path, 'a', 0o640);
    this.#size = fstatSync(this.#fd).size;
  }

  /** Lines that could not be written since the last one that could. */
  get lost(): number {
    return this.#lost;
  }

  /** Never throws. */
  write(line: string): void {
    const bytes = Buffer.from(line, 'utf8');
    try {
      if (this.#size > 0 && this.#size + bytes.length > this.#limits.bytes) this.#rotate();
      // What a disk that fills up took of a line is made one of its own by the newline before the next.
      const whole = this.#lost > 0 ? Buffer.concat([Buffer.from('\n'), bytes]) : bytes;
      let done = 0;
      while (done < whole.length) {
        const written = writeSync(this.#fd, whole, done);
        done += written;
        this.#size += written;
      }
      this.#lost = 0;
    } catch {
      this.#lost += 1;
    }
  }

  /** Where a name cannot be changed, the file that is open is written on. */
  #rotate(): void {
    const nameOf = (index: number) => (index === 0 ? this.#path : `${this.#path}.${index}`);
    for (let index = this.#limits.kept; index > 0; index -= 1)
      if (existsSync(nameOf(index - 1))) renameSync(nameOf(index - 1), nameOf(index));
    const next = openSync(this.#path, 'a', 0o640);
    closeSync(this.#fd);
    this.#fd = next;
    this.#size = fstatSync(next).size;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
