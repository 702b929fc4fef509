import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** The longest life of a session token: six hours (EC2 user guide, "Use the Instance Metadata Service"). */
export const MAX_TTL_SECONDS = 21_600;

/** IMDSv2 session tokens: good for one instance and for the seconds asked for. Times are milliseconds since 1970. */
export class Tokens {
  readonly #key = randomBytes(32);

  issue(instanceId: string, ttlSeconds: number, now: number): string {
    const expiry = Buffer.alloc(8);
    expiry.writeBigUInt64BE(BigInt(Math.ceil(now + ttlSeconds * 1000)));
    return Buffer.concat([expiry, this.#seal(instanceId, expiry)]).toString('base64url');
  }

  /** Seconds that the token has still to live, rounded up; 0 where it is not valid for this instance. */
  remainingSeconds(token: string, instanceId: string, now: number): number {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length !== 40) return 0;
    const expiry = bytes.subarray(0, 8);
    if (!timingSafeEqual(bytes.subarray(8), this.#seal(instanceId, expiry))) return 0;
    return Math.max(0, Math.ceil((Number(expiry.readBigUInt64BE()) - now) / 1000));
  }

  #seal(instanceId: string, expiry: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(expiry).update(instanceId).digest();
  }
}

/** The seconds of an `X-aws-ec2-metadata-token-ttl-seconds` header; `undefined` where it is absent or not allowed. */
export function parseTtl(header: string | undefined): number | undefined {
  const seconds = header !== undefined && /^\d{1,5}$/.test(header) ? Number(header) : 0;
  return seconds >= 1 && seconds <= MAX_TTL_SECONDS ? seconds : undefined;
}
