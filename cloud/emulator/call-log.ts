/** One request as the emulator saw it. */
export interface CallRecord {
  readonly kind: 'ec2' | 'metadata' | 'sts' | 'pod-identity';
  /** When it arrived: milliseconds since 1970. */
  readonly at: number;
  /** The EC2 action, or method and path of a metadata request. */
  readonly action: string;
  /** The client's address; `unix` for a client of the unix socket. */
  readonly source: string;
  /** The HTTP status; 0 where the connection was cut instead of an answer. */
  readonly status: number;
  /** From arrival until the answer was handed to the connection. */
  readonly durationMs: number;
  /** EC2's error code of a refusal. */
  readonly errorCode?: string;
  /** The kind of the scripted fault that struck, if one did. */
  readonly fault?: string;
  /** Whose keys signed the request, of an EC2 request that is signed. */
  readonly accessKeyId?: string;
  /** Which instance asked, of a metadata request. */
  readonly instanceId?: string;
}

/** The latest requests, oldest first; a record is there before its client has the answer. */
export class CallLog {
  readonly #limit: number;
  #records: CallRecord[] = [];
  #total = 0;

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  add(record: CallRecord): void {
    this.#total += 1;
    this.#records.push(record);
    // Cut in halves, so that a long run does not pay for moving the array with each call.
    if (this.#records.length >= this.#limit * 2) this.#records = this.#records.slice(-this.#limit);
  }

  records(): readonly CallRecord[] {
    return this.#records.slice(-this.#limit);
  }

  /** All requests ever, those included that are no longer held. */
  get total(): number {
    return this.#total;
  }

  clear(): void {
    this.#records = [];
    this.#total = 0;
  }
}
