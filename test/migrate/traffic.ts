/** The parent's side of traffic-agent.ts: places that talk to each other, and what was lost between them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { TrafficAnswer, TrafficCommand, TrafficCount } from './traffic-agent.ts';

const AGENT = new URL('./traffic-agent.ts', import.meta.url).pathname;
const PORT = 7788;
const EVERY_MS = 4;
const ANSWER_DEADLINE_MS = 60_000;

/** What was lost of what was sent, over all places. */
export interface Losses {
  readonly connectionsLost: readonly string[];
  readonly tcpUnanswered: number;
  readonly udpUnanswered: number;
}

/** Listens from the start; talks when told. */
export class TrafficPlace implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, (answer: TrafficAnswer) => void>();
  #sequence = 0;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    if (child.stdout === null) throw new Error('the agent has no standard output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, answer } = JSON.parse(line) as { readonly id: number; readonly answer: TrafficAnswer };
      this.#pending.get(id)?.(answer);
      this.#pending.delete(id);
    });
    child.on('exit', () => {
      for (const resolve of this.#pending.values()) resolve({ error: `the agent in ${name} ended` });
    });
  }

  /** `netns`: path of the namespace. */
  static async start(name: string, netns: string): Promise<TrafficPlace> {
    const enter = ['--pdeathsig', 'KILL', 'nsenter', `--net=${netns}`];
    const child = spawn('setpriv', [...enter, process.execPath, '--no-warnings', AGENT], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const place = new TrafficPlace(name, child);
    await place.#ask({ op: 'listen', port: PORT });
    return place;
  }

  /** A TCP connection and a UDP socket to that address; both have been answered when it resolves. */
  async talkTo(address: string): Promise<void> {
    await this.#ask({ op: 'talk', to: address, port: PORT, everyMs: EVERY_MS });
  }

  /** Ends the talking, waits for late answers, and tells what came of it. */
  async stop(): Promise<TrafficCount> {
    const { error: _, ...count } = await this.#ask({ op: 'stop' });
    return count as TrafficCount;
  }

  async #ask(command: TrafficCommand): Promise<TrafficAnswer> {
    const id = (this.#sequence += 1);
    const { promise, resolve } = Promise.withResolvers<TrafficAnswer>();
    this.#pending.set(id, resolve);
    const late = () => resolve({ error: `no answer to ${JSON.stringify(command)} from ${this.name}` });
    const timer = setTimeout(late, ANSWER_DEADLINE_MS);
    this.#child.stdin?.write(`${JSON.stringify({ id, command })}\n`);
    const answer = await promise.finally(() => clearTimeout(timer));
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill('SIGKILL');
    await gone;
  }
}

/**
 * Sums up; `sent` tells that there was anything to lose. What TCP sent again is told beside: on a busy machine some of it is not
 * known to have been in vain yet, so a loss is what UDP lost.
 */
export function lossesOf(counts: readonly TrafficCount[]): {
  readonly losses: Losses;
  readonly sent: number;
  readonly segmentsLost: number;
} {
  const sum = (of: (count: TrafficCount) => number) => counts.reduce((total, count) => total + of(count), 0);
  const losses = {
    connectionsLost: counts.flatMap(({ broken }) => broken),
    tcpUnanswered: sum(({ tcpSent, tcpAnswered }) => tcpSent - tcpAnswered),
    udpUnanswered: sum(({ udpSent, udpAnswered }) => udpSent - udpAnswered),
  };
  return {
    losses,
    sent: sum(({ tcpSent, udpSent }) => tcpSent + udpSent),
    segmentsLost: sum(({ segmentsLost }) => segmentsLost),
  };
}

/** Nothing was lost. */
export const NO_LOSSES: Losses = { connectionsLost: [], tcpUnanswered: 0, udpUnanswered: 0 };
