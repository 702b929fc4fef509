/** The host's share, compared: sysctls, links of ENIs, addresses, rules, routes. The nft table is compared elsewhere. */
import type { HostInterface, OwnershipMarks } from '../datapath.ts';
import { interfaceAddress, interfaceRoutes, kernelRules, linkLocalAddress, LOOSE } from '../host/desired.ts';
import { familyOf, type IpFamily } from '../ip.ts';
import { interfaceTable } from '../marks.ts';
import { IFA_F_NOPREFIXROUTE } from '../netlink/constants.ts';
import { addAddress, deleteAddress, type LinkAddress } from '../netlink/route/address.ts';
import { changeLink, type Link, type LinkChange } from '../netlink/route/link.ts';
import { replaceRoute, routeText } from '../netlink/route/route.ts';
import { addRule, ruleText, type Rule } from '../netlink/route/rule.ts';
import { byNetlink, compared, type Difference } from './difference.ts';
import type { KernelState } from './kernel-state.ts';

/** What the host should be. */
export interface WantedHost {
  readonly families: readonly IpFamily[];
  readonly eniMtu: number;
  readonly primaryMac: string;
  readonly rules: readonly Rule[];
  /** Families whose rule to table main, which is the kernel's own, was there when the host was set up. */
  readonly mainRules: readonly IpFamily[];
  /** Secondary ENIs, as they were set up. */
  readonly interfaces: readonly HostInterface[];
}

/** All differences but those of sysctls and of the nft table. */
export function hostDifferences(state: KernelState, marks: OwnershipMarks, wanted: WantedHost): readonly Difference[] {
  const primary = state.linkWithMac(wanted.primaryMac);
  return [
    ...(primary === undefined
      ? [missingLink(`ENI with MAC ${wanted.primaryMac}`)]
      : eniLinkDifferences(primary, { mtu: wanted.eniMtu, rpFilter: LOOSE })),
    ...wanted.interfaces.flatMap((one) => interfaceDifferences(state, marks, one, wanted)),
    ...ruleDifferences(state, [...wanted.rules, ...wanted.mainRules.map(kernelRules)]),
  ];
}

/** Rules that are missing. */
export function ruleDifferences(state: KernelState, wanted: readonly Rule[]): readonly Difference[] {
  const found = new Set(state.rules.map(ruleText));
  return wanted
    .filter((rule) => !found.has(ruleText(rule)))
    .map((rule) => ({
      kind: 'rule',
      object: 'rule',
      expected: ruleText(rule),
      found: 'none',
      repair: byNetlink(addRule(rule)),
    }));
}

/** One secondary ENI: link, addresses and table. */
export function interfaceDifferences(
  state: KernelState,
  marks: OwnershipMarks,
  one: HostInterface,
  { families, eniMtu }: Pick<WantedHost, 'families' | 'eniMtu'>,
): readonly Difference[] {
  const link = state.linkWithMac(one.mac);
  if (link === undefined) return [missingLink(`ENI ${one.id} (MAC ${one.mac})`)];
  return [
    ...eniLinkDifferences(link, { mtu: eniMtu, up: true, rpFilter: LOOSE }),
    ...families.flatMap((family) => [
      ...(family === 'ipv6' ? linkLocalDifferences(state, link) : []),
      ...addressDifferences(state, interfaceAddress(marks, one, link.index, family), link),
      ...interfaceRoutes(marks, one, link.index, family).flatMap((route) => {
        const expected = routeText(route);
        const found = state.routes(route.table).some((each) => routeText(each) === expected) ? expected : 'missing';
        const object = `table ${interfaceTable(one)}`;
        return compared('route', object, { expected, found }, byNetlink(replaceRoute(route)));
      }),
    ]),
  ];
}

function missingLink(object: string): Difference {
  return { kind: 'link', object, expected: 'present', found: 'missing', repair: { by: 'nobody' } };
}

function eniLinkDifferences(link: Link, wanted: LinkChange): readonly Difference[] {
  const check = (what: string, expected: unknown, found: unknown, change: LinkChange): readonly Difference[] =>
    compared(
      'link',
      `link ${link.name} ${what}`,
      { expected: String(expected), found: String(found) },
      byNetlink(changeLink(link.index, change, link.name)),
    );
  return [
    ...check('MTU', wanted.mtu, link.mtu, { mtu: wanted.mtu ?? link.mtu }),
    ...check('rp_filter', wanted.rpFilter, link.rpFilter ?? wanted.rpFilter, { rpFilter: LOOSE }),
    ...(wanted.up === true ? check('state', 'up', link.up ? 'up' : 'down', { up: true }) : []),
  ];
}

/** An address that is there without IFA_F_NOPREFIXROUTE is put anew: its connected route would pull the subnet's traffic. */
function addressDifferences(state: KernelState, wanted: LinkAddress | undefined, link: Link): readonly Difference[] {
  if (wanted === undefined) return [];
  const { address, prefixLength } = wanted;
  const there = state.addresses(link.index).find((each) => each.address === address);
  const isRight = there?.prefixLength === prefixLength && (there.flags & IFA_F_NOPREFIXROUTE) !== 0;
  const expected = `${address}/${prefixLength} noprefixroute`;
  const shown = there === undefined ? 'missing' : `${there.address}/${there.prefixLength}`;
  const requests = [...(there === undefined ? [] : [deleteAddress(there)]), addAddress(wanted)];
  const object = `${familyOf(address)} address of ${link.name}`;
  return compared('address', object, { expected, found: isRight ? expected : shown }, byNetlink(...requests));
}

/** The kernel gives it, too, but two seconds after the link came up; until then the router cannot be asked for. */
function linkLocalDifferences(state: KernelState, link: Link): readonly Difference[] {
  const wanted = linkLocalAddress(link);
  const expected = `${wanted.address}/${wanted.prefixLength}`;
  const isThere = state.addresses(link.index).some(({ address }) => address === wanted.address);
  const values = { expected, found: isThere ? expected : 'missing' };
  return compared('address', `link-local address of ${link.name}`, values, byNetlink(addAddress(wanted)));
}

/** Sysctls that differ, each by itself. */
export function sysctlDifferences(state: KernelState, wanted: Readonly<Record<string, string>>): readonly Difference[] {
  const found = state.sysctls(Object.keys(wanted));
  return Object.entries(wanted).flatMap(([name, expected]) =>
    compared(
      'sysctl',
      `sysctl ${name.replaceAll('/', '.')}`,
      { expected, found: found.get(name) ?? expected },
      { by: 'sysctl', values: { [name]: expected } },
    ),
  );
}
