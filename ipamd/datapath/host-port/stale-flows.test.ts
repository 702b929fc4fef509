import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { addressBytes, addressText, type IpFamily } from '../ip.ts';
import { attribute, nestedAttribute, u8Attribute } from '../netlink/attributes.ts';
import type { PublishedPort } from './published.ts';
import { decodeFlow, isStale } from './stale-flows.ts';

const addressOf = (family: IpFamily) =>
  fc.uint8Array({ minLength: family === 'ipv4' ? 4 : 16, maxLength: family === 'ipv4' ? 4 : 16 }).map(addressText);
const port = fc.integer({ min: 1, max: 65535 });
const be16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);

/** An entry as the kernel sends it: linux/netfilter/nfnetlink_conntrack.h. */
function entry(family: IpFamily, protocol: number, from: string, to: string, toPort: number, answers: string): Buffer {
  const [source, destination] = family === 'ipv4' ? [1, 2] : [3, 4];
  const tuple = (type: number, a: string, b: string, ports: readonly [number, number]) =>
    nestedAttribute(type, [
      nestedAttribute(1, [attribute(source, addressBytes(a)), attribute(destination, addressBytes(b))]),
      nestedAttribute(2, [u8Attribute(1, protocol), attribute(2, be16(ports[0])), attribute(3, be16(ports[1]))]),
    ]);
  return Buffer.concat([
    Buffer.of(family === 'ipv4' ? 2 : 10, 0, 0, 0),
    tuple(1, from, to, [999, toPort]),
    tuple(2, answers, from, [toPort, 999]),
    attribute(12, Buffer.of(1, 2, 3, 4)),
  ]);
}

const flowOf = fc.constantFrom<IpFamily>('ipv4', 'ipv6').chain((family) =>
  fc.record({
    family: fc.constant(family),
    from: addressOf(family),
    to: addressOf(family),
    toPort: port,
    answers: addressOf(family),
  }),
);

describe('UDP flows', () => {
  it('are read as the kernel sends them, of both families; other protocols and families are passed over', () => {
    fc.assert(
      fc.property(flowOf, ({ family, from, to, toPort, answers }) => {
        expect(decodeFlow(family, entry(family, 17, from, to, toPort, answers))).toMatchObject({
          destination: to,
          destinationPort: toPort,
          answeredBy: answers,
        });
        expect(decodeFlow(family, entry(family, 6, from, to, toPort, answers))).toBeUndefined();
        const other = family === 'ipv4' ? 'ipv6' : 'ipv4';
        expect(decodeFlow(other, entry(family, 17, from, to, toPort, answers))).toBeUndefined();
      }),
    );
  });

  it('are read, or refused cleanly, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        try {
          decodeFlow('ipv4', Buffer.concat([Buffer.of(2, 0, 0, 0), bytes]));
        } catch (error) {
          expect(error).toHaveProperty('name', 'NetlinkDecodeError');
        }
      }),
    );
  });

  it('that a port was published for are stale exactly while somebody else answers; withdrawn, while its pod does', () => {
    const pod = '10.0.0.21';
    const published: PublishedPort = {
      family: 'ipv4',
      hostIp: undefined,
      protocol: 'udp',
      hostPort: 53,
      address: pod,
      containerPort: 5353,
    };
    const local = new Set(['10.0.0.10', '127.0.0.1']);
    const host = fc.constantFrom('10.0.0.10', '127.0.0.1', '8.8.8.8', '10.0.0.21');
    fc.assert(
      fc.property(
        host,
        fc.constantFrom(53, 54),
        fc.constantFrom(pod, '10.0.0.22', '10.0.0.10', '8.8.8.8'),
        (to, toPort, by) => {
          const flow = decodeFlow('ipv4', entry('ipv4', 17, '10.0.9.9', to, toPort, by));
          if (flow === undefined) throw new Error('not read');
          const isOurs = toPort === 53 && local.has(to);
          expect(isStale(flow, published, true, local)).toBe(isOurs && by !== pod);
          expect(isStale(flow, published, false, local)).toBe(isOurs && by === pod);
          const bound = { ...published, hostIp: '10.0.0.10' };
          expect(isStale(flow, bound, true, local)).toBe(toPort === 53 && to === '10.0.0.10' && by !== pod);
        },
      ),
    );
  });
});
