/** The Kubernetes scheduler, as far as it matters here: the less crowded of two nodes drawn at random. */

import type { NodeAgent } from './agent.ts';
import type { SimulatedNode } from './cluster.ts';
import { between, type Random } from './random.ts';

const DRAWS = 6;

export class Scheduler {
  readonly #nodes: readonly SimulatedNode[];
  readonly #agents: readonly NodeAgent[];
  readonly #random: Random;
  readonly #pods: Int32Array;

  constructor(nodes: readonly SimulatedNode[], agents: readonly NodeAgent[], random: Random) {
    this.#nodes = nodes;
    this.#agents = agents;
    this.#random = random;
    this.#pods = new Int32Array(nodes.length);
  }

  /** A node that is Ready and has room; undefined where there is none. */
  choose(): number | undefined {
    const { length } = this.#nodes;
    if (length === 0) return undefined;
    for (let draw = 0; draw < DRAWS; draw += 1) {
      const [a, b] = [between(this.#random, 0, length - 1), between(this.#random, 0, length - 1)];
      const [aFits, bFits] = [this.#fits(a), this.#fits(b)];
      if (aFits && bFits) return (this.#pods[a] ?? 0) <= (this.#pods[b] ?? 0) ? a : b;
      if (aFits) return a;
      if (bFits) return b;
    }
    const first = between(this.#random, 0, length - 1);
    for (let step = 0; step < length; step += 1) {
      const node = (first + step) % length;
      if (this.#fits(node)) return node;
    }
    return undefined;
  }

  /** A pod was put on a node (1) or is gone from it (-1). */
  occupy(node: number, by: 1 | -1): void {
    this.#pods[node] = (this.#pods[node] ?? 0) + by;
  }

  #fits(node: number): boolean {
    return this.#agents[node]?.isReady === true && (this.#pods[node] ?? 0) < (this.#nodes[node]?.kind.podCapacity ?? 0);
  }
}
