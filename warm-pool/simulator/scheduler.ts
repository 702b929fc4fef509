/** The Kubernetes scheduler, as far as it matters here: the less crowded of two nodes drawn at random. */

import type { SimulatedNode } from './cluster.ts';
import { between, type Random } from './random.ts';

const DRAWS = 6;

/** From the CNI that serves to the scheduler that sees a Ready node: kubelet looks, and the API server passes it on. */
export const READY_SEEN_MS = 1000;

export class Scheduler {
  /** How many pods each node takes, and until when. */
  readonly #room: Int32Array;
  readonly #until: Float64Array;
  readonly #random: Random;
  readonly #pods: Int32Array;
  /** From when on each node takes pods; Infinity for never. */
  readonly #from: Float64Array;

  constructor(nodes: readonly SimulatedNode[], random: Random) {
    this.#random = random;
    this.#room = Int32Array.from(nodes, ({ kind }) => kind.podCapacity);
    this.#until = Float64Array.from(nodes, ({ until }) => until);
    this.#pods = new Int32Array(nodes.length);
    this.#from = new Float64Array(nodes.length).fill(Infinity);
  }

  /** The CNI of a node serves since `at`. */
  ready(node: number, at: number): void {
    this.#from[node] = at + READY_SEEN_MS;
  }

  /** A node that is Ready and has room; undefined where there is none. */
  choose(now: number): number | undefined {
    const { length } = this.#room;
    if (length === 0) return undefined;
    for (let draw = 0; draw < DRAWS; draw += 1) {
      const [a, b] = [between(this.#random, 0, length - 1), between(this.#random, 0, length - 1)];
      const [aFits, bFits] = [this.#fits(a, now), this.#fits(b, now)];
      if (aFits && bFits) return (this.#pods[a] ?? 0) <= (this.#pods[b] ?? 0) ? a : b;
      if (aFits) return a;
      if (bFits) return b;
    }
    const first = between(this.#random, 0, length - 1);
    for (let step = 0; step < length; step += 1) {
      const node = (first + step) % length;
      if (this.#fits(node, now)) return node;
    }
    return undefined;
  }

  /** A pod was put on a node (1) or is gone from it (-1). */
  occupy(node: number, by: 1 | -1): void {
    this.#pods[node] = (this.#pods[node] ?? 0) + by;
  }

  #fits(node: number, now: number): boolean {
    return (
      (this.#from[node] ?? Infinity) <= now &&
      now < (this.#until[node] ?? 0) &&
      (this.#pods[node] ?? 0) < (this.#room[node] ?? 0)
    );
  }
}
