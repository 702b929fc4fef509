/** One run: pods come and go on the nodes of a cluster, under one policy, in virtual time. Same arguments, same result. */

import { Account } from './account.ts';
import type { NodeAgent, Policy } from './agent.ts';
import { type Cluster, type Kubelet, KUBELET, type PodSchedule } from './cluster.ts';
import { Measures } from './measures.ts';
import { between, randomOf } from './random.ts';
import { resultOf, type SimulationResult } from './result.ts';
import { Scheduler } from './scheduler.ts';
import { type SamplePoint, sampleOf } from './series.ts';
import { SubnetSpace } from './subnet-space.ts';
import { Timeline } from './timeline.ts';

export interface SimulationOptions {
  readonly cluster: Cluster;
  readonly pods: PodSchedule;
  readonly policy: Policy;
  readonly seed: number;
  readonly kubelet?: Kubelet;
}

/** Points of a series, however long the run. */
const SAMPLES = 240;
/** The scheduler looks again for a pod that found no node. */
const UNSCHEDULABLE_RETRY_MS = 5000;

const PENDING = 0;
const ASKING = 1;
const SERVED = 2;
const GONE = 3;

export class Simulation {
  readonly #cluster: Cluster;
  readonly #pods: PodSchedule;
  readonly #kubelet: Kubelet;
  readonly #timeline = new Timeline();
  readonly #measures: Measures;
  readonly #account: Account;
  readonly #agents: NodeAgent[];
  readonly #scheduler: Scheduler;
  readonly #random: () => number;
  readonly #series: SamplePoint[] = [];
  /** Agents that are to plan, by their place, and whether one is among them. */
  #dirty: number[] = [];
  readonly #isDirty: Uint8Array;
  readonly #state: Uint8Array;
  readonly #nodeOf: Int32Array;
  readonly #askedAt: Float64Array;
  readonly #lastReason = new Map<number, string>();
  readonly #sampleMs: number;
  /** Pods that stop within the run, in the order in which they do. */
  readonly #stops: Int32Array;
  #next = 0;
  #nextStop = 0;
  #nextSample = 0;

  constructor({ cluster, pods, policy, seed, kubelet = KUBELET }: SimulationOptions) {
    this.#cluster = cluster;
    this.#pods = pods;
    this.#kubelet = kubelet;
    const count = pods.start.length;
    this.#state = new Uint8Array(count);
    this.#nodeOf = new Int32Array(count).fill(-1);
    this.#askedAt = new Float64Array(count);
    this.#isDirty = new Uint8Array(cluster.nodes.length);
    this.#stops = stopsWithin(pods, cluster.durationMs);
    this.#measures = new Measures(cluster.durationMs);
    this.#sampleMs = Math.max(1000, Math.ceil(cluster.durationMs / SAMPLES));
    this.#random = randomOf(seed, 'kubelet');
    const subnets = cluster.subnets.map(
      ({ id, range }) => new SubnetSpace(id, range, cluster.placement, randomOf(seed, `addresses in ${id}`)),
    );
    const shared = { timeline: this.#timeline, measures: this.#measures };
    this.#account = new Account(subnets, cluster.pace, { ...shared, random: randomOf(seed, 'cloud') });
    const desk = {
      served: (pod: number): void => this.#served(pod),
      failed: (pod: number, reason: string): void => this.#failed(pod, reason),
    };
    const site = { ...shared, account: this.#account, desk, kubelet };
    this.#agents = cluster.nodes.map((node, index) =>
      policy(node, { ...site, wake: () => this.#wake(index) }, `eni-${index}`),
    );
    this.#scheduler = new Scheduler(cluster.nodes, this.#agents, randomOf(seed, 'scheduler'));
    for (const [index, { from, until }] of cluster.nodes.entries()) {
      this.#timeline.at(from, () => this.#agents[index]?.start());
      if (until < cluster.durationMs) this.#timeline.at(until, () => this.#endNode(index));
    }
  }

  /** Part of the time that has gone by, 0 to 1. */
  get progress(): number {
    return Math.min(1, this.#timeline.now / this.#cluster.durationMs);
  }

  /** Goes on for about so many events; true when the run is over. */
  advance(events: number): boolean {
    const { start } = this.#pods;
    for (let done = 0; done < events;) {
      const at = Math.min(start[this.#next] ?? Infinity, this.#stopAt, this.#timeline.nextAt);
      if (at > this.#cluster.durationMs) {
        this.#sampleUntil(this.#cluster.durationMs);
        this.#timeline.now = this.#cluster.durationMs;
        return true;
      }
      this.#sampleUntil(at);
      this.#timeline.now = at;
      for (; start[this.#next] === at; this.#next += 1) {
        this.#startPod(this.#next);
        done += 1;
      }
      for (; this.#stopAt === at; this.#nextStop += 1) {
        this.#stopPod(this.#stops[this.#nextStop] ?? 0);
        done += 1;
      }
      for (; this.#timeline.nextAt === at; done += 1) this.#timeline.step();
      this.#reconcile();
    }
    return false;
  }

  #wake(place: number): void {
    if (this.#isDirty[place] === 1) return;
    this.#isDirty[place] = 1;
    this.#dirty.push(place);
  }

  /** The agents plan when all that happens at one time has happened, as the daemon does at the end of a turn; in one order always. */
  #reconcile(): void {
    while (this.#dirty.length > 0) {
      const places = this.#dirty;
      this.#dirty = [];
      if (places.length > 1) places.sort((a, b) => a - b);
      for (const place of places) {
        this.#isDirty[place] = 0;
        this.#agents[place]?.reconcile();
      }
    }
  }

  /** What came of it so far. */
  result(): SimulationResult {
    const asking = this.#state.reduce((sum, state, pod) => sum + Number(state === ASKING && pod < this.#next), 0);
    const pending = this.#state.reduce((sum, state, pod) => sum + Number(state === PENDING && pod < this.#next), 0);
    return resultOf({
      cluster: this.#cluster,
      measures: this.#measures,
      subnets: this.#account.subnets,
      series: this.#series,
      now: this.#timeline.now,
      waitingAtEnd: asking,
      unschedulableAtEnd: pending,
    });
  }

  get #stopAt(): number {
    return this.#pods.stop[this.#stops[this.#nextStop] ?? -1] ?? Infinity;
  }

  #startPod(pod: number): void {
    this.#measures.podEvents += 1;
    this.#place(pod);
  }

  #place(pod: number): void {
    if (this.#state[pod] !== PENDING) return;
    const pinned = this.#pods.node[pod] ?? -1;
    const node = pinned >= 0 ? pinned : this.#scheduler.choose();
    if (node === undefined) {
      this.#timeline.after(UNSCHEDULABLE_RETRY_MS, () => this.#place(pod));
      return;
    }
    this.#scheduler.occupy(node, 1);
    this.#nodeOf[pod] = node;
    this.#state[pod] = ASKING;
    this.#askedAt[pod] = this.#timeline.now;
    this.#ask(pod);
  }

  #ask(pod: number): void {
    if (this.#state[pod] !== ASKING) return;
    this.#measures.adds += 1;
    this.#agents[this.#nodeOf[pod] ?? -1]?.add(pod);
  }

  #served(pod: number): void {
    this.#state[pod] = SERVED;
    this.#measures.served += 1;
    const delay = this.#timeline.now - (this.#askedAt[pod] ?? 0);
    if (delay > 0) {
      this.#measures.delays.push(delay);
      this.#lastReason.delete(pod);
    }
  }

  #failed(pod: number, reason: string): void {
    this.#measures.count(this.#measures.failedAdds, reason);
    this.#lastReason.set(pod, reason);
    const { least, most } = this.#kubelet.retry;
    this.#timeline.after(between(this.#random, least, most), () => this.#ask(pod));
  }

  #stopPod(pod: number): void {
    if (this.#state[pod] === GONE) return;
    this.#measures.podEvents += 1;
    this.#endPod(pod, 'stopped-while-waiting');
  }

  #endPod(pod: number, unheard: string): void {
    const state = this.#state[pod];
    this.#state[pod] = GONE;
    if (state === PENDING) this.#measures.count(this.#measures.neverServed, 'unschedulable');
    const node = this.#nodeOf[pod] ?? -1;
    if (state !== ASKING && state !== SERVED) return;
    if (state === ASKING) this.#measures.count(this.#measures.neverServed, this.#lastReason.get(pod) ?? unheard);
    this.#lastReason.delete(pod);
    this.#scheduler.occupy(node, -1);
    this.#agents[node]?.remove(pod);
  }

  #endNode(node: number): void {
    for (let pod = 0; pod < this.#next; pod += 1) {
      const isHere = this.#nodeOf[pod] === node && this.#state[pod] !== GONE;
      if (isHere) this.#endPod(pod, 'node-gone');
    }
    this.#agents[node]?.stop();
  }

  #sampleUntil(at: number): void {
    for (; this.#nextSample <= at && this.#nextSample <= this.#cluster.durationMs; this.#nextSample += this.#sampleMs)
      this.#series.push(sampleOf(this.#nextSample, this.#measures, this.#account.subnets));
  }
}

/** A pod starts before it stops, so that one order is enough for all, made once. */
function stopsWithin({ stop }: PodSchedule, durationMs: number): Int32Array {
  const ending = Int32Array.from(stop.keys()).filter((pod) => (stop[pod] ?? Infinity) <= durationMs);
  return ending.sort((a, b) => (stop[a] ?? 0) - (stop[b] ?? 0) || a - b);
}
