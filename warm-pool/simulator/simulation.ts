/**
 * One run: pods come and go on the nodes of a cluster, under one policy, in virtual time. Same arguments, same result, in however many
 * parts it is run: the pods' schedule and the scheduler are gone through in every part, all else only where the node is.
 */

import { Account, type AccountShared } from './account.ts';
import type { NodeAgent, PodDesk, Policy } from './agent.ts';
import { CLOUD_CALLS, type Cluster, type Kubelet, KUBELET, type PodSchedule } from './cluster.ts';
import { ALONE, type Exchange, type Hear } from './exchange.ts';
import { Measures } from './measures.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { type Parts, partsOf } from './parts.ts';
import { between, type Random, randomOf } from './random.ts';
import { resultOf, type SimulationResult } from './result.ts';
import { READY_SEEN_MS, Scheduler } from './scheduler.ts';
import { type SamplePoint, sampleOf, subnetSample } from './series.ts';
import { SubnetSpace } from './subnet-space.ts';
import { Throttle } from './throttle.ts';
import { Timeline } from './timeline.ts';

export interface SimulationOptions {
  readonly cluster: Cluster;
  readonly pods: PodSchedule;
  readonly policy: Policy;
  readonly seed: number;
  readonly kubelet?: Kubelet;
  /** Which part of the run this is; absent: all of it. */
  readonly part?: RunPart;
}

/** One of the parts of a run, which go on at the same time and tell each other what they must know. */
export interface RunPart {
  readonly parts: Parts;
  readonly index: number;
  readonly open: (hear: Hear) => Exchange;
}

/** Points of a series, however long the run. */
const SAMPLES = 240;
/** The scheduler looks again for a pod that found no node. */
const UNSCHEDULABLE_RETRY_MS = 5000;

const PENDING = 0;
const ASKING = 1;
const SERVED = 2;
const GONE = 3;
/** On a node of another part. */
const ELSEWHERE = 4;

/** What a part tells beside its calls, which go by their places in CLOUD_CALLS. */
const NODE_SERVES = CLOUD_CALLS.length;

export class Simulation {
  readonly #cluster: Cluster;
  readonly #pods: PodSchedule;
  readonly #kubelet: Kubelet;
  readonly #timeline = new Timeline();
  readonly #measures: Measures;
  readonly #throttle: Throttle;
  /** Of the accounts of all nodes of this part. */
  readonly #shared: AccountShared;
  readonly #desk: PodDesk = {
    served: (pod) => this.#served(pod),
    failed: (pod, reason) => this.#failed(pod, reason),
  };
  readonly #parts: Parts;
  readonly #index: number;
  readonly #exchange: Exchange;
  readonly #subnets: readonly SubnetSpace[];
  /** Of the nodes of this part, by the nodes' places. */
  readonly #agents: (NodeAgent | undefined)[];
  readonly #scheduler: Scheduler;
  /** Chance of each node of this part. */
  readonly #randoms: (Random | undefined)[];
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

  constructor({ cluster, pods, policy, seed, kubelet = KUBELET, part }: SimulationOptions) {
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
    this.#subnets = cluster.subnets.map(
      ({ id, range }) => new SubnetSpace(id, range, cluster.placement, randomOf(seed, `addresses in ${id}`)),
    );
    this.#index = part?.index ?? 0;
    this.#parts = part?.parts ?? partsOf(cluster, 1);
    this.#exchange = part?.open((...news) => this.#hear(...news)) ?? ALONE;
    this.#throttle = new Throttle(cluster.pace.account, this.#exchange, this.#index);
    this.#shared = {
      subnets: this.#subnets,
      pace: cluster.pace,
      timeline: this.#timeline,
      measures: this.#measures,
      throttle: this.#throttle,
    };
    this.#scheduler = new Scheduler(cluster.nodes, randomOf(seed, 'scheduler'));
    this.#randoms = cluster.nodes.map((_, node) => (this.#isHere(node) ? randomOf(seed, `node ${node}`) : undefined));
    this.#agents = this.#randoms.map((random, node) => random && this.#agentOf(policy, node, random));
    for (const [index, { from, until }] of cluster.nodes.entries()) {
      if (this.#isHere(index)) this.#timeline.at(from, () => this.#agents[index]?.start());
      if (until < cluster.durationMs) this.#timeline.at(until, () => this.#endNode(index));
    }
  }

  #agentOf(policy: Policy, node: number, random: Random): NodeAgent {
    const place = this.#cluster.nodes[node];
    if (place === undefined) throw new RangeError(`there is no node ${node}`);
    const site = {
      timeline: this.#timeline,
      measures: this.#measures,
      kubelet: this.#kubelet,
      account: new Account(this.#shared, node, random),
      desk: this.#desk,
      ready: () => this.#serves(node),
      wake: () => this.#wake(node),
    };
    return policy(place, site, `eni-${node}`);
  }

  #isHere(node: number): boolean {
    return this.#parts.ofNode[node] === this.#index;
  }

  /** The CNI of a node of this part serves. */
  #serves(node: number): void {
    this.#scheduler.ready(node, this.#timeline.now);
    this.#exchange.tell(this.#timeline.now, node, NODE_SERVES);
  }

  #hear(from: number, at: number, node: number, what: number): void {
    if (what === NODE_SERVES) this.#scheduler.ready(node, at);
    else this.#throttle.hear(from, at, node, what);
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
        this.#exchange.end();
        return true;
      }
      this.#exchange.reached(at);
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

  /** What came of the whole run so far. */
  result(): SimulationResult {
    return resultOf(this.#cluster, this.outcome());
  }

  /** What came of this part of it so far. */
  outcome(): Outcome {
    const inState = (wanted: number): number =>
      this.#state.reduce((sum, state, pod) => sum + Number(state === wanted && pod < this.#next), 0);
    const mine = this.#subnetsHere();
    return outcomeOf(this.#measures, {
      subnets: mine.map((subnet) => ({ ...subnetSample(subnet), size: subnet.size })),
      series: this.#series,
      now: this.#timeline.now,
      waitingAtEnd: inState(ASKING),
      unschedulableAtEnd: this.#isFirst ? inState(PENDING) : 0,
    });
  }

  #subnetsHere(): readonly SubnetSpace[] {
    return this.#subnets.filter((_, subnet) => this.#parts.ofSubnet[subnet] === this.#index);
  }

  /** What all parts go through is counted in the first. */
  get #isFirst(): boolean {
    return this.#index === 0;
  }

  get #stopAt(): number {
    return this.#pods.stop[this.#stops[this.#nextStop] ?? -1] ?? Infinity;
  }

  #startPod(pod: number): void {
    if (this.#isFirst) this.#measures.podEvents += 1;
    this.#place(pod);
  }

  #place(pod: number): void {
    if (this.#state[pod] !== PENDING) return;
    const pinned = this.#pods.node[pod] ?? -1;
    const { now } = this.#timeline;
    this.#exchange.waitFor(now - READY_SEEN_MS);
    const node = pinned >= 0 ? pinned : this.#scheduler.choose(now);
    if (node === undefined) {
      this.#timeline.after(UNSCHEDULABLE_RETRY_MS, () => this.#place(pod));
      return;
    }
    this.#scheduler.occupy(node, 1);
    this.#nodeOf[pod] = node;
    this.#state[pod] = this.#isHere(node) ? ASKING : ELSEWHERE;
    this.#askedAt[pod] = now;
    this.#ask(pod);
  }

  #ask(pod: number): void {
    if (this.#state[pod] !== ASKING) return;
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
    const random = this.#randoms[this.#nodeOf[pod] ?? -1];
    if (random !== undefined) this.#timeline.after(between(random, least, most), () => this.#ask(pod));
  }

  #stopPod(pod: number): void {
    if (this.#state[pod] === GONE) return;
    if (this.#isFirst) this.#measures.podEvents += 1;
    this.#endPod(pod, 'stopped-while-waiting');
  }

  #endPod(pod: number, unheard: string): void {
    const state = this.#state[pod];
    const node = this.#nodeOf[pod] ?? -1;
    this.#state[pod] = GONE;
    if (state === PENDING) {
      if (this.#isFirst) this.#measures.count(this.#measures.neverServed, 'unschedulable');
      return;
    }
    this.#scheduler.occupy(node, -1);
    if (state === ELSEWHERE) return;
    if (state === ASKING) this.#measures.count(this.#measures.neverServed, this.#lastReason.get(pod) ?? unheard);
    this.#lastReason.delete(pod);
    this.#agents[node]?.remove(pod);
  }

  #endNode(node: number): void {
    for (let pod = 0; pod < this.#next; pod += 1) {
      if (this.#nodeOf[pod] === node && this.#state[pod] !== GONE) this.#endPod(pod, 'node-gone');
    }
    this.#agents[node]?.stop();
  }

  #sampleUntil(at: number): void {
    for (; this.#nextSample <= at && this.#nextSample <= this.#cluster.durationMs; this.#nextSample += this.#sampleMs)
      this.#series.push(sampleOf(this.#nextSample, this.#measures, this.#subnetsHere()));
  }
}

/** A pod starts before it stops, so that one order is enough for all, made once. */
function stopsWithin({ stop }: PodSchedule, durationMs: number): Int32Array {
  const ending = Int32Array.from(stop.keys()).filter((pod) => (stop[pod] ?? Infinity) <= durationMs);
  return ending.sort((a, b) => (stop[a] ?? 0) - (stop[b] ?? 0) || a - b);
}
