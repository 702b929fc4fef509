/** Messages held to the bytes that iproute2 6.1 sends, recorded with `strace -e trace=sendmsg -e write=3 ip ...`. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { canonicalAddress, familyOf, hostPrefixLength } from '../../ip.ts';
import { encodeRequest, type NetlinkRequest, wordsOf } from '../message.ts';
import { addAddress, decodeAddress } from './address.ts';
import { createVeth, decodeLink, withoutLinkLocalAddress } from './link.ts';
import { decodeNeighbour, replaceNeighbour } from './neighbour.ts';
import { decodeRoute, replaceRoute } from './route.ts';
import { addRule, decodeRule } from './rule.ts';

/** The recorded message without its sequence, which is a clock in iproute2. */
const golden: readonly (readonly [command: string, request: NetlinkRequest, hex: string])[] = [
  [
    'ip rule add priority 1536 fwmark 0x1/0x7f lookup 2 protocol 87',
    addRule({ family: 'ipv4', priority: 1536, table: 2, protocol: 87, mark: { value: 1, mask: 0x7f } }),
    `3c000000 20000506 00000000 00000000 02000000 02000001 00000000 08000600 00060000
     08000a00 01000000 08001000 7f000000 05001500 57000000`,
  ],
  [
    'ip route replace 10.0.1.7/32 dev vA scope link table 8787 proto 87',
    replaceRoute({ destination: '10.0.1.7', prefixLength: 32, table: 8787, protocol: 87, scope: 253, link: 3 }),
    `34000000 18000505 00000000 00000000 02200000 0057fd01 00000000 08000100 0a000107
     08000f00 53220000 08000400 03000000`,
  ],
  [
    'ip addr add 10.0.9.1/24 dev vA noprefixroute',
    addAddress({ index: 3, address: '10.0.9.1', prefixLength: 24, flags: 0x200, scope: 0, protocol: 0 }),
    `30000000 14000506 00000000 00000000 02180000 03000000 08000200 0a000901 08000800 00020000 08000100 0a000901`,
  ],
  [
    'ip neigh replace 10.0.1.7 lladdr 02:aa:bb:cc:dd:ee dev vA nud permanent',
    replaceNeighbour(3, '10.0.1.7', '02:aa:bb:cc:dd:ee'),
    `30000000 1c000505 00000000 00000000 02000000 03000000 80000000 08000100 0a000107 0a000200 02aabbcc ddee0000`,
  ],
  [
    'ip -6 rule add priority 1536 fwmark 0x1/0x7f lookup 2 protocol 87',
    addRule({ family: 'ipv6', priority: 1536, table: 2, protocol: 87, mark: { value: 1, mask: 0x7f } }),
    `3c000000 20000506 00000000 00000000 0a000000 02000001 00000000 08000600 00060000 08000a00 01000000 08001000
     7f000000 05001500 57000000`,
  ],
  [
    'ip -6 rule add priority 32765 from 2600:1f13::7 lookup 2 protocol 87',
    addRule({ family: 'ipv6', priority: 32765, table: 2, protocol: 87, source: '2600:1f13::7' }),
    `40000000 20000506 00000000 00000000 0a008000 02000001 00000000 08000600 fd7f0000 14000200 26001f13 00000000
     00000000 00000007 05001500 57000000`,
  ],
  [
    // iproute2 has a scope for IPv6 routes too; the kernel reads none.
    'ip route replace 2600:1f13::7/128 dev vA table 8787 proto 87',
    replaceRoute({ destination: '2600:1f13::7', prefixLength: 128, table: 8787, protocol: 87, scope: 0, link: 3 }),
    `40000000 18000505 00000000 00000000 0a800000 00570001 00000000 14000100 26001f13 00000000 00000000 00000007
     08000f00 53220000 08000400 03000000`,
  ],
  [
    'ip -6 route replace 2001:db8::/32 via fe80:ec2::1 dev vA table 10201 proto 87',
    replaceRoute({
      destination: '2001:db8::',
      prefixLength: 32,
      table: 10201,
      protocol: 87,
      scope: 0,
      link: 3,
      gateway: 'fe80:ec2::1',
    }),
    `54000000 18000505 00000000 00000000 0a200000 00570001 00000000 14000100 20010db8 00000000 00000000 00000000
     14000500 fe800ec2 00000000 00000000 00000001 08000f00 d9270000 08000400 03000000`,
  ],
  [
    'ip addr add 2600:1f13::8/128 dev vA nodad',
    addAddress({ index: 3, address: '2600:1f13::8', prefixLength: 128, flags: 2, scope: 0, protocol: 0 }),
    `40000000 14000506 00000000 00000000 0a800200 03000000 14000200 26001f13 00000000 00000000 00000008 14000100
     26001f13 00000000 00000000 00000008`,
  ],
  [
    'ip addr add 2600:1f13::9/128 dev vA nodad noprefixroute',
    addAddress({ index: 3, address: '2600:1f13::9', prefixLength: 128, flags: 0x202, scope: 0, protocol: 0 }),
    `48000000 14000506 00000000 00000000 0a800000 03000000 14000200 26001f13 00000000 00000000 00000009 08000800
     02020000 14000100 26001f13 00000000 00000000 00000009`,
  ],
  [
    'ip neigh replace 2600:1f13::7 lladdr 02:aa:bb:cc:dd:ee dev vA nud permanent',
    replaceNeighbour(3, '2600:1f13::7', '02:aa:bb:cc:dd:ee'),
    `3c000000 1c000505 00000000 00000000 0a000000 03000000 80000000 14000100 26001f13 00000000 00000000 00000007
     0a000200 02aabbcc ddee0000`,
  ],
  [
    'ip link set dev vA addrgenmode none',
    withoutLinkLocalAddress(3, 'vA'),
    `30000000 10000500 00000000 00000000 00000000 03000000 00000000 00000000 10001a00 0c000a00 05000800 01000000`,
  ],
];

const words = (bytes: Buffer): string => bytes.toString('hex').replaceAll(/.{8}(?=.)/g, '$& ');
/** iproute2 asks for an acknowledgement of each message; our batches do on the last. */
const encode = (request: NetlinkRequest): Buffer => encodeRequest(request, 0, 4);

describe('bytes as iproute2 sends them', () => {
  it.each(golden)('%s', (_, request, hex) => {
    const bytes = encode(request);
    // Where a table fits eight bits iproute2 gives it in the header only; we always give it in the attribute as well.
    const sent = wordsOf(request).startsWith('rule') ? withoutTableAttribute(bytes) : bytes;
    expect(words(sent)).toBe(hex.replaceAll(/\s+/g, ' '));
  });

  function withoutTableAttribute(bytes: Buffer): Buffer {
    const at = bytes.indexOf(Buffer.from([8, 0, 15, 0]));
    const shorter = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 8)]);
    shorter.writeUInt32LE(shorter.length, 0);
    return shorter;
  }

  it('ip link add name x0 numtxqueues 1 numrxqueues 1 mtu 9001 address ... group ... up type veth peer name y0 ... netns N', () => {
    const request = createVeth({
      here: { name: 'x0', mac: '02:00:00:00:00:01', index: 0 },
      there: { name: 'y0', mac: '02:00:00:00:00:02', index: 0 },
      thereNetnsFd: 4,
      mtu: 9001,
      group: 1464008705,
    });
    expect(words(encode(request))).toBe(
      `ac000000 10000506 00000000 00000000 00000000 00000000 01000000 01000000 08001f00 01000000 08002000 01000000
       08000400 29230000 0a000100 02000000 00010000 08001b00 01004357 07000300 78300000 58001200 08000100 76657468
       4c000200 48000100 00000000 00000000 00000000 00000000 08001f00 01000000 08002000 01000000 08000400 29230000
       0a000100 02000000 00020000 08001c00 04000000 07000300 79300000`.replaceAll(/\s+/g, ' '),
    );
  });
});

describe('decoding', () => {
  it('reads back what was encoded', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const pair = fc.oneof(
      fc.tuple(fc.ipV4(), fc.ipV4()),
      fc.tuple(fc.ipV6(), fc.ipV6()).map(([one, other]) => [canonicalAddress(one), canonicalAddress(other)] as const),
    );
    const u31 = fc.integer({ min: 1, max: 0x7fffffff });
    fc.assert(
      fc.property(pair, u31, u31, octet, ([destination, gateway], table, link, protocol) => {
        const family = familyOf(destination);
        const prefixLength = hostPrefixLength(family);
        const route = {
          destination,
          prefixLength,
          table,
          protocol,
          scope: 0,
          link,
          gateway,
          preferredSource: destination,
          onlink: true,
        };
        expect(decodeRoute(Buffer.from(replaceRoute(route).body))).toEqual(route);
        const rule = {
          family,
          priority: link,
          table,
          protocol,
          source: gateway,
          mark: { value: table, mask: 0xffffffff },
        };
        expect(decodeRule(Buffer.from(addRule(rule).body))).toEqual(rule);
        const own = { index: link, address: destination, prefixLength: 20, flags: 0x200, scope: 0, protocol };
        expect(decodeAddress(Buffer.from(addAddress(own).body))).toEqual(own);
        const neighbour = { index: link, address: gateway, mac: '02:aa:bb:cc:dd:ee', permanent: true };
        expect(decodeNeighbour(Buffer.from(replaceNeighbour(link, gateway, neighbour.mac).body))).toEqual(neighbour);
      }),
    );
  });

  it('of any bytes gives an object or fails with NetlinkDecodeError', () => {
    const decoders = [decodeLink, decodeAddress, decodeRoute, decodeRule, decodeNeighbour];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const decode of decoders) {
          try {
            expect(decode(Buffer.from(bytes))).toEqual(expect.any(Object));
          } catch (error) {
            expect(error).toHaveProperty('name', 'NetlinkDecodeError');
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});
