import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { DEFAULT_MARKS } from '../marks.ts';
import { DatapathError, type HostConfig } from '../datapath.ts';
import { addressText } from '../ip.ts';
import { ipv4Number, ipv4Range, parseIpv4Cidr } from '../ipv4.ts';
import { intervalPoints } from './intervals.ts';
import byMainGolden from './nft-by-main-golden.data.json' with { type: 'json' };
import egressGolden from './nft-egress-golden.data.json' with { type: 'json' };
import golden from './nft-golden.data.json' with { type: 'json' };
import virtualServicesGolden from './nft-virtual-services-golden.data.json' with { type: 'json' };
import { desiredTable } from './ruleset.ts';
import { createTable, decodeRuleChain, replaceTable } from './table.ts';
import { withVirtualServices } from './virtual-services.ts';

const config: HostConfig = {
  primaryMac: '02:00:00:00:00:01',
  primaryAddress: '10.0.0.10',
  noSnatCidrs: ['10.0.0.0/16'],
  externalSnat: false,
  randomizeSnat: 'prng',
  nodePortSupport: true,
  eniMtu: 9001,
};

const table = desiredTable({
  marks: DEFAULT_MARKS,
  config,
  primaryLink: 'eth0',
  interfaces: [{ deviceIndex: 1, networkCardIndex: 0, mark: 1 }],
});

const egressTable = desiredTable({
  marks: DEFAULT_MARKS,
  config: {
    ...config,
    externalSnat: true,
    nodePortSupport: false,
    ipv4Egress: true,
    ipv6Egress: true,
    primaryIpv6Address: '2001:db8::10',
  },
  primaryLink: 'eth0',
  interfaces: [],
});

const byMainTable = desiredTable({
  marks: DEFAULT_MARKS,
  config: {
    ...config,
    externalSnat: true,
    nodePortSupport: false,
    externalServiceCidrs: ['203.0.113.7/32', 'fd00:9::1/128', '192.0.2.0/24', '2001:db8:aa::/48'],
  },
  primaryLink: 'eth0',
  interfaces: [],
});

const dual = {
  marks: DEFAULT_MARKS,
  config: { ...config, family: 'dual' },
  primaryLink: 'eth0',
  interfaces: [{ deviceIndex: 1, networkCardIndex: 0, mark: 1 }],
} as const;

const virtualServicesTable = withVirtualServices(desiredTable(dual), dual);

describe('a table as messages', () => {
  it.each([
    ['all settings of IPv4', table, golden],
    ['egress of the other family', egressTable, egressGolden],
    ['destinations by table main', byMainTable, byMainGolden],
    ['both families and virtual services', virtualServicesTable, virtualServicesGolden],
  ])('is byte for byte what nft sends for the same text: %s', (_, wanted, { messages }) => {
    const [, ...recorded] = messages.slice(0, -1);
    const ours = createTable(wanted).map(({ type, flags, body }) => ({
      type,
      flags: flags | 1,
      body: Buffer.from(body).toString('hex'),
    }));
    expect(ours).toEqual(recorded);
  });

  it('replaces within one batch: the table is added, removed and made anew', () => {
    const types = replaceTable(table).map(({ type }) => type & 0xff);
    expect(types.slice(0, 4)).toEqual([16, 0, 2, 0]);
    expect(types.at(-1)).toBe(17);
  });

  it('tells the chain of a rule, or fails cleanly, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          expect(typeof decodeRuleChain(Buffer.from(bytes))).toBe('string');
        } catch (error) {
          expect(error).toHaveProperty('name', 'NetlinkDecodeError');
        }
      }),
    );
  });
});

describe('settings in the table', () => {
  const chains = (changes: Partial<HostConfig>): readonly number[] => {
    const input = { marks: DEFAULT_MARKS, config: { ...config, ...changes }, primaryLink: 'eth0', interfaces: [] };
    return desiredTable(input).chains.map(({ rules }) => rules.length);
  };

  it.each([
    [{}, [2, 1, 2, 1]],
    [{ externalSnat: true }, [2, 1, 1, 0]],
    [{ nodePortSupport: false }, [2, 0, 2, 1]],
    [{ externalSnat: true, nodePortSupport: false }, [2, 0, 1, 0]],
    [{ externalServiceCidrs: ['192.0.2.0/24', '192.0.3.0/24', '198.18.0.0/15'] }, [2, 1, 3, 1]],
    [{ externalServiceCidrs: ['192.0.2.0/24', '2001:db8::/32'] }, [2, 1, 4, 1]],
  ])('%j leads to %j rules', (changes, expected) => {
    expect(chains(changes)).toEqual(expected);
  });
});

describe('intervals', () => {
  const cidr = fc
    .tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 32 }))
    .map(([value, length]) => `${[24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')}/${length}`);

  it('contain an address exactly if one of the blocks does', () => {
    fc.assert(
      fc.property(fc.array(cidr, { maxLength: 8 }), fc.integer({ min: 0, max: 0xffffffff }), (cidrs, probe) => {
        const points = intervalPoints(cidrs).map(({ address, isEnd }) => ({ at: address.readUInt32BE(0), isEnd }));
        const ranges = cidrs.map((text) => ipv4Range(parseIpv4Cidr(text)));
        for (const value of [probe, ...ranges.flatMap(({ first, end }) => [first, end - 1, end % 2 ** 32])]) {
          const before = points.findLast(({ at }) => at <= value);
          const wanted = ranges.some(({ first, end }) => value >= first && value < end);
          expect(before !== undefined && !before.isEnd).toBe(wanted);
        }
        expect(points.map(({ at }) => at)).toEqual(points.map(({ at }) => at).toSorted((a, b) => a - b));
      }),
    );
  });

  it('of IPv6 contain an address exactly if one of the blocks does', () => {
    const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((raw) => Buffer.from(raw));
    const numberOf = (raw: Uint8Array): bigint => BigInt(`0x${Buffer.from(raw).toString('hex')}`);
    const block = fc.tuple(bytes, fc.integer({ min: 0, max: 128 }));
    fc.assert(
      fc.property(fc.array(block, { maxLength: 8 }), bytes, (blocks, probe) => {
        const texts = blocks.map(([raw, length]) => `${addressText(raw)}/${length}`);
        const points = intervalPoints(texts, 'ipv6').map(({ address, isEnd }) => ({ at: numberOf(address), isEnd }));
        const isIn = (value: bigint): boolean =>
          blocks.some(([raw, length]) => (numberOf(raw) ^ value) >> BigInt(128 - length) === 0n);
        const edges = points.flatMap(({ at }) => [at, at === 0n ? 0n : at - 1n]);
        for (const value of [numberOf(probe), ...edges]) {
          const before = points.findLast(({ at }) => at <= value);
          expect(before !== undefined && !before.isEnd).toBe(isIn(value));
        }
      }),
    );
  });

  it.each(['10.0.0.0', '10.0.0.0/33', '10.0.0/8', 'fd00::/8', '10.0.0.0/8/8', '10.0.0.0/-1', ''])(
    'refuse what is no block of IPv4: %j',
    (text) => {
      expect(() => intervalPoints([text])).toThrow(DatapathError);
    },
  );

  it('merge what touches and close what ends before the end', () => {
    const texts = intervalPoints(['10.1.0.0/16', '10.0.0.0/16', '255.0.0.0/8']).map(
      (point) => `${point.address.join('.')} ${point.isEnd}`,
    );
    expect(texts).toEqual(['0.0.0.0 true', '10.0.0.0 false', '10.2.0.0 true', '255.0.0.0 false']);
    expect(ipv4Number('255.0.0.0')).toBe(0xff000000);
  });
});
