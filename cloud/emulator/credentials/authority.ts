/**
 * The credentials of the emulated account: who was given which keys, and until when. It stands in for IAM, as far as a
 * client of EC2 sees of it.
 */
import { randomBytes } from 'node:crypto';

/** Times are milliseconds since the Unix epoch. */
export interface IssuedKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Who they were given to, e.g. the ARN of a role. */
  readonly holder: string;
}

/** Keys of an IAM user: they do not expire. */
export interface LongTermKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface CredentialSettings {
  /** EC2 refuses requests that are not signed with keys of this account. Off: anything goes, as before. */
  readonly required: boolean;
  /** The role of every instance, which instance metadata hands out credentials of; absent where instances have none. */
  readonly instanceRole?: string | undefined;
  /** How long keys are good that are handed out from now on. */
  readonly lifetimeSeconds: number;
}

/** Why keys are not accepted. */
export type KeyRefusal = 'unknown' | 'wrong-token' | 'expired';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export class CredentialAuthority {
  readonly #issued = new Map<string, IssuedKeys>();
  readonly #longTerm = new Map<string, LongTermKeys>();
  /** The latest for each holder. */
  readonly #current = new Map<string, IssuedKeys>();

  /** Keys of an IAM user are good from now on. */
  allow(keys: LongTermKeys): void {
    this.#longTerm.set(keys.accessKeyId, keys);
  }

  issue(holder: string, lifetimeSeconds: number, now: number): IssuedKeys {
    const keys: IssuedKeys = {
      accessKeyId: `ASIA${[...randomBytes(16)].map((byte) => ALPHABET.charAt(byte % ALPHABET.length)).join('')}`,
      secretAccessKey: randomBytes(30).toString('base64'),
      sessionToken: randomBytes(96).toString('base64'),
      issuedAt: now,
      expiresAt: now + lifetimeSeconds * 1000,
      holder,
    };
    this.#issued.set(keys.accessKeyId, keys);
    this.#current.set(holder, keys);
    return keys;
  }

  /** The holder's keys while half of their life is not over, then new ones: so instance metadata does it. */
  currentFor(holder: string, lifetimeSeconds: number, now: number): IssuedKeys {
    const keys = this.#current.get(holder);
    const lifetimeMs = lifetimeSeconds * 1000;
    const fresh =
      keys !== undefined &&
      this.#issued.has(keys.accessKeyId) &&
      keys.expiresAt - keys.issuedAt <= lifetimeMs &&
      now < (keys.issuedAt + keys.expiresAt) / 2;
    return fresh ? keys : this.issue(holder, lifetimeSeconds, now);
  }

  /** The keys are not accepted any more, whatever their expiration says. */
  revoke(accessKeyId: string): void {
    this.#issued.delete(accessKeyId);
    this.#longTerm.delete(accessKeyId);
  }

  /** The secret that a request of these keys must be signed with, or why they are not accepted. */
  secretOf(
    accessKeyId: string,
    sessionToken: string | undefined,
    now: number,
  ): { readonly secret: string } | { readonly refused: KeyRefusal } {
    const user = this.#longTerm.get(accessKeyId);
    if (user !== undefined) return { secret: user.secretAccessKey };
    const keys = this.#issued.get(accessKeyId);
    if (keys === undefined) return { refused: 'unknown' };
    if (keys.sessionToken !== sessionToken) return { refused: 'wrong-token' };
    return now >= keys.expiresAt ? { refused: 'expired' } : { secret: keys.secretAccessKey };
  }
}
