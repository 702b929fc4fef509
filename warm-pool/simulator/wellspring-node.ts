/** A node under Wellspring: the production ledger and planner, driven by events as ipamd's pool and reconciler drive them. */

import {
  assign,
  emptyLedger,
  expire,
  type Ledger,
  unassign,
  withInFlight,
  withInterface,
  withoutInFlight,
  withSubnets,
} from '../ledger.ts';
import type { Attachment, PodReference, Refusal } from '../model.ts';
import type { Urgency } from '../pauses.ts';
import { planCards } from '../plan-cards.ts';
import { quietUntil } from '../plan-quiet.ts';
import { ok } from './account.ts';
import type { NodeAgent, Policy, Site } from './agent.ts';
import { CallGate } from './call-gate.ts';
import type { SimulatedNode } from './cluster.ts';
import { Holdings } from './holdings.ts';
import { SubnetLooks } from './subnet-looks.ts';
import { ActionRunner, networkInterfaceOf } from './wellspring-actions.ts';

/** What depends on a call that has this cause, while so many ADDs wait (ipamd/call-urgency.ts). */
export type UrgencyOf = (cause: string, waiting: number) => Urgency;

/** Wellspring as a policy. `isPlanningAll` plans also where a plan is known to be in vain: for the test that says so. */
export function wellspring(urgencyOf: UrgencyOf, isPlanningAll = false): Policy {
  return (node, site, name) => new WellspringNode(node, site, name, urgencyOf, isPlanningAll);
}

const POD: PodReference = { namespace: '', name: '', uid: '' };

class WellspringNode implements NodeAgent {
  readonly #node: SimulatedNode;
  readonly #site: Site;
  readonly #gate: CallGate;
  readonly #holdings: Holdings;
  readonly #runner: ActionRunner;
  readonly #looks: SubnetLooks;
  readonly #isPlanningAll: boolean;
  #ledger: Ledger;
  /** Pods whose ADD waits, in the order in which they came. */
  #queue: number[] = [];
  #refusals: readonly Refusal[] = [];
  #sequence = 0;
  #wakeAt: number | undefined;
  isReady = false;

  constructor(node: SimulatedNode, site: Site, name: string, urgencyOf: UrgencyOf, isPlanningAll: boolean) {
    this.#node = node;
    this.#site = site;
    this.#isPlanningAll = isPlanningAll;
    this.#ledger = emptyLedger(node.kind);
    this.#gate = new CallGate(site.account, site.timeline, (cause) => urgencyOf(cause, this.#queue.length));
    this.#holdings = new Holdings(name, site);
    const subnets = node.subnets.flatMap((index) => site.account.subnets[index] ?? []);
    const update = (transition: (ledger: Ledger) => Ledger): void => this.#update(transition);
    this.#looks = new SubnetLooks({ subnets, site, gate: this.#gate, looksMs: node.kind.looksMs, update });
    this.#runner = new ActionRunner({
      site,
      gate: this.#gate,
      holdings: this.#holdings,
      update,
      ledger: () => this.#ledger,
    });
  }

  start(): void {
    const [own] = this.#node.subnets.flatMap((index) => this.#site.account.subnets[index] ?? []);
    if (own === undefined) return;
    const primary = this.#holdings.create(own, 1, 0);
    if (primary.kind === 'refused') return;
    const { now } = this.#site.timeline;
    this.#gate.request(
      'DescribeNetworkInterfaces',
      'start',
      () => ok(undefined),
      () => {
        this.#looks.look('start', (subnets) => {
          const granted = { ...primary.value, subnetId: own.id, deviceIndex: 0, isPrimary: true, since: now };
          const network = { ...networkInterfaceOf(granted, 'address'), phase: 'ready' as const };
          this.isReady = true;
          this.#site.ready();
          this.#looks.begin();
          this.#update((ledger) => withInterface(withSubnets(ledger, subnets), network));
        });
      },
    );
  }

  add(pod: number): void {
    if (!this.isReady) this.#site.desk.failed(pod, 'not-ready');
    else if (this.#queue.length > 0 || !this.#give(pod)) this.#wait(pod);
    this.#site.wake();
  }

  remove(pod: number): void {
    const place = this.#queue.indexOf(pod);
    if (place >= 0) this.#leaveQueue(place);
    const outcome = unassign(this.#ledger, attachmentOf(pod), this.#site.timeline.now);
    if (outcome.kind === 'released') {
      this.#ledger = outcome.ledger;
      this.#countPod(-1);
    }
    this.#site.wake();
  }

  reconcile(): void {
    if (!this.isReady || this.#gate.isClosed) return;
    for (let plans = 0; plans < MOST_PLANS; plans += 1) {
      this.#serve();
      if (this.#isQuiet() || !this.#planOnce()) return;
    }
  }

  /** Whether a plan is in vain; then it is arranged when to look again. */
  #isQuiet(): boolean {
    if (this.#queue.length > 0 || this.#isPlanningAll) return false;
    const { now } = this.#site.timeline;
    this.#ledger = expire(this.#ledger, now);
    const until = quietUntil(this.#ledger, this.#node.kind.targets, now);
    if (until <= now) return false;
    this.#refusals = [];
    this.#wakeAtTime(until === Infinity ? undefined : until);
    return true;
  }

  stop(): void {
    this.#gate.isClosed = true;
    this.isReady = false;
    while (this.#queue.length > 0) this.#leaveQueue(0);
    this.#countPod(-this.#ledger.attachments.size);
    this.#holdings.deleteAll();
  }

  /** False where there was nothing to do. */
  #planOnce(): boolean {
    const { now } = this.#site.timeline;
    const { cloudBackOffUntil } = this.#runner;
    const plan = planCards(
      this.#ledger,
      { waiting: this.#queue.length, now, cloudBackOffUntil },
      this.#node.kind.targets,
    );
    this.#refusals = plan.refusals;
    this.#looks.planned(plan);
    for (const action of plan.actions) {
      this.#sequence += 1;
      const id = `${this.#sequence}`;
      this.#ledger = withInFlight(this.#ledger, id, action);
      this.#runner.run(action, (transition) => this.#update((ledger) => withoutInFlight(transition(ledger), id)));
    }
    this.#wakeAtTime(plan.wakeAt);
    return plan.actions.length > 0;
  }

  #wakeAtTime(at: number | undefined): void {
    if (at === this.#wakeAt) return;
    this.#wakeAt = at;
    if (at === undefined) return;
    const time = Math.max(at, this.#site.timeline.now + 1);
    this.#site.timeline.at(time, () => {
      // Planned anew meanwhile, with another time to wake.
      if (this.#wakeAt !== at) return;
      this.#wakeAt = undefined;
      this.#site.wake();
    });
  }

  #update(transition: (ledger: Ledger) => Ledger): void {
    this.#ledger = transition(this.#ledger);
    this.#site.wake();
  }

  #serve(): void {
    while (this.#queue.length > 0) {
      const pod = this.#queue[0] as number;
      if (!this.#give(pod)) return;
      this.#leaveQueue(0);
    }
  }

  #give(pod: number): boolean {
    const outcome = assign(this.#ledger, { attachment: attachmentOf(pod), pod: POD }, this.#site.timeline.now);
    if (outcome.kind === 'refused') return false;
    if (outcome.kind === 'assigned') {
      this.#ledger = outcome.ledger;
      this.#countPod(1);
    }
    this.#site.desk.served(pod);
    return true;
  }

  #wait(pod: number): void {
    const { timeline, measures, kubelet } = this.#site;
    this.#queue.push(pod);
    if (this.#queue.length === 1) this.#gate.hurry();
    measures.waiting += 1;
    const since = timeline.now;
    this.#since.set(pod, since);
    timeline.after(kubelet.addDeadlineMs, () => {
      if (this.#since.get(pod) !== since) return;
      this.#leaveQueue(this.#queue.indexOf(pod));
      this.#site.desk.failed(pod, this.#why());
      this.#site.wake();
    });
  }

  readonly #since = new Map<number, number>();

  #leaveQueue(place: number): void {
    const [pod] = this.#queue.splice(place, 1);
    if (pod !== undefined) this.#since.delete(pod);
    this.#site.measures.waiting -= 1;
  }

  /** The planner's reason, as the CNI error of the daemon has it; else what holds the calls up. */
  #why(): string {
    const [refusal] = this.#refusals.filter(({ why }) => !PATIENCE.has(why.reason));
    if (refusal !== undefined) return refusal.why.reason;
    const isThrottled = this.#site.timeline.now - this.#gate.throttledAt < THROTTLED_LATELY_MS;
    return isThrottled ? 'throttled' : 'deadline';
  }

  #countPod(by: number): void {
    const { measures, timeline } = this.#site;
    measures.idle.change(-by, timeline.now);
    measures.assigned.change(by, timeline.now);
  }
}

/** More than any plan needs; the planner's promise is two. */
const MOST_PLANS = 20;
const THROTTLED_LATELY_MS = 60_000;
const PATIENCE: ReadonlySet<string> = new Set(['interface-too-young', 'cooling-down', 'cloud-back-off']);

function attachmentOf(pod: number): Attachment {
  return { networkName: '', containerId: `p${pod}`, ifName: '' };
}
