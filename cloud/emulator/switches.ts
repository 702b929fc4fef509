import type { CredentialSettings } from './credentials/authority.ts';
import { FaultScript } from './faults.ts';
import type { Latency } from './latency.ts';
import { delayOf, seededRandom } from './latency.ts';
import type { Ec2Action } from './ec2-actions.ts';
import type { Throttling } from './throttle.ts';
import { Throttle } from './throttle.ts';

/** What can be switched on; all of it is off to begin with. */
export interface SwitchSettings {
  readonly latency: Latency;
  readonly throttling: Throttling | undefined;
  /** Describes answer from the state of so many milliseconds ago; writes always meet the present one. */
  readonly staleReadsMs: number;
  /** Instance metadata shows the state of so many milliseconds ago. */
  readonly metadataLagMs: number;
  /** Whose requests EC2 serves, and what instances are given to sign with. */
  readonly credentials: CredentialSettings;
}

export const ANY_CREDENTIALS: CredentialSettings = { required: false, lifetimeSeconds: 3600 };

/** The switches of one emulated region; changes hold from the next request on. */
export class Switches {
  readonly faults = new FaultScript();
  readonly #random: () => number;
  #settings: SwitchSettings;
  #throttle: Throttle | undefined;

  constructor(seed: number, settings: Partial<SwitchSettings> = {}) {
    this.#random = seededRandom(seed);
    this.#settings = {
      latency: {},
      throttling: undefined,
      staleReadsMs: 0,
      metadataLagMs: 0,
      credentials: ANY_CREDENTIALS,
    };
    this.set(settings);
  }

  get settings(): SwitchSettings {
    return this.#settings;
  }

  /** Changes what is named and leaves the rest; new throttling starts with full buckets. */
  set(settings: Partial<SwitchSettings>): void {
    this.#settings = { ...this.#settings, ...settings };
    if (!('throttling' in settings)) return;
    this.#throttle = settings.throttling === undefined ? undefined : new Throttle(settings.throttling);
  }

  /** Milliseconds by which to hold back the next answer to this action. */
  delay(action: string): number {
    return delayOf(this.#settings.latency, action, this.#random);
  }

  /** False where EC2 would answer RequestLimitExceeded. */
  admit(action: Ec2Action, unfiltered: boolean, now: number): boolean {
    return this.#throttle?.admit(action, unfiltered, now) ?? true;
  }
}
