import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { Bandwidth } from '#cni/spec/runtime-config.ts';
import { bandwidthProblem, tokenBucket } from './limits.ts';
import { decodeQdisc, isBucket, replaceTokenBucket } from './qdisc.ts';
import golden from './tc-golden.data.json' with { type: 'json' };

const none: Bandwidth = {
  ingressRate: undefined,
  ingressBurst: undefined,
  egressRate: undefined,
  egressBurst: undefined,
};

describe('a token bucket as a message', () => {
  it.each(golden.messages)('is byte for byte what tc sends for $command', ({ bucket, type, flags, body }) => {
    const ours = replaceTokenBucket(golden.link, bucket, 'v0');
    // NLM_F_REQUEST and NLM_F_ACK are added when it is sent.
    expect({ type: ours.type, flags: ours.flags | 5, body: Buffer.from(ours.body).toString('hex') }).toEqual({
      type,
      flags,
      body,
    });
  });

  it('comes back as it went in, and is told from every other rate, burst and queue', () => {
    const rate = fc.integer({ min: 125, max: 2 ** 36 });
    const bucket = fc
      .tuple(rate, fc.integer({ min: 600, max: 2 ** 30 }), fc.integer({ min: 1, max: 2 ** 31 }))
      .map(([bytes, burst, queue]) => ({ rate: bytes, burst, queue }));
    fc.assert(
      fc.property(bucket, bucket, (one, other) => {
        const { body } = replaceTokenBucket(7, one, 'eth0');
        const { bucket: found, ...rest } = decodeQdisc(Buffer.from(body));
        expect(rest).toEqual({ link: 7, isRoot: true, kind: 'tbf' });
        // Above 2^32 tc, and so we, count the burst's time with a rate that fits; the kernel does not use it then.
        if (one.rate < 2 ** 32) expect(isBucket(found, one)).toBe(true);
        expect(isBucket(found, { ...one, rate: one.rate + 1 })).toBe(false);
        expect(isBucket(found, { ...one, queue: one.queue + 1 })).toBe(false);
        if (other.rate !== one.rate) expect(isBucket(found, other)).toBe(false);
      }),
    );
  });

  it('is decoded, or refused cleanly, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          expect(typeof decodeQdisc(Buffer.from(bytes)).kind).toBe('string');
        } catch (error) {
          expect(error).toHaveProperty('name', 'NetlinkDecodeError');
        }
      }),
    );
  });
});

describe('limits', () => {
  it.each([
    [{}, undefined],
    [{ ingressRate: 0, ingressBurst: 0, egressRate: 0, egressBurst: 0 }, undefined],
    [{ ingressRate: 1_000_000, ingressBurst: 80_000 }, undefined],
    [{ egressRate: 10 ** 15, egressBurst: 4_294_967_295 }, undefined],
    [
      { ingressRate: 999, ingressBurst: 80_000 },
      'ingressRate: 999 is not allowed; expected 0 or 1000..1000000000000000',
    ],
    [{ egressRate: 10 ** 15 + 1, egressBurst: 80_000 }, 'egressRate: 1000000000000001 is not allowed'],
    [{ egressRate: 1_000_000 }, 'egressBurst: 0 is not allowed; expected 72120..34359738360 bits'],
    [{ egressRate: 1_000_000, egressBurst: 72_119 }, 'egressBurst: 72119 is not allowed; expected 72120'],
    [{ ingressRate: 1_000_000, ingressBurst: 34_359_738_361 }, 'ingressBurst: 34359738361 is not allowed'],
    [{ ingressBurst: 80_000 }, 'ingressBurst: 80000 is not allowed; expected 0, because there is no ingressRate'],
  ])('%j is refused by name, or not', (change, expected) => {
    const problem = bandwidthProblem({ ...none, ...change }, 9001);
    if (expected === undefined) expect(problem).toBeUndefined();
    else expect(problem).toContain(`runtimeConfig.bandwidth.${expected}`);
  });

  it('are bytes of what was asked in bits; the queue follows the rate, not the burst', () => {
    const asked = { ...none, ingressRate: 8_000_000, ingressBurst: 4_294_967_295 };
    expect(tokenBucket(asked, 'ingress')).toEqual({ rate: 1_000_000, burst: 536_870_911, queue: 131_072 });
    expect(tokenBucket(asked, 'egress')).toBeUndefined();
    expect(tokenBucket({ ...asked, egressRate: 8e9, egressBurst: 80_000 }, 'egress')?.queue).toBe(25_000_000);
  });
});
