/** When a node looks at the cloud without a pod that needs it: what ipamd's subnet watch, node watch and leak sweep do. */

import { formatCidr } from '../address.ts';
import { type Ledger, withSubnetBackOff, withSubnets } from '../ledger.ts';
import type { Plan, Subnet } from '../model.ts';
import { ok } from './account.ts';
import type { Site } from './agent.ts';
import type { CallGate } from './call-gate.ts';
import type { CloudCall, PeriodicLooks } from './cluster.ts';
import type { SubnetSpace } from './subnet-space.ts';

const FIRST_LOOK_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

interface LooksOptions {
  readonly subnets: readonly SubnetSpace[];
  readonly site: Site;
  readonly gate: CallGate;
  readonly looksMs: PeriodicLooks;
  readonly update: (transition: (ledger: Ledger) => Ledger) => void;
}

export class SubnetLooks {
  readonly #options: LooksOptions;
  #isLooking = false;
  #pause = FIRST_LOOK_MS;
  #lackedAt = -Infinity;

  constructor(options: LooksOptions) {
    this.#options = options;
  }

  /** One DescribeSubnets; a look that fails is as if it had not been. */
  look(cause: string, then: (subnets: readonly Subnet[]) => void): void {
    const { gate, subnets } = this.#options;
    gate.request(
      'DescribeSubnets',
      cause,
      () => ok(subnets.map(described)),
      (answer) => {
        then(answer.kind === 'ok' ? answer.value : []);
      },
    );
  }

  /** The looks at long intervals begin. */
  begin(): void {
    const { looksMs, site } = this.#options;
    const { account } = site;
    const spread = (ms: number): number => ms * (0.9 + 0.2 * account.chance());
    this.#every(
      () => spread(looksMs.subnets),
      spread(looksMs.subnets),
      () => {
        this.look('subnet-tags', (subnets) => this.#put(subnets));
      },
    );
    this.#every(
      () => spread(looksMs.reconcile),
      spread(looksMs.reconcile),
      () => this.#ask('DescribeNetworkInterfaces'),
    );
    const firstSweep = (looksMs.leaks / 12) * (1 + account.chance());
    this.#every(
      () => spread(looksMs.leaks),
      firstSweep,
      () => this.#ask('DescribeNetworkInterfaces'),
    );
  }

  /** To be told of every plan: while addresses are lacking, subnets are looked at again, ever more slowly. */
  planned({ refusals }: Plan): void {
    if (!refusals.some(({ why }) => why.reason === 'subnet-exhausted')) return;
    const { timeline } = this.#options.site;
    if (timeline.now - this.#lackedAt > LONGEST_PAUSE_MS * 2) this.#pause = FIRST_LOOK_MS;
    this.#lackedAt = timeline.now;
    if (this.#isLooking) return;
    this.#isLooking = true;
    timeline.after(this.#pause, () => {
      if (this.#options.gate.isClosed) return;
      this.look('subnet-exhausted', (subnets) => {
        this.#isLooking = false;
        this.#put(subnets);
        this.#endBackOffs(subnets);
      });
    });
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }

  #put(subnets: readonly Subnet[]): void {
    if (subnets.length > 0) this.#options.update((ledger) => withSubnets(ledger, subnets));
  }

  #endBackOffs(subnets: readonly Subnet[]): void {
    const freed = subnets.filter(({ availableAddresses }) => availableAddresses > 0);
    this.#options.update((ledger) => freed.reduce((next, { id }) => withSubnetBackOff(next, id, 'all', 0), ledger));
  }

  #ask(call: CloudCall): void {
    this.#options.gate.request(
      call,
      'look',
      () => ok(undefined),
      () => undefined,
    );
  }

  #every(interval: () => number, first: number, look: () => void): void {
    if (first <= 0) return;
    this.#options.site.timeline.after(first, () => {
      if (this.#options.gate.isClosed) return;
      look();
      this.#every(interval, interval(), look);
    });
  }
}

function described(space: SubnetSpace): Subnet {
  return {
    id: space.id,
    cidr: formatCidr(space.range),
    availableAddresses: space.free,
    backOffUntil: 0,
    prefixBackOffUntil: 0,
  };
}
