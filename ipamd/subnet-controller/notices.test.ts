import { describe, expect, it } from '@jest/globals';
import type { Exhaustion } from '#warm-pool/forecast/exhaustion.ts';
import type { SubnetState } from './assess.ts';
import { notices, type Said, when } from './notices.ts';

const HOUR = 3_600_000;
const within = (hours: number | undefined): Exhaustion => ({
  kind: 'forecast',
  lowerMs: hours === undefined ? undefined : (hours * HOUR) / 2,
  medianMs: hours === undefined ? undefined : hours * HOUR,
  upperMs: undefined,
  horizonMs: 240 * HOUR,
  within: { hour: 0, day: 0, horizon: 0 },
  season: 'none',
  growthPerDay: 1,
  bucketMs: HOUR,
  band: [],
});
const subnet = (addresses: Exhaustion, blocks: Exhaustion = within(undefined)): SubnetState => ({
  id: 'subnet-1',
  vpcId: 'vpc-1',
  zone: 'zone-a',
  name: '',
  cidr: '10.0.0.0/24',
  addresses: { total: 251, free: 20, exhaustion: addresses },
  blocks: { total: 14, free: 2, exhaustion: blocks },
  fragmentation: 0,
  blockUse: '',
  clusters: {},
  nodes: {},
  repairs: [{ node: 'i-1', interfaceIds: ['eni-1'], addresses: 2, blocks: 2 }],
  history: [],
});

/** Reasons that are given as the forecast goes through these. */
function told(through: readonly Exhaustion[], of: 'addresses' | 'blocks' = 'addresses'): readonly string[] {
  let said: Said = new Map();
  return through.flatMap((each) => {
    const news = notices(said, [of === 'addresses' ? subnet(each) : subnet(within(undefined), each)]);
    ({ said } = news);
    return news.notices.map(({ reason }) => reason);
  });
}

describe('notices', () => {
  it('each mark is told once on the way down, and the way back once at its end', () => {
    const through = [
      within(30),
      within(23),
      within(20),
      within(0.9),
      { kind: 'exhausted' } as const,
      within(5),
      within(40),
    ];
    expect(told(through)).toEqual([
      'SubnetRunsDryWithinDay',
      'SubnetRunsDryWithinHour',
      'SubnetExhausted',
      'SubnetRecovered',
    ]);
  });

  it('a forecast that wavers about a mark says nothing more', () => {
    expect(told([within(23), within(25), within(23), within(26)])).toEqual(['SubnetRunsDryWithinDay']);
  });

  it('a missing history neither raises nor ends anything but an exhaustion that is over', () => {
    const unknown: Exhaustion = { kind: 'not-enough-history', missing: 'x' };
    expect(told([unknown, within(5), unknown, within(5)])).toEqual(['SubnetRunsDryWithinDay']);
    expect(told([{ kind: 'exhausted' }, unknown])).toEqual(['SubnetExhausted', 'SubnetRecovered']);
  });

  it('blocks have reasons of their own, and say which repair there is', () => {
    expect(told([{ kind: 'exhausted' }], 'blocks')).toEqual(['NoFreePrefix']);
    const [notice] = notices(new Map(), [subnet(within(undefined), within(3))]).notices;
    expect(notice?.message).toContain('Draining i-1 would give back 2 blocks');
  });

  it('times are said with their interval, and nothing is said beyond the horizon', () => {
    expect(when(within(6))).toBe('6.0 h (90 %: 3.0 h to more than 10.0 d)');
    expect(when(within(undefined))).toBe('more than 10.0 d');
  });
});
