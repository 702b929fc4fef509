/** The peer's calls: the SDK's standard retryer (3 attempts), nothing else between the node and the account's limits. */

import { ok, type Outcome, refused } from './account.ts';
import type { Site } from './agent.ts';
import type { CloudCall } from './cluster.ts';
import type { Holdings } from './holdings.ts';

const ATTEMPTS = 3;
const LONGEST_PAUSE_MS = 20_000;
const DETACH_SLEEP_MS = 2000;
const FIRST_DELETE_PAUSE_MS = 500;
const DELETE_ATTEMPTS = 12;
const LONGEST_DELETE_PAUSE_MS = 60_000;

export class PeerCloud {
  readonly #site: Site;
  readonly #holdings: Holdings;
  /** Nothing is answered any more. */
  isClosed = false;

  constructor(site: Site, holdings: Holdings) {
    this.#site = site;
    this.#holdings = holdings;
  }

  call<T>(call: CloudCall, effect: () => Outcome<T>, done: (outcome: Outcome<T>) => void, attempt = 1): void {
    const { account, timeline } = this.#site;
    account.send(
      call,
      () => (this.isClosed ? refused('in-use') : effect()),
      (outcome) => {
        if (this.isClosed) return;
        if (outcome.kind === 'ok' || outcome.code !== 'throttled' || attempt === ATTEMPTS) return done(outcome);
        const pause = Math.min(LONGEST_PAUSE_MS, account.chance() * 1000 * 2 ** attempt);
        timeline.after(pause, () => this.call(call, effect, done, attempt + 1));
      },
    );
  }

  /** Looks, one after the other, whatever they answer. */
  inTurn([first, ...rest]: readonly CloudCall[], done: () => void): void {
    if (first === undefined) done();
    else
      this.call(
        first,
        () => ok(undefined),
        () => this.inTurn(rest, done),
      );
  }

  /** From created to usable: false where it was given up, and the interface deleted. */
  attach(id: string, done: (isAttached: boolean) => void): void {
    const { account, timeline } = this.#site;
    const giveUp = (): void => this.#delete(id, -Infinity, 1, () => done(false));
    this.call(
      'DescribeInstances',
      () => ok(undefined),
      () => {
        this.call(
          'AttachNetworkInterface',
          () => ok(timeline.now),
          (attached) => {
            if (attached.kind === 'refused') return giveUp();
            const linkAt = attached.value + account.draw(account.pace.link);
            this.call(
              'ModifyNetworkInterfaceAttribute',
              () => ok(undefined),
              (modified) => {
                if (modified.kind === 'refused') return this.detachAndDelete(id, () => done(false));
                timeline.at(linkAt, () => this.isClosed || this.inTurn(['DescribeSubnets'], () => done(true)));
              },
            );
          },
        );
      },
    );
  }

  detachAndDelete(id: string, done: () => void): void {
    const { account, timeline } = this.#site;
    this.call(
      'DescribeNetworkInterfaces',
      () => ok(undefined),
      () => {
        const effect = () => ok(timeline.now + account.draw(account.pace.detach));
        this.call('DetachNetworkInterface', effect, (detached) => {
          const detachedAt = detached.kind === 'ok' ? detached.value : timeline.now;
          timeline.after(DETACH_SLEEP_MS, () => this.isClosed || this.#delete(id, detachedAt, 1, done));
        });
      },
    );
  }

  #delete(id: string, detachedAt: number, attempt: number, done: () => void): void {
    const { timeline } = this.#site;
    const effect = () => (timeline.now < detachedAt ? refused('in-use') : ok(this.#holdings.delete(id)));
    this.call('DeleteNetworkInterface', effect, (deleted) => {
      if (deleted.kind === 'ok' || attempt === DELETE_ATTEMPTS) return done();
      const pause = Math.min(LONGEST_DELETE_PAUSE_MS, FIRST_DELETE_PAUSE_MS * 2 ** (attempt - 1));
      timeline.after(pause, () => this.isClosed || this.#delete(id, detachedAt, attempt + 1, done));
    });
  }
}
