/** Dumps as a kernel sent them: read right as they are, and cleanly refused or read when they are cut or changed. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { decodeHashElements } from '../nftables/hash-set.ts';
import { decodeRuleChain, decodeTableName } from '../nftables/table.ts';
import { decodeConnection } from './ctnetlink.ts';
import { dump, getOne, submit, type NetlinkSocket } from './exchange.ts';
import recording from './kernel-dumps.data.json' with { type: 'json' };
import { decodeAcknowledgement, decodeMessages, type NetlinkRequest } from './message.ts';
import { decodeAddress } from './route/address.ts';
import { decodeLink } from './route/link.ts';
import { decodeNeighbour } from './route/neighbour.ts';
import { decodeRoute, routeText } from './route/route.ts';
import { decodeRule, ruleText } from './route/rule.ts';

type Kind = keyof typeof recording.dumps;
const NLMSG_DONE = 3;
const SEQUENCE_OFFSET = 8;

const datagrams = (kind: Kind): readonly Buffer[] => recording.dumps[kind].map((text) => Buffer.from(text, 'base64'));
const bodies = (kind: Kind): readonly Buffer[] =>
  datagrams(kind).flatMap((bytes) =>
    decodeMessages(bytes).flatMap(({ type, body }) => (type === NLMSG_DONE ? [] : [body])),
  );

/** Every decoder of kernel answers, by the recording that it reads. */
const DECODERS: readonly (readonly [Kind, (body: Buffer) => unknown])[] = [
  ['links', decodeLink],
  ['addresses', decodeAddress],
  ['routes', decodeRoute],
  ['rules', decodeRule],
  ['neighbours', decodeNeighbour],
  ['tables', decodeTableName],
  ['tableRules', decodeRuleChain],
  ['tableRules', decodeHashElements],
  ['connections', decodeConnection],
];

/** Reads, or fails in the one way that is allowed. */
function cleanly(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    expect((error as Error).name).toMatch(/^Netlink(Decode)?Error$/);
  }
}

const request: NetlinkRequest = { type: 0, flags: 0, body: Buffer.alloc(0), what: 'show' };

/** A socket whose kernel answers with these bytes, whatever is asked. */
function answering(answers: readonly Buffer[]): NetlinkSocket {
  const queue = [...answers];
  return { send: () => undefined, receive: () => queue.shift(), nextSequence: () => 1 };
}

/** Messages of the recording with the sequence that a fresh socket asks with. */
function resequenced(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = 0; at + 16 <= copy.length; at += (copy.readUInt32LE(at) + 3) & ~3)
    copy.writeUInt32LE(1, at + SEQUENCE_OFFSET);
  return copy;
}

describe('a recorded dump', () => {
  it('is read as the commands that made it say', () => {
    expect(bodies('links').map(decodeLink)).toContainEqual(
      expect.objectContaining({
        name: 'p0',
        mtu: 1400,
        group: 1465057281,
        mac: '02:57:00:00:00:aa',
        alias: 'c1/eth0',
        up: true,
        kind: 'veth',
      }),
    );
    expect(bodies('addresses').map(decodeAddress)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ address: '10.0.1.10', prefixLength: 24 }),
        expect.objectContaining({ address: '2001:db8::10', prefixLength: 128 }),
      ]),
    );
    expect(bodies('routes').map(decodeRoute).map(routeText)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^10\.0\.1\.21.* table 8787/),
        expect.stringMatching(/^2001:db8:1::21.* table 8787/),
        expect.stringMatching(/10\.0\.1\.1.* table 2/),
      ]),
    );
    expect(bodies('rules').map(decodeRule).map(ruleText)).toEqual(
      expect.arrayContaining([
        '1536: from all fwmark 0x1/0x7f lookup 2 proto 87',
        '32765: from 10.0.1.10 lookup 2 proto 87',
        '512: from ::/0 lookup 8787 proto 87',
      ]),
    );
    expect(bodies('neighbours').map(decodeNeighbour)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ address: '10.0.1.21', mac: '02:57:00:00:00:bb', permanent: true }),
        expect.objectContaining({ address: '2001:db8:1::21', mac: '02:57:00:00:00:bb', permanent: true }),
      ]),
    );
    expect(bodies('tables').map(decodeTableName)).toEqual(['wellspring']);
    expect(bodies('tableRules').map(decodeRuleChain)).toEqual(['egress', 'egress']);
    expect(bodies('connections').map((body) => [...(decodeConnection(body)?.addresses ?? [])].toSorted())).toEqual(
      expect.arrayContaining([
        ['10.0.1.21', '198.51.100.2'],
        ['2001:db8:1::21', '2001:db8:ffff::2'],
      ]),
    );
  });

  it('of a refusal gives errno and the text of the kernel', () => {
    const [bytes = Buffer.alloc(0)] = datagrams('refusal');
    expect(() => submit(answering([resequenced(bytes)]), [request])).toThrow('show: EINVAL (Invalid prefsrc address)');
    expect(() => getOne(answering([resequenced(bytes)]), request)).toThrow('show: EINVAL (Invalid prefsrc address)');
  });

  it.each(DECODERS)('of %s, cut at any byte, is read or refused cleanly', (kind, decode) => {
    for (const body of bodies(kind))
      for (let end = 0; end <= body.length; end += 1) cleanly(() => decode(body.subarray(0, end)));
    for (const bytes of datagrams(kind))
      for (let end = 0; end <= bytes.length; end += 1) cleanly(() => decodeMessages(bytes.subarray(0, end)));
  });

  it.each(DECODERS)(
    'of %s, with bytes changed, is read or refused cleanly, and no byte beyond it is read',
    (kind, decode) => {
      const originals = bodies(kind);
      const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
      fc.assert(
        fc.property(fc.nat(), fc.array(change, { minLength: 1, maxLength: 6 }), (which, changes) => {
          const original = originals[which % originals.length] ?? Buffer.alloc(0);
          // Around it stand bytes that must make no difference.
          const outcomes = [0x00, 0xff].map((around) => {
            const whole = Buffer.alloc(original.length + 64, around);
            original.copy(whole, 32);
            for (const [at, value] of changes) whole[32 + (at % original.length)] = value;
            try {
              return { read: decode(whole.subarray(32, 32 + original.length)) };
            } catch (error) {
              expect((error as Error).name).toMatch(/^Netlink(Decode)?Error$/);
              return { refused: (error as Error).message };
            }
          });
          expect(outcomes[1]).toEqual(outcomes[0]);
        }),
        { numRuns: 300 },
      );
    },
  );

  it('of any kind, cut or changed on its way, makes a dump that ends: with objects or with an error of ours', () => {
    const kinds = Object.keys(recording.dumps) as readonly Kind[];
    const damage = fc.record({ which: fc.nat(), cut: fc.nat(), at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.array(damage, { maxLength: 3 }), (kind, damages) => {
        const answers = datagrams(kind).map(resequenced);
        for (const { which, cut, at, value } of damages) {
          const index = which % answers.length;
          const bytes = Buffer.from(answers[index] ?? Buffer.alloc(0));
          if (bytes.length > 0) bytes[at % bytes.length] = value;
          answers[index] = cut % 3 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
        }
        const from = performance.now();
        cleanly(() => dump(answering(answers), request));
        cleanly(() => getOne(answering(answers), request));
        cleanly(() => submit(answering(answers), [request]));
        expect(performance.now() - from).toBeLessThan(20_000);
      }),
      { numRuns: 500 },
    );
  });

  it('of any bytes whatever ends too', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }), (random) => {
        const answers = random.map((bytes) => Buffer.from(bytes));
        for (const bytes of answers) for (const [, decode] of DECODERS) cleanly(() => decode(bytes));
        for (const bytes of answers)
          cleanly(() => decodeMessages(bytes).map((message) => decodeAcknowledgement(message)));
        cleanly(() => dump(answering(answers), request));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a dump that was interrupted', () => {
  const flagged = (bytes: Buffer): Buffer => {
    const copy = resequenced(bytes);
    copy.writeUInt16LE(copy.readUInt16LE(6) | 0x10, 6);
    return copy;
  };

  it('is asked for again, with what was recorded of a whole one in the end', () => {
    const whole = datagrams('routes').map(resequenced);
    const torn = datagrams('routes').map(flagged);
    const routes = dump(answering([...torn, ...torn, ...whole]), request).map(({ body }) =>
      routeText(decodeRoute(body)),
    );
    expect(routes).toEqual(bodies('routes').map(decodeRoute).map(routeText));
    expect(() => dump(answering(Array.from({ length: 9 }, () => torn).flat()), request)).toThrow('EINTR');
  });
});
