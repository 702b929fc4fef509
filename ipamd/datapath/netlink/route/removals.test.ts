/** Messages that change and remove, held to the bytes of iproute2 6.1 (`strace -e trace=sendmsg -e write=3 ip ...`). */
import { describe, expect, it } from '@jest/globals';
import type { NetlinkRequest } from '../message.ts';
import { deleteAddress } from './address.ts';
import { changeLink, deleteLinkGroup } from './link.ts';
import { deleteNeighbour } from './neighbour.ts';
import { deleteRoute } from './route.ts';
import { deleteRule } from './rule.ts';

const route = { table: 8787, protocol: 87, link: 3 };

/** The type and the body as recorded; flags are NLM_F_REQUEST and NLM_F_ACK in all of them. */
const recorded: readonly (readonly [command: string, request: NetlinkRequest, type: number, body: string])[] = [
  [
    'ip addr del 10.0.9.1/24 dev vA',
    deleteAddress({ index: 3, address: '10.0.9.1', prefixLength: 24, flags: 0x200, scope: 0, protocol: 87 }),
    21,
    '0218000003000000080002000a000901080001000a000901',
  ],
  [
    'ip addr del 2600:1f13::8/128 dev vA',
    deleteAddress({ index: 3, address: '2600:1f13::8', prefixLength: 128, flags: 2, scope: 0, protocol: 0 }),
    21,
    '0a800000030000001400020026001f130000000000000000000000081400010026001f13000000000000000000000008',
  ],
  [
    'ip route del 10.0.1.7/32 dev vA scope link table 8787 proto 87',
    deleteRoute({ ...route, destination: '10.0.1.7', prefixLength: 32, scope: 253 }),
    25,
    '022000000057fd0000000000080001000a00010708000f00532200000800040003000000',
  ],
  [
    'ip -6 route del 2600:1f13::7/128 dev vA table 8787 proto 87',
    deleteRoute({ ...route, destination: '2600:1f13::7', prefixLength: 128, scope: 0 }),
    25,
    '0a80000000570000000000001400010026001f1300000000000000000000000708000f00532200000800040003000000',
  ],
  ['ip neigh del 10.0.1.7 dev vA', deleteNeighbour(3, '10.0.1.7'), 29, '020000000300000080000000080001000a000107'],
  [
    'ip rule del priority 1536 fwmark 0x1/0x7f lookup 2 protocol 87',
    deleteRule({ family: 'ipv4', priority: 1536, table: 2, protocol: 87, mark: { value: 1, mask: 0x7f } }),
    33,
    '020000000200000000000000080006000006000008000a0001000000080010007f0000000500150057000000',
  ],
  [
    'ip link set dev vA mtu 1400',
    changeLink(3, { mtu: 1400 }, 'vA'),
    16,
    '000000000300000000000000000000000800040078050000',
  ],
  [
    'ip link set dev vA group 1465057281',
    changeLink(3, { group: 1465057281 }, 'vA'),
    16,
    '0000000003000000000000000000000008001b0001005357',
  ],
  [
    'ip link set dev vA alias c1/eth0',
    changeLink(3, { alias: 'c1/eth0' }, 'vA'),
    16,
    '000000000300000000000000000000000b00140063312f6574683000',
  ],
  ['ip link set dev vA up', changeLink(3, { up: true }, 'vA'), 16, '00000000030000000100000001000000'],
  ['ip link del group 1465057281', deleteLinkGroup(1465057281), 17, '0000000000000000000000000000000008001b0001005357'],
];

/** The table of a rule, which we send as an attribute too; iproute2 only where it does not fit the header. */
const RULE_TABLE = '08000f0002000000';

/**
 * Bytes in which the two differ and which the kernel does not tell apart in a removal: iproute2 leaves the type of a route and
 * the action of a rule open (rtm_type and action 0 match any), and names a state of the neighbour, which is not read.
 */
const OPEN: Readonly<Record<string, number>> = { route: 7, '-6': 7, rule: 7, neigh: 8 };

describe('bytes as iproute2 sends them', () => {
  it.each(recorded)('%s', (command, request, type, body) => {
    const [sent, expected] = [Buffer.from(request.body), Buffer.from(body, 'hex')];
    const open = OPEN[command.split(' ')[1] ?? ''];
    if (open !== undefined) sent[open] = expected[open] ?? 0;
    expect(request.type).toBe(type);
    expect(sent.toString('hex').replace(RULE_TABLE, '')).toBe(body);
  });
});
