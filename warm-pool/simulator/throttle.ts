/**
 * The account's limits, one for all nodes: whether a call is throttled. Calls are judged in order of time and node, whatever part of the
 * run they come from, and only when an answer is due: until then every part has told of those before it.
 */

import { refilled, type Tokens } from '../tokens.ts';
import { CLOUD_CALLS, type CloudCall, type CloudPace } from './cluster.ts';
import type { Exchange } from './exchange.ts';

export interface Ticket {
  readonly at: number;
  readonly node: number;
  readonly call: CloudCall;
  /** Undefined until it is judged. */
  isAdmitted: boolean | undefined;
}

const NUMBER_OF = new Map(CLOUD_CALLS.map((call, number) => [call, number]));

/** First in, first out, without moving the rest each time. */
class Queue {
  #tickets: Ticket[] = [];
  #next = 0;

  push(ticket: Ticket): void {
    this.#tickets.push(ticket);
  }

  get first(): Ticket | undefined {
    return this.#tickets[this.#next];
  }

  shift(): void {
    this.#next += 1;
    if (this.#next < 1024 || this.#next * 2 < this.#tickets.length) return;
    this.#tickets = this.#tickets.slice(this.#next);
    this.#next = 0;
  }
}

export class Throttle {
  readonly #rates: CloudPace['account'];
  readonly #exchange: Exchange;
  readonly #tokens = new Map<CloudCall, Tokens>();
  /** Calls not judged yet, by the part they come from, each in order of time. */
  readonly #queues: readonly Queue[];
  readonly #own: Queue;
  readonly #batch: Ticket[] = [];

  constructor(rates: CloudPace['account'], exchange: Exchange, part: number) {
    this.#rates = rates;
    this.#exchange = exchange;
    this.#queues = Array.from({ length: exchange.parts }, () => new Queue());
    this.#own = this.#queues[part] ?? new Queue();
  }

  /** A call of a node of this part is sent. */
  send(at: number, node: number, call: CloudCall): Ticket {
    const ticket: Ticket = { at, node, call, isAdmitted: undefined };
    this.#own.push(ticket);
    this.#exchange.tell(at, node, NUMBER_OF.get(call) ?? 0);
    return ticket;
  }

  /** A call of another part; `what` is the call's place in CLOUD_CALLS. */
  hear(from: number, at: number, node: number, what: number): void {
    const call = CLOUD_CALLS[what];
    if (call !== undefined) this.#queues[from]?.push({ at, node, call, isAdmitted: undefined });
  }

  /** To be asked later than at the time of the call, by its own part. */
  isAdmitted(ticket: Ticket): boolean {
    if (ticket.isAdmitted === undefined) {
      this.#exchange.waitFor(ticket.at);
      this.#judge(ticket.at);
    }
    return ticket.isAdmitted === true;
  }

  #judge(until: number): void {
    for (;;) {
      let at = Infinity;
      for (const { first } of this.#queues) if (first !== undefined && first.at < at) at = first.at;
      if (at > until) return;
      for (const queue of this.#queues)
        for (let { first } = queue; first?.at === at; { first } = queue) {
          this.#batch.push(first);
          queue.shift();
        }
      // The calls of one node stay in their order.
      if (this.#batch.length > 1) this.#batch.sort((a, b) => a.node - b.node);
      for (const ticket of this.#batch) ticket.isAdmitted = this.#take(ticket);
      this.#batch.length = 0;
    }
  }

  #take({ call, at }: Ticket): boolean {
    const rate = this.#rates[call];
    const level = refilled(this.#tokens.get(call) ?? { count: rate.burst, at }, rate, at);
    const isEnough = level.count >= 1;
    this.#tokens.set(call, isEnough ? { ...level, count: level.count - 1 } : level);
    return isEnough;
  }
}
