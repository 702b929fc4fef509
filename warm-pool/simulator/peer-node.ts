/**
 * A node under amazon-vpc-cni-k8s v1.23, from its description: a tick every 5 s, one step of growth at a time, shrinking at
 * most every 30 s, no queue (an ADD without an address fails and kubelet asks again), no budget of its own for EC2 calls.
 * Reconciling by metadata is left out: it asks EC2 only where the two disagree, which they do not here.
 */

import { type NodeAgent, type Policy, type Site } from './agent.ts';
import type { CloudCall, SimulatedNode } from './cluster.ts';
import { ok } from './account.ts';
import { Holdings } from './holdings.ts';
import { PeerCloud } from './peer-cloud.ts';
import {
  blocksToAdd,
  hasIpTarget,
  isSpare,
  isTooLow,
  looksForSpareInterface,
  type PeerSettings,
  surplusBlocks,
} from './peer-rules.ts';
import { peerBlock, type PeerInterface, PeerStore } from './peer-store.ts';

/** The peer as a policy. */
export const peer: Policy = (node, site, name) => new PeerNode(node, site, name);

const TICK_MS = 5000;
const SHRINK_EVERY_MS = 30_000;
const INSUFFICIENT_BACK_OFF_MS = 120_000;
const YOUNGEST_MS = 60_000;
const LEAK_SWEEP_MS = 3_600_000;
const LEAK_SPREAD_MS = 300_000;
const NOT_PRIMARY: Pick<PeerInterface, 'isPrimary'> = { isPrimary: false };

class PeerNode implements NodeAgent {
  readonly #node: SimulatedNode;
  readonly #site: Site;
  readonly #settings: PeerSettings;
  readonly #holdings: Holdings;
  readonly #cloud: PeerCloud;
  readonly #store: PeerStore;
  /** A step of growth or shrinking is under way; the pool's loop waits for it. */
  #isBusy = false;
  #tickAt = Infinity;
  #firstTick = 0;
  #shrunkAt = -Infinity;
  #insufficientUntil = -Infinity;
  isReady = false;

  constructor(node: SimulatedNode, site: Site, name: string) {
    this.#node = node;
    this.#site = site;
    const { mode, limits, targets, coolDownMs } = node.kind;
    const perInterface = Math.max(0, limits.ipv4PerInterface - 1);
    this.#settings = { mode, targets, perInterface, maxPods: limits.maxPods };
    this.#holdings = new Holdings(name, site);
    this.#cloud = new PeerCloud(site, this.#holdings);
    this.#store = new PeerStore(coolDownMs, () => site.account.chance());
  }

  start(): void {
    const subnet = this.#subnets[0];
    const primary = subnet === undefined ? undefined : this.#holdings.create(subnet, 1, 0);
    if (primary?.kind !== 'ok') return;
    const { now } = this.#site.timeline;
    this.#store.interfaces.push({ id: primary.value.id, isPrimary: true, createdAt: now, blocks: [] });
    const calls: readonly CloudCall[] = ['DescribeNetworkInterfaces', 'CreateTags', 'DescribeSubnets'];
    this.#cloud.inTurn(calls, () => {
      // One step of growth before the first ADD is served.
      this.#grow(() => {
        this.isReady = true;
        this.#site.ready();
        this.#firstTick = this.#site.timeline.now;
        this.#tickSoon();
        this.#sweepLeaks();
      });
    });
  }

  add(pod: number): void {
    const { desk, measures, timeline } = this.#site;
    const before = this.#store.assigned;
    if (!this.isReady) desk.failed(pod, 'not-ready');
    else if (this.#store.assign(pod, timeline.now)) {
      if (this.#store.assigned > before) {
        measures.idle.change(-1, timeline.now);
        measures.assigned.change(1, timeline.now);
      }
      desk.served(pod);
    } else desk.failed(pod, 'no-available-address');
    this.#tickSoon();
  }

  remove(pod: number): void {
    const { measures, timeline } = this.#site;
    if (!this.#store.unassign(pod, timeline.now)) return;
    measures.idle.change(1, timeline.now);
    measures.assigned.change(-1, timeline.now);
    this.#tickSoon();
  }

  /** Everything happens at ticks. */
  reconcile(): void {}

  stop(): void {
    const { measures, timeline } = this.#site;
    this.#cloud.isClosed = true;
    this.isReady = false;
    measures.idle.change(this.#store.assigned, timeline.now);
    measures.assigned.change(-this.#store.assigned, timeline.now);
    this.#holdings.deleteAll();
  }

  get #subnets() {
    return this.#node.subnets.flatMap((index) => this.#site.account.subnets[index] ?? []);
  }

  /** Ticks that would find nothing to do are left out: nothing changed since the last one that found nothing. */
  #tickSoon(notBefore = this.#site.timeline.now): void {
    if (!this.isReady || this.#isBusy) return;
    const turns = Math.floor((Math.max(notBefore, this.#site.timeline.now) - this.#firstTick) / TICK_MS) + 1;
    const at = this.#firstTick + turns * TICK_MS;
    if (at >= this.#tickAt) return;
    this.#tickAt = at;
    this.#site.timeline.at(at, () => {
      if (this.#tickAt !== at || this.#cloud.isClosed) return;
      this.#tickAt = Infinity;
      this.#tick();
    });
  }

  #tick(): void {
    const { now } = this.#site.timeline;
    const pool = this.#store.counts(this.#settings.mode);
    const done = (): void => this.#endStep();
    if (isTooLow(this.#settings, pool)) {
      if (now < this.#insufficientUntil) this.#tickSoon(this.#insufficientUntil);
      else if (this.#canGrow()) {
        this.#isBusy = true;
        this.#grow(() => this.#freeInterface(done));
        return;
      }
    } else if (surplusBlocks(this.#settings, pool) > 0) {
      if (now - this.#shrunkAt >= SHRINK_EVERY_MS) {
        this.#isBusy = true;
        this.#shrink(() => this.#freeInterface(done));
        return;
      }
      this.#tickSoon(this.#shrunkAt + SHRINK_EVERY_MS);
    }
    this.#isBusy = true;
    this.#freeInterface(done);
  }

  /** The loop sleeps 5 s after a step, however long that took. */
  #endStep(): void {
    this.#isBusy = false;
    const { now } = this.#site.timeline;
    const pool = this.#store.counts(this.#settings.mode);
    const isShort = isTooLow(this.#settings, pool) && this.#canGrow();
    const over = surplusBlocks(this.#settings, pool) > 0;
    const sparing = this.#spareInterfaces().length > 0;
    this.#firstTick = now;
    this.#tickAt = Infinity;
    if (isShort) this.#tickSoon(Math.max(now, this.#insufficientUntil - 1));
    else if (over || sparing) this.#tickSoon();
  }

  #canGrow(): boolean {
    return this.#roomy() !== undefined || this.#store.interfaces.length < this.#node.kind.limits.maxInterfaces;
  }

  #roomy(): PeerInterface | undefined {
    return this.#store.interfaces.find(({ blocks }) => blocks.length < this.#settings.perInterface);
  }

  /** One step: an interface with room is filled, else one is made. */
  #grow(done: () => void): void {
    const pool = this.#store.counts(this.#settings.mode);
    const host = this.#roomy();
    if (host !== undefined) {
      const count = blocksToAdd(this.#settings, pool, this.#settings.perInterface - host.blocks.length);
      if (count <= 0) done();
      else this.#fill(host, count, done);
      return;
    }
    const count = blocksToAdd(this.#settings, pool, this.#settings.perInterface);
    const mayAdd = this.#store.interfaces.length < this.#node.kind.limits.maxInterfaces;
    if (count > 0 && mayAdd) this.#create(count, done);
    else done();
  }

  /** What cannot be had at once is asked for once more as one block. */
  #fill(host: PeerInterface, count: number, done: () => void): void {
    const size = this.#settings.mode === 'prefix' ? 16 : 1;
    this.#cloud.call(
      'AssignPrivateIpAddresses',
      () => this.#holdings.assign(host.id, size, count),
      (answer) => {
        if (answer.kind === 'ok') {
          host.blocks.push(...answer.value.map((address) => peerBlock(address, size)));
          done();
        } else if (count > 1) this.#fill(host, 1, done);
        else this.#refused(answer.code, done);
      },
    );
  }

  #create(count: number, done: () => void): void {
    const size = this.#settings.mode === 'prefix' ? 16 : 1;
    const [own] = this.#subnets;
    const subnet = this.#subnets.reduce(
      (best, each) => (best === undefined || each.free > best.free ? each : best),
      own,
    );
    if (subnet === undefined) return done();
    this.#cloud.call(
      'DescribeSubnets',
      () => ok(undefined),
      () => {
        this.#cloud.call(
          'CreateNetworkInterface',
          () => this.#holdings.create(subnet, size, count),
          (created) => {
            if (created.kind === 'refused') return this.#refused(created.code, done);
            const { id, blocks } = created.value;
            this.#cloud.attach(id, (isAttached) => {
              if (!isAttached) return done();
              const createdAt = this.#site.timeline.now;
              const hosted = blocks.map((address) => peerBlock(address, size));
              this.#store.interfaces.push({ ...NOT_PRIMARY, id, createdAt, blocks: hosted });
              done();
            });
          },
        );
      },
    );
  }

  #refused(code: string, done: () => void): void {
    const isInsufficient = code === 'subnet-exhausted' || code === 'no-free-prefix';
    if (isInsufficient) this.#insufficientUntil = this.#site.timeline.now + INSUFFICIENT_BACK_OFF_MS;
    done();
  }

  /** Blocks without pods go until the surplus is used up, whether or not their addresses rest. One call an interface. */
  #shrink(done: () => void): void {
    this.#shrunkAt = this.#site.timeline.now;
    let left = surplusBlocks(this.#settings, this.#store.counts(this.#settings.mode));
    const calls: (() => void)[] = [];
    const next = (): void => (calls.shift() ?? done)();
    for (const host of this.#store.interfaces) {
      const going = host.blocks.filter(({ assigned }) => assigned === 0).slice(0, left);
      if (going.length === 0) continue;
      left -= going.length;
      host.blocks = host.blocks.filter((block) => !going.includes(block));
      const effect = () =>
        ok(
          this.#holdings.unassign(
            host.id,
            going.map(({ address }) => address),
          ),
        );
      calls.push(() => this.#cloud.call('UnassignPrivateIpAddresses', effect, next));
    }
    next();
  }

  /** Interfaces that nobody needs, whether or not they are old and rested enough to go. */
  #spareInterfaces(): readonly PeerInterface[] {
    const { mode } = this.#settings;
    const pool = this.#store.counts(mode);
    const empty = this.#store.interfaces.filter(
      ({ isPrimary, blocks }) => !isPrimary && blocks.every(({ assigned }) => assigned === 0),
    );
    if (empty.length === 0 || !looksForSpareInterface(this.#settings, pool, true)) return [];
    return empty.filter(({ blocks }) => {
      const addresses = blocks.reduce((sum, { size }) => sum + size, 0);
      const isBounded = hasIpTarget(this.#settings.targets) || mode === 'prefix';
      return !isBounded || isSpare(this.#settings, pool, addresses, mode === 'prefix' ? blocks.length : 0);
    });
  }

  #freeInterface(done: () => void): void {
    const { now } = this.#site.timeline;
    const going = this.#spareInterfaces().find(
      (each) => now - each.createdAt >= YOUNGEST_MS && !this.#store.isCooling(each, now),
    );
    if (going === undefined) return done();
    this.#store.interfaces.splice(this.#store.interfaces.indexOf(going), 1);
    this.#cloud.detachAndDelete(going.id, done);
  }

  #sweepLeaks(): void {
    const { timeline, account } = this.#site;
    timeline.after(LEAK_SWEEP_MS + account.chance() * LEAK_SPREAD_MS, () => {
      if (this.#cloud.isClosed) return;
      this.#cloud.call(
        'DescribeNetworkInterfaces',
        () => ok(undefined),
        () => undefined,
      );
      this.#sweepLeaks();
    });
  }
}
