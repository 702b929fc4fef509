/** Messages held to the bytes that iproute2 6.1 sends, recorded with `strace -e trace=sendmsg -e write=3 ip ...`; rules as data. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { BranchInterface, PodAttachment } from '../datapath.ts';
import { DEFAULT_MARKS, dyingGroup, interfaceTable, isOurGroup, podGroup } from '../marks.ts';
import { attribute, plainNestedAttribute, textAttribute, u32Attribute } from '../netlink/attributes.ts';
import { encodeRequest, type NetlinkRequest } from '../netlink/message.ts';
import { decodeLink, linkHeader } from '../netlink/route/link.ts';
import { routeText } from '../netlink/route/route.ts';
import { addRule, decodeRule, ruleText } from '../netlink/route/rule.ts';
import { hostRoutes, linkGroup, podIps, rpFilterOf } from '../pod/desired.ts';
import { branchRoutes, branchRules, isBranchPod, kernelLocalRule, knownBranch, strictRules } from './desired.ts';
import {
  branchModeOf,
  branchTable,
  HIGHEST_VLAN_ID,
  isOurLink,
  sourceMark,
  sourceTable,
  vlanGroup,
} from './numbers.ts';
import { createVlan } from './vlan-link.ts';

const marks = DEFAULT_MARKS;

/** The recorded message without its sequence, which is a clock in iproute2. */
const golden: readonly (readonly [command: string, request: NetlinkRequest, hex: string])[] = [
  [
    'ip link add link lo name vlan.eth.7 address 02:57:00:00:00:77 type vlan id 7',
    createVlan({ name: 'vlan.eth.7', mac: '02:57:00:00:00:77', parent: 1, id: 7 }),
    `5c000000 10000506 00000000 00000000 00000000 00000000 00000000 00000000 0a000100 02570000 00770000 08000500
     01000000 0f000300 766c616e 2e657468 2e370000 18001200 08000100 766c616e 0c000200 06000100 07000000`,
  ],
];

describe('messages', () => {
  it.each(golden)('%s', (_command, request, hex) => {
    // NLM_F_ACK, which iproute2 asks for at every message.
    expect(encodeRequest(request, 0, 4).toString('hex')).toBe(hex.replaceAll(/\s/g, ''));
  });

  it('reads back the number and the link below of a VLAN link, and none of any other kind', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: HIGHEST_VLAN_ID }),
        fc.integer({ min: 1, max: 0x7fff_ffff }),
        (id, parent) => {
          const { body } = createVlan({ name: `vlan.eth.${id}`, mac: '02:00:00:00:00:01', parent, id });
          expect(decodeLink(Buffer.from(body))).toMatchObject({
            kind: 'vlan',
            name: `vlan.eth.${id}`,
            vlan: { id, parent },
          });
        },
      ),
    );
    const info = plainNestedAttribute(18, [
      textAttribute(1, 'veth'),
      attribute(2, Buffer.from([6, 0, 1, 0, 7, 0, 0, 0])),
    ]);
    expect(decodeLink(Buffer.concat([linkHeader(3), u32Attribute(5, 9), info])).vlan).toBeUndefined();
  });

  it('decodes its own rules to the same text', () => {
    const rules = [
      ...(['strict', 'standard'] as const).flatMap((mode) =>
        branchRules(marks, { hostIfName: 'vlan0123456789a', vlanId: 4094, mode, families: ['ipv4', 'ipv6'] }),
      ),
      ...strictRules(marks, 'ipv4'),
      ...strictRules(marks, 'ipv6'),
      kernelLocalRule('ipv6'),
    ];
    expect(rules.map((rule) => ruleText(decodeRule(Buffer.from(addRule(rule).body))))).toEqual(rules.map(ruleText));
  });
});

function pod(mode: BranchInterface['mode'], addresses: readonly string[], vlanId = 7): PodAttachment {
  const branch = { mac: '02:57:00:00:00:77', vlanId, trunkMac: '02:57:00:00:00:03', subnetCidr: '10.0.5.0/24', mode };
  const hostIfName = mode === 'strict' ? 'vlan0123456789a' : 'eni0123456789a';
  return {
    containerId: 'c',
    ifName: 'eth0',
    netns: '/x',
    addresses,
    hostIfName,
    deviceIndex: 0,
    networkCardIndex: 0,
    mtu: 1500,
    branch,
  };
}

describe('what a branch pod has', () => {
  const both = ['10.0.5.20', '2001:db8:5::20'];
  const node = { ipv4: '10.0.0.10', ipv6: '2001:db8:1::1' };
  const said = (one: PodAttachment) => {
    if (!isBranchPod(one)) throw new Error('not a branch pod');
    return {
      rules: branchRules(marks, knownBranch(one)).map(ruleText),
      routes: [
        ...branchRoutes(marks, one, 30).map(routeText),
        ...podIps(one).flatMap((ip) => hostRoutes(marks, one, ip, 40, node).map(routeText)),
      ],
    };
  };

  it('in strict mode: every packet by its ENI, and no address where node and neighbours look', () => {
    expect(said(pod('strict', both))).toEqual({
      rules: [
        '10: from all iif vlan.eth.7 lookup 107 proto 87',
        '10: from all iif vlan0123456789a lookup 107 proto 87',
        '10: from ::/0 iif vlan.eth.7 lookup 107 proto 87',
        '10: from ::/0 iif vlan0123456789a lookup 107 proto 87',
      ],
      routes: [
        '10.0.5.1/32 dev #30 table 107 proto 87',
        'default via 10.0.5.1 dev #30 table 107 proto 87',
        'fe80:ec2::1/128 dev #30 table 107 proto 87',
        'default via fe80:ec2::1 dev #30 table 107 proto 87',
        '10.0.5.20/32 dev #40 table 107 proto 87',
        '10.0.5.20/32 dev #40 table 8788 proto 87',
        '2001:db8:5::20/128 dev #40 table 107 proto 87',
        '2001:db8:5::20/128 dev #40 table 8788 proto 87',
      ],
    });
  });

  it('in standard mode: an ordinary pod whose way out is its ENI', () => {
    expect(said(pod('standard', ['10.0.5.20']))).toEqual({
      rules: ['1536: from all iif eni0123456789a lookup 107 proto 87'],
      routes: [
        '10.0.5.1/32 dev #30 table 107 proto 87',
        'default via 10.0.5.1 dev #30 table 107 proto 87',
        '10.0.5.20/32 dev #40 src 10.0.0.10 table 8787 proto 87',
      ],
    });
    expect([rpFilterOf(pod('standard', both)), rpFilterOf(pod('strict', both))]).toEqual([1, 2]);
  });

  it('an IPv4 address needs the CIDR of its subnet, an IPv6 address does not', () => {
    const without = (address: string) => {
      const one = pod('strict', [address]);
      return isBranchPod(one) ? { ...one, branch: { ...one.branch, subnetCidr: undefined } } : undefined;
    };
    const [four, six] = [without('10.0.5.20'), without('2001:db8:5::20')];
    if (four === undefined || six === undefined) throw new Error('not branch pods');
    expect(() => branchRoutes(marks, four, 30)).toThrow('the subnet of the branch ENI with VLAN 7 is not known');
    expect(branchRoutes(marks, six, 30)).toHaveLength(2);
  });
});

describe('numbers', () => {
  it('are nobody else’s', () => {
    const groups = [
      linkGroup(marks, pod('strict', ['10.0.5.20'])),
      linkGroup(marks, pod('standard', ['10.0.5.20'])),
      vlanGroup(marks),
    ];
    expect(new Set([...groups, dyingGroup(marks)]).size).toBe(4);
    // What comes in by a VLAN link must not be taken for a pod's: it would be dropped.
    expect(groups.map((group) => isOurGroup(marks, group))).toEqual([true, true, false]);
    expect(groups.every((group) => isOurLink(marks, group))).toBe(true);
    expect(groups.map((group) => branchModeOf(marks, group))).toEqual(['strict', 'standard', undefined]);
    fc.assert(
      fc.property(
        fc.nat({ max: 31 }),
        fc.nat({ max: 31 }),
        fc.integer({ min: 1, max: HIGHEST_VLAN_ID }),
        (card, device, vlan) => {
          const place = { deviceIndex: device, networkCardIndex: card };
          expect(groups).not.toContain(podGroup(marks, place));
          // Devices 100 and up on card 0 do not exist: table 101 and up are branch ENIs'.
          expect(interfaceTable(place)).not.toBe(branchTable(vlan));
          expect([marks.podTable, sourceTable(marks)]).not.toContain(branchTable(vlan));
        },
      ),
    );
  });

  it('the mark of judgement is no ENI’s alone', () => {
    expect(sourceMark(marks) & marks.eniMarkMask).toBe(marks.eniMarkMask);
    expect(sourceMark(marks) & marks.connmark).toBe(marks.connmark);
  });
});
