import type { Ec2Action } from './ec2-actions.ts';
import { ACTION_CLASSES } from './ec2/actions.data.ts';

/** A token bucket: full at the start, one token a request. */
export interface BucketSize {
  readonly capacity: number;
  readonly refillPerSecond: number;
}

/** The categories of the EC2 API throttling guide. */
export type ThrottleClass = 'read' | 'unfiltered-read' | 'write' | 'resource-intensive';

export interface Throttling {
  readonly classes: Readonly<Record<ThrottleClass, BucketSize>>;
  /** Sizes of single actions; they go before their class. */
  readonly actions?: Readonly<Partial<Record<Ec2Action, BucketSize>>>;
}

/**
 * The figures of the "Request throttling for the Amazon EC2 API" guide: sizes go by category and each action has a
 * bucket of its own. The guide's second mechanism, tokens by the number of instances, is not modelled.
 */
export const EC2_THROTTLING: Throttling = {
  classes: {
    read: { capacity: 100, refillPerSecond: 20 },
    'unfiltered-read': { capacity: 50, refillPerSecond: 10 },
    write: { capacity: 50, refillPerSecond: 5 },
    'resource-intensive': { capacity: 50, refillPerSecond: 5 },
  },
  actions: {
    CreateTags: { capacity: 100, refillPerSecond: 10 },
    DeleteTags: { capacity: 100, refillPerSecond: 10 },
    RunInstances: { capacity: 5, refillPerSecond: 2 },
    TerminateInstances: { capacity: 100, refillPerSecond: 5 },
  },
};

interface Bucket {
  tokens: number;
  at: number;
}

/** The buckets of one account in one region. Time comes in with each call, in milliseconds. */
export class Throttle {
  readonly #settings: Throttling;
  readonly #buckets = new Map<string, Bucket>();

  constructor(settings: Throttling) {
    this.#settings = settings;
  }

  /** Takes a token; false where there is none and EC2 answers RequestLimitExceeded. */
  admit(action: Ec2Action, unfiltered: boolean, now: number): boolean {
    const throttleClass = ACTION_CLASSES[action] === 'read' && unfiltered ? 'unfiltered-read' : ACTION_CLASSES[action];
    const size = this.#settings.actions?.[action] ?? this.#settings.classes[throttleClass];
    const key = `${action}:${throttleClass}`;
    const bucket = this.#buckets.get(key) ?? { tokens: size.capacity, at: now };
    const earned = (Math.max(0, now - bucket.at) / 1000) * size.refillPerSecond;
    const tokens = Math.min(size.capacity, bucket.tokens + earned);
    const admitted = tokens >= 1;
    this.#buckets.set(key, { tokens: admitted ? tokens - 1 : tokens, at: now });
    return admitted;
  }
}
