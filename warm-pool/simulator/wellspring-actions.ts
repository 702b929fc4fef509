/** Carries out planned actions against the simulated cloud, step by step as ipamd/execute does against EC2. */

import { formatIpv4, type Ipv4, ipv4 } from '../address.ts';
import {
  type Ledger,
  withBlocks,
  withInterface,
  withoutBlocks,
  withoutInterface,
  withPhase,
  withSubnetBackOff,
} from '../ledger.ts';
import type { Action, AddressBlock, AllocationMode, NetworkInterface } from '../model.ts';
import { detachPause, type DetachPace, nodePause, subnetPause, withDetachment } from '../pauses.ts';
import { ok, refused } from './account.ts';
import type { Site } from './agent.ts';
import type { Answer, CallGate } from './call-gate.ts';
import type { Granted, Holdings } from './holdings.ts';

/** Books what a call gave and the end of its flight in one step. */
type Settle = (transition: (ledger: Ledger) => Ledger) => void;

interface RunnerOptions {
  readonly site: Site;
  readonly gate: CallGate;
  readonly holdings: Holdings;
  readonly update: (transition: (ledger: Ledger) => Ledger) => void;
  readonly ledger: () => Ledger;
}

/** When the cloud will have detached an interface, unknown to the node; since when it waits, and refusals so far. */
interface DetachWait {
  readonly detachedAt: number;
  readonly since: number;
  readonly refusals: number;
}

type Create = Extract<Action, { kind: 'create-interface' }>;
type Assign = Extract<Action, { kind: 'assign' }>;

export class ActionRunner {
  readonly #options: RunnerOptions;
  /** Consecutive refusals by subnet, `prefix` ones apart. */
  readonly #subnetRefusals = new Map<string, number>();
  #failures = 0;
  #detaching: DetachPace = { waitMs: 0 };
  cloudBackOffUntil = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  run(action: Action, settle: Settle): void {
    switch (action.kind) {
      case 'assign':
        return this.#assign(action, settle);
      case 'create-interface':
        return this.#create(action, settle);
      case 'release':
        return this.#release(action, settle);
      case 'delete-interface':
        return this.#delete(action, settle);
      case 'assign-ipv6-prefix':
        throw new RangeError('IPv6 is not simulated');
      default:
        return action satisfies never;
    }
  }

  #assign({ interfaceId, mode, count, why }: Assign, settle: Settle): void {
    const { gate, holdings, ledger } = this.#options;
    const subnetId = ledger().interfaces.get(interfaceId)?.networkInterface.subnetId ?? '';
    const effect = () => holdings.assign(interfaceId, sizeOf(mode), count);
    gate.request('AssignPrivateIpAddresses', why.reason, effect, (answer) => {
      if (answer.kind === 'ok') {
        this.#succeed(subnetId, mode);
        settle((next) => withBlocks(next, interfaceId, blocksOf(answer.value, mode)));
      } else if (answer.code === 'aborted') {
        // The daemon cannot know whether the call took effect, so it looks before it asks again.
        gate.request(
          'DescribeNetworkInterfaces',
          'verify',
          () => ok(undefined),
          () => this.#fail(answer, subnetId, settle),
        );
      } else this.#fail(answer, subnetId, settle);
    });
  }

  #create(action: Create, settle: Settle): void {
    const { gate, holdings, site } = this.#options;
    const { subnetId, mode, count, why } = action;
    const subnet = site.account.subnets.find(({ id }) => id === subnetId);
    const effect = () =>
      subnet === undefined ? refused('subnet-exhausted') : holdings.create(subnet, sizeOf(mode), count);
    gate.request('CreateNetworkInterface', why.reason, effect, (created) => {
      if (created.kind === 'refused') this.#fail(created, subnetId, settle);
      else this.#attach(action, created.value, settle);
    });
  }

  #attach(action: Create, created: Granted, settle: Settle): void {
    const { gate, site, update } = this.#options;
    const { timeline, account } = site;
    const { subnetId, deviceIndex, mode, why } = action;
    const giveUp = (answer: Answer<unknown>): void => {
      this.#detachAndDelete(created.id, 'discard', () => this.#fail(answer, subnetId, settle));
    };
    gate.request(
      'AttachNetworkInterface',
      why.reason,
      () => ok(timeline.now),
      (attached) => {
        if (attached.kind === 'refused') return giveUp(attached);
        const linkAt = attached.value + account.draw(account.pace.link);
        gate.request(
          'ModifyNetworkInterfaceAttribute',
          why.reason,
          () => ok(undefined),
          (modified) => {
            if (modified.kind === 'refused') return giveUp(modified);
            const since = timeline.now;
            const network = networkInterfaceOf({ ...created, subnetId, deviceIndex, isPrimary: false, since }, mode);
            settle((ledger) => withInterface(ledger, network));
            timeline.at(Math.max(linkAt, since), () => {
              if (gate.isClosed) return;
              this.#succeed(subnetId, mode);
              update((ledger) => withPhase(ledger, created.id, 'ready'));
            });
          },
        );
      },
    );
  }

  #release({ interfaceId, cidrs, why }: Extract<Action, { kind: 'release' }>, settle: Settle): void {
    const { gate, holdings, update } = this.#options;
    update((ledger) => withoutBlocks(ledger, interfaceId, cidrs));
    const isSingle = (cidr: string): boolean => cidr.endsWith('/32');
    const calls = [cidrs.filter(isSingle), cidrs.filter((cidr) => !isSingle(cidr))].filter(({ length }) => length > 0);
    const next = (): void => {
      const part = calls.shift();
      if (part === undefined) {
        this.#failures = 0;
        this.cloudBackOffUntil = 0;
        settle((ledger) => withoutBlocks(ledger, interfaceId, cidrs));
        return;
      }
      const addresses = part.map((cidr) => ipv4(cidr.slice(0, cidr.indexOf('/'))));
      const effect = () => ok(holdings.unassign(interfaceId, addresses));
      gate.request('UnassignPrivateIpAddresses', why.reason, effect, (answer) => {
        if (answer.kind === 'ok') return next();
        // What was not given back returns to the pool with the look that follows.
        const mode: AllocationMode = part.every(isSingle) ? 'address' : 'prefix';
        gate.request(
          'DescribeNetworkInterfaces',
          'verify',
          () => ok(undefined),
          () => {
            this.#fail(answer, '', (last) =>
              settle((ledger) => last(withBlocks(ledger, interfaceId, blocksOf(addresses, mode)))),
            );
          },
        );
      });
    };
    next();
  }

  #delete({ interfaceId, why }: Extract<Action, { kind: 'delete-interface' }>, settle: Settle): void {
    this.#options.update((ledger) => withPhase(ledger, interfaceId, 'draining'));
    this.#detachAndDelete(interfaceId, why.reason, () => settle((ledger) => withoutInterface(ledger, interfaceId)));
  }

  /** Carried on until the interface is gone. */
  #detachAndDelete(id: string, cause: string, done: () => void): void {
    const { gate, site } = this.#options;
    const { timeline, account } = site;
    const again = (): void => timeline.after(500, () => gate.isClosed || this.#detachAndDelete(id, cause, done));
    gate.request(
      'DescribeNetworkInterfaces',
      cause,
      () => ok(undefined),
      (found) => {
        if (found.kind === 'refused') return again();
        const effect = () => ok(timeline.now + account.draw(account.pace.detach));
        gate.request('DetachNetworkInterface', cause, effect, (detached) => {
          if (detached.kind === 'refused') again();
          else this.#deleteWhen(id, { detachedAt: detached.value, since: timeline.now, refusals: 0 }, done);
        });
      },
    );
  }

  #deleteWhen(id: string, wait: DetachWait, done: () => void): void {
    const { gate, holdings, site } = this.#options;
    const { timeline } = site;
    const { detachedAt, since, refusals } = wait;
    const effect = () => (timeline.now < detachedAt ? refused('in-use') : ok(holdings.delete(id)));
    timeline.after(detachPause(this.#detaching, refusals), () => {
      if (gate.isClosed) return;
      gate.request('DeleteNetworkInterface', 'delete-interface', effect, (deleted) => {
        if (deleted.kind === 'refused') return this.#deleteWhen(id, { ...wait, refusals: refusals + 1 }, done);
        this.#detaching = withDetachment(this.#detaching, timeline.now - since, refusals);
        done();
      });
    });
  }

  #succeed(subnetId: string, mode: AllocationMode): void {
    this.#failures = 0;
    this.cloudBackOffUntil = 0;
    this.#subnetRefusals.delete(subnetId);
    if (mode === 'prefix') this.#subnetRefusals.delete(`${subnetId}/prefix`);
  }

  #fail(answer: Answer<unknown>, subnetId: string, settle: Settle): void {
    const { now } = this.#options.site.timeline;
    const code = answer.kind === 'refused' ? answer.code : undefined;
    if (code === 'subnet-exhausted' || code === 'no-free-prefix') {
      const what = code === 'no-free-prefix' ? 'prefix' : 'all';
      const key = what === 'prefix' ? `${subnetId}/prefix` : subnetId;
      const refusals = this.#subnetRefusals.get(key) ?? 0;
      this.#subnetRefusals.set(key, refusals + 1);
      settle((ledger) => withSubnetBackOff(ledger, subnetId, what, now + subnetPause(refusals, what)));
      return;
    }
    this.cloudBackOffUntil = Math.max(this.cloudBackOffUntil, now + nodePause(this.#failures));
    this.#failures += 1;
    settle((ledger) => ledger);
  }
}

/** An interface as the ledger books it, attached and not yet ready. */
export function networkInterfaceOf(
  granted: Granted & {
    readonly subnetId: string;
    readonly deviceIndex: number;
    readonly isPrimary: boolean;
    readonly since: number;
  },
  mode: AllocationMode,
): NetworkInterface {
  const { id, subnetId, deviceIndex, isPrimary, since, primary, blocks } = granted;
  return {
    id,
    subnetId,
    mac: '02:00:00:00:00:01',
    primaryAddress: formatIpv4(primary),
    isPrimary,
    deviceIndex,
    networkCardIndex: 0,
    attachmentId: id,
    phase: 'attaching',
    managed: true,
    since,
    blocks: blocksOf(blocks, mode),
  };
}

function blocksOf(addresses: readonly Ipv4[], mode: AllocationMode): readonly AddressBlock[] {
  return addresses.map((address) => ({ kind: mode, cidr: `${formatIpv4(address)}/${mode === 'prefix' ? 28 : 32}` }));
}

function sizeOf(mode: AllocationMode): 1 | 16 {
  return mode === 'prefix' ? 16 : 1;
}
