/** What the host side consists of, as values: rules and the routes of one ENI's table. Pure. */
import type { HostInterface, OwnershipMarks } from '../datapath.ts';
import { addressText, anyAddress, canonicalAddress, hostPrefixLength, IP_FAMILIES, type IpFamily } from '../ip.ts';
import { parseIpv4Cidr, subnetGateway } from '../ipv4.ts';
import { interfaceTable, IPV6_SUBNET_GATEWAY, placeOfTable, RULE_PRIORITY, type InterfacePlace } from '../marks.ts';
import {
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
} from '../netlink/constants.ts';
import type { LinkAddress } from '../netlink/route/address.ts';
import { macBytes, type Link } from '../netlink/route/link.ts';
import type { Route } from '../netlink/route/route.ts';
import { ruleText, type Rule } from '../netlink/route/rule.ts';

/** Reverse-path filter of ENIs: loose, because a reply may leave by another ENI than the request came in by. */
export const LOOSE = 2;

/** linux/rtnetlink.h. */
const RTPROT_KERNEL = 2;

/** The rule that every namespace is born with, by which whatever no other rule takes goes to table main. */
export function kernelRules(family: IpFamily): Rule {
  return { family, priority: 32766, table: RT_TABLE_MAIN, protocol: RTPROT_KERNEL };
}

/** A secondary ENI as the rules show it: its place, its mark and its own addresses. */
export interface KnownInterface extends InterfacePlace {
  readonly mark: number;
  readonly primaryAddress: string | undefined;
  readonly ipv6Address: string | undefined;
}

/** The rules of one family that are there however many pods and ENIs there are. */
export function commonRules(marks: OwnershipMarks, family: IpFamily): readonly Rule[] {
  const { protocol, podTable, connmark } = marks;
  return [
    { family, priority: RULE_PRIORITY.toPod, table: podTable, protocol },
    {
      family,
      priority: RULE_PRIORITY.connectionMark,
      table: RT_TABLE_MAIN,
      protocol,
      mark: { value: connmark, mask: connmark },
    },
  ];
}

/** A secondary ENI's rules of one family: for its pods by mark, for the host by the ENI's address. */
export function interfaceRules(marks: OwnershipMarks, one: KnownInterface, family: IpFamily): readonly Rule[] {
  const common = { family, table: interfaceTable(one), protocol: marks.protocol };
  const byMark: Rule = {
    ...common,
    priority: RULE_PRIORITY.fromPod,
    mark: { value: one.mark, mask: marks.eniMarkMask },
  };
  const source = family === 'ipv4' ? one.primaryAddress : one.ipv6Address;
  return source === undefined ? [byMark] : [byMark, { ...common, priority: RULE_PRIORITY.fromInterface, source }];
}

/**
 * The routes of one family in a secondary ENI's table: the VPC router, which no address on the link need cover, and all by
 * way of it.
 */
export function interfaceRoutes(
  marks: OwnershipMarks,
  one: HostInterface,
  link: number,
  family: IpFamily,
): readonly Route[] {
  const gateway = family === 'ipv4' ? subnetGateway(one.subnetCidr) : IPV6_SUBNET_GATEWAY;
  const common = { table: interfaceTable(one), protocol: marks.protocol, link };
  const prefixLength = hostPrefixLength(family);
  return [
    { ...common, destination: gateway, prefixLength, scope: RT_SCOPE_LINK },
    // A link-local gateway is on its link by definition.
    {
      ...common,
      destination: anyAddress(family),
      prefixLength: 0,
      scope: RT_SCOPE_UNIVERSE,
      gateway,
      onlink: family === 'ipv4',
    },
  ];
}

/** The ENI's own address of a family, if it has one; IPv6 with no search for duplicates, which the VPC does not have. */
export function interfaceAddress(
  { protocol }: OwnershipMarks,
  one: HostInterface,
  link: number,
  family: IpFamily,
): LinkAddress | undefined {
  const common = { index: link, scope: 0, protocol };
  if (family === 'ipv4') {
    const { prefixLength } = parseIpv4Cidr(one.subnetCidr);
    return { ...common, address: one.primaryAddress, prefixLength, flags: IFA_F_NOPREFIXROUTE };
  }
  if (one.ipv6Address === undefined) return undefined;
  const address = canonicalAddress(one.ipv6Address);
  return { ...common, address, prefixLength: 128, flags: IFA_F_NOPREFIXROUTE | IFA_F_NODAD };
}

/**
 * The link-local address that the kernel gives an ENI too (RFC 4291, appendix A), but up to two seconds after it came up:
 * after its carrier was noticed and duplicates were looked for. Until then nobody could be asked for the router. Not marked
 * as ours: it stays.
 */
export function linkLocalAddress({ index, mac }: Pick<Link, 'index' | 'mac'>): LinkAddress {
  const bytes = macBytes(mac);
  bytes[0] = (bytes[0] ?? 0) ^ 2;
  const prefix = Buffer.from([0xfe, 0x80, 0, 0, 0, 0, 0, 0]);
  const address = addressText(
    Buffer.concat([prefix, bytes.subarray(0, 3), Buffer.from([0xff, 0xfe]), bytes.subarray(3)]),
  );
  return { index, address, prefixLength: 64, flags: IFA_F_NODAD, scope: RT_SCOPE_LINK, protocol: 0 };
}

/** The ENIs that rules of an earlier life of the daemon speak of. */
export function interfacesOfRules(marks: OwnershipMarks, rules: readonly Rule[]): readonly KnownInterface[] {
  const sourceOf = (table: number, family: IpFamily): string | undefined =>
    rules.find(
      (rule) => rule.family === family && rule.priority === RULE_PRIORITY.fromInterface && rule.table === table,
    )?.source;
  return rules
    .filter(
      ({ family, priority, mark }) =>
        family === 'ipv4' && priority === RULE_PRIORITY.fromPod && mark?.mask === marks.eniMarkMask,
    )
    .map(({ table, mark }) => ({
      ...placeOfTable(table),
      mark: mark?.value ?? 0,
      primaryAddress: sourceOf(table, 'ipv4'),
      ipv6Address: sourceOf(table, 'ipv6'),
    }));
}

/** The families whose rules and tables the host has. IPv4 is always there: it is how the node itself lives. */
export function hostFamilies(withIpv6: boolean): readonly IpFamily[] {
  return withIpv6 ? IP_FAMILIES : ['ipv4'];
}

/** What is missing and what is too much. */
export function diffRules(
  wanted: readonly Rule[],
  found: readonly Rule[],
): { readonly missing: readonly Rule[]; readonly surplus: readonly Rule[] } {
  const wantedTexts = new Set(wanted.map(ruleText));
  const foundTexts = new Set(found.map(ruleText));
  return {
    missing: wanted.filter((rule) => !foundTexts.has(ruleText(rule))),
    surplus: found.filter((rule) => !wantedTexts.has(ruleText(rule))),
  };
}
