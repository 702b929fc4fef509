import { describe, expect, it } from '@jest/globals';
import { emptyLedger, withSubnets } from '#warm-pool/ledger.ts';
import type { Subnet, WarmTargets } from '#warm-pool/model.ts';
import { Pool } from '../pool.ts';
import { explainSubject } from './explain-subject.ts';

const NOW = 1_000_000;
const TARGETS: WarmTargets = { warmEniTarget: 1, warmIpTarget: 1, minimumIpTarget: undefined, warmPrefixTarget: 1 };
const request = (name: string) => ({
  attachment: { networkName: 'n', containerId: `container-of-${name}`, ifName: 'eth0' },
  pod: { namespace: 'default', name, uid: '' },
});

function poolWith(subnet: Partial<Subnet>, maxInterfaces = 3): Pool {
  const limits = { maxInterfaces, ipv4PerInterface: 10, maxPods: 100 };
  const described = {
    id: 'subnet-a',
    cidr: '10.0.0.0/24',
    availableAddresses: 100,
    backOffUntil: 0,
    prefixBackOffUntil: 0,
    ...subnet,
  };
  return new Pool(withSubnets(emptyLedger({ mode: 'address', limits, coolDownMs: 0 }), [described]), () => NOW);
}

const asked = (pool: Pool, subject: string) =>
  explainSubject(subject, { pool, targets: TARGETS, attachments: new Map(), now: () => NOW }).matches;

describe('a pod that waits', () => {
  it('is known by its names, with its place in the queue, what is under way and that nothing is to be done', () => {
    const pool = poolWith({});
    const stop = new AbortController();
    const waits = ['a', 'b'].map((name) => pool.take(request(name), stop.signal).catch(() => undefined));
    for (const subject of ['default/b', 'b', 'container-of-b']) {
      expect(asked(pool, subject)).toMatchObject([
        {
          kind: 'waiting',
          name: 'b',
          position: 2,
          gaveUpAt: null,
          reasons: [{ reason: 'pods-waiting', inputs: { waiting: 2 } }],
          fix: 'Nothing: addresses are on their way.',
        },
      ]);
    }
    stop.abort();
    return Promise.all(waits);
  });

  it.each([
    [{ availableAddresses: 0, backOffUntil: NOW + 60_000 }, 3, 'subnet-exhausted', /tag another subnet/],
    [{}, 0, 'interface-limit', /larger instance type/],
  ])('is told what holds it up, and what to do: %j, %j ENIs', async (subnet, maxInterfaces, reason, fix) => {
    const pool = poolWith(subnet, maxInterfaces);
    const stop = new AbortController();
    const wait = pool.take(request('a'), stop.signal).catch(() => undefined);
    const [answer] = asked(pool, 'a');
    expect(answer).toMatchObject({ kind: 'waiting', position: 1, reasons: [{ reason }] });
    expect(answer?.fix).toMatch(fix);
    expect(answer?.sentences.join(' ')).toContain(`(${reason})`);

    stop.abort(new Error('the deadline'));
    await wait;
    expect(pool.waiting).toBe(0);
    expect(asked(pool, 'a')).toMatchObject([
      { kind: 'waiting', position: null, gaveUpAt: new Date(NOW).toISOString() },
    ]);
  });

  it('forgets the oldest of many failures, and no more is kept', async () => {
    const pool = poolWith({});
    for (let n = 0; n < 130; n += 1) {
      await pool.take(request(`p${n}`), AbortSignal.abort(new Error('late'))).catch(() => undefined);
    }
    expect(pool.requests).toHaveLength(100);
    expect(pool.requests.at(-1)).toMatchObject({ pod: { name: 'p129' } });
    expect(() => asked(pool, 'p0')).toThrow(/knows nothing called/);
  });
});
