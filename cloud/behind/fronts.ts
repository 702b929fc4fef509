import { instanceTypeRecords } from '../instance-types.ts';
import { Ec2Error } from '../emulator/ec2-error.ts';
import { Region } from '../emulator/region.ts';
import { RegionPast } from '../emulator/region-past.ts';
import { Front } from './front.ts';
import { look } from './look.ts';
import type { Scope } from './request-kind.ts';
import type { Signer, Upstream } from './upstream.ts';

export interface FrontsOptions {
  readonly upstream: Upstream;
  /** Of clients that do not sign, of the metadata face and of the fabric. */
  readonly region: string;
  readonly seed: number;
  readonly now: () => number;
  readonly warn: (text: string) => void;
  /** How far back reads may lag at present, and how far they do, milliseconds. */
  readonly reachMs: () => number;
  readonly staleReadsMs: () => number;
}

/** What LocalStack takes for its first account. */
const ACCESS_KEY = 'test';
const ACCOUNT = '000000000000';
const MOST_FRONTS = 64;
const ZONES = ['a', 'b', 'c', 'd', 'e', 'f'];

/** A front for each region of each account that clients sign for, as LocalStack tells them apart. */
export class Fronts implements Disposable {
  readonly #options: FrontsOptions;
  readonly #held = new Map<string, Promise<Front>>();
  readonly default: Front;

  private constructor(options: FrontsOptions, first: Front) {
    this.#options = options;
    this.default = first;
    this.#held.set(keyOf({ region: options.region, accessKeyId: ACCOUNT }), Promise.resolve(first));
  }

  /** Has asked the other EC2 once. Rejects with `UpstreamError` where it does not answer. */
  static async open(options: FrontsOptions): Promise<Fronts> {
    const first = await openFront(options, { region: options.region, accessKeyId: ACCESS_KEY }, '');
    return new Fronts(options, first);
  }

  /** The front of a signed request; the default one where it is not signed. Rejects with `Ec2Error`. */
  of(scope: Scope | undefined): Promise<Front> {
    if (scope === undefined) return Promise.resolve(this.default);
    const account = /^\d{12}$/.test(scope.accessKeyId) ? scope.accessKeyId : accountOf(scope.accessKeyId);
    const key = keyOf({ region: scope.region, accessKeyId: account });
    const known = this.#held.get(key);
    if (known !== undefined) return known;
    if (this.#held.size >= MOST_FRONTS) {
      return Promise.reject(new Ec2Error('AuthFailure', `There are ${MOST_FRONTS} regions already`, 401));
    }
    const opening = openFront(this.#options, scope, key);
    this.#held.set(key, opening);
    opening.catch(() => this.#held.delete(key));
    return opening;
  }

  [Symbol.dispose](): void {
    for (const front of this.#held.values()) front.then((open) => open[Symbol.dispose]()).catch(() => undefined);
  }

  /** Something was passed through that only its sender understands. */
  markStale(): void {
    for (const front of this.#held.values()) front.then((open) => open.markStale()).catch(() => undefined);
  }
}

async function openFront(options: FrontsOptions, scope: Signer, idNamespace: string): Promise<Front> {
  const { upstream, seed, now, warn, reachMs, staleReadsMs } = options;
  const signer = { region: scope.region, accessKeyId: scope.accessKeyId };
  const seen = await look(upstream, signer);
  const types = new Map(instanceTypeRecords());
  const region = new Region({
    region: scope.region,
    seed,
    clock: { now },
    types,
    idNamespace,
    zoneLetters: ZONES,
    accountId: seen.vpcs[0]?.owner ?? ACCOUNT,
  });
  const front = new Front({
    upstream,
    signer,
    region,
    types,
    warn,
    past: new RegionPast(region, now, reachMs),
    staleReadsMs,
  });
  await front.refresh();
  return front;
}

/**
 * LocalStack's own rule: twelve digits are an account, a key of AWS's own form names one in its middle, and all others
 * belong to the first account. Keys of AWS's form are told apart whole.
 */
function accountOf(accessKeyId: string): string {
  return /^(AKIA|ASIA|LKIA|LSIA)[A-Z0-9]{12,}$/.test(accessKeyId) ? accessKeyId : ACCOUNT;
}

function keyOf({ region, accessKeyId }: Signer): string {
  return `${accessKeyId}/${region}`;
}
