/**
 * One empty region for each name that a client signs for, as at AWS. The default one serves clients that do not sign, the
 * metadata face and the fabric.
 */
import type { Ec2Action } from './ec2-actions.ts';
import { Ec2Error } from './ec2-error.ts';
import { ACTION_CLASSES } from './ec2/actions.data.ts';
import { Region } from './region.ts';
import { RegionPast } from './region-past.ts';

export interface RegionsOptions {
  readonly defaultName: string;
  readonly seed: number;
  readonly now: () => number;
  /** How far back reads may lag at present, milliseconds. */
  readonly reachMs: () => number;
  /** How far reads lag at present, milliseconds. */
  readonly staleReadsMs: () => number;
}

interface Held {
  readonly region: Region;
  readonly past: RegionPast;
}

/** A client that signs for ever new regions must not fill the memory. */
const MOST_REGIONS = 64;

export class Regions implements Disposable {
  readonly #options: RegionsOptions;
  readonly #held = new Map<string, Held>();

  constructor(options: RegionsOptions) {
    this.#options = options;
    this.#open(options.defaultName);
  }

  get default(): Held {
    return this.#open(this.#options.defaultName);
  }

  /** Runs an action in the region of that name, the default one where it is undefined. Throws `Ec2Error`. */
  execute(name: string | undefined, action: Ec2Action, input: Readonly<Record<string, unknown>>): object {
    const { region, past } = this.#open(name ?? this.#options.defaultName);
    const read = past.describe(this.#options.staleReadsMs);
    return ACTION_CLASSES[action] === 'read' ? read(action, input) : region.execute(action, input);
  }

  #open(name: string): Held {
    const known = this.#held.get(name);
    if (known !== undefined) return known;
    if (this.#held.size >= MOST_REGIONS) {
      throw new Ec2Error(
        'AuthFailure',
        `This emulator holds ${MOST_REGIONS} regions already, ${name} is one too many`,
        401,
      );
    }
    const { seed, now, reachMs, defaultName } = this.#options;
    const idNamespace = name === defaultName ? '' : name;
    const region = new Region({ region: name, seed, clock: { now }, idNamespace });
    const opened = { region, past: new RegionPast(region, now, reachMs) };
    this.#held.set(name, opened);
    return opened;
  }

  [Symbol.dispose](): void {
    for (const { past } of this.#held.values()) past[Symbol.dispose]();
  }
}

/**
 * The region of a signed request: `Credential=KEY/DATE/REGION/ec2/aws4_request` in the Authorization header or, for a
 * signed URL, in `X-Amz-Credential` (AWS Signature Version 4). Undefined where the request is not signed.
 */
export function signedRegion(authorization: string | undefined, url: string): string | undefined {
  const credential = /Credential=([^,\s]+)/.exec(authorization ?? '')?.[1] ?? queryCredential(url);
  const region = credential?.split('/')[2];
  return region !== undefined && /^[a-z0-9-]{1,32}$/.test(region) ? region : undefined;
}

function queryCredential(url: string): string | undefined {
  return new URL(url, 'http://emulator').searchParams.get('X-Amz-Credential') ?? undefined;
}
