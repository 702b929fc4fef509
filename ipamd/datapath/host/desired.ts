/** What the host side consists of, as values: rules and the routes of one ENI's table. Pure. */
import type { HostInterface, OwnershipMarks } from '../datapath.ts';
import { subnetGateway } from '../ipv4.ts';
import { interfaceTable, placeOfTable, RULE_PRIORITY, type InterfacePlace } from '../marks.ts';
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN } from '../netlink/constants.ts';
import type { Route } from '../netlink/route/route.ts';
import { ruleText, type Rule } from '../netlink/route/rule.ts';

/** A secondary ENI as the rules show it: its place, its mark and its own address. */
export interface KnownInterface extends InterfacePlace {
  readonly mark: number;
  readonly primaryAddress: string | undefined;
}

/** The rules that are there however many pods and ENIs there are. */
export function commonRules(marks: OwnershipMarks): readonly Rule[] {
  const { protocol, podTable, connmark } = marks;
  return [
    { priority: RULE_PRIORITY.toPod, table: podTable, protocol },
    {
      priority: RULE_PRIORITY.connectionMark,
      table: RT_TABLE_MAIN,
      protocol,
      mark: { value: connmark, mask: connmark },
    },
  ];
}

/** The two rules of a secondary ENI: for its pods by mark, for the host by its address. */
export function interfaceRules(marks: OwnershipMarks, one: KnownInterface): readonly Rule[] {
  const common = { table: interfaceTable(one), protocol: marks.protocol };
  const byMark: Rule = {
    ...common,
    priority: RULE_PRIORITY.fromPod,
    mark: { value: one.mark, mask: marks.eniMarkMask },
  };
  if (one.primaryAddress === undefined) return [byMark];
  return [byMark, { ...common, priority: RULE_PRIORITY.fromInterface, source: one.primaryAddress }];
}

/** The routes of a secondary ENI's table: the VPC router, which no address on the link need cover, and all by way of it. */
export function interfaceRoutes(marks: OwnershipMarks, one: HostInterface, link: number): readonly Route[] {
  const gateway = subnetGateway(one.subnetCidr);
  const common = { table: interfaceTable(one), protocol: marks.protocol, link };
  return [
    { ...common, destination: gateway, prefixLength: 32, scope: RT_SCOPE_LINK },
    { ...common, destination: '0.0.0.0', prefixLength: 0, scope: RT_SCOPE_UNIVERSE, gateway, onlink: true },
  ];
}

/** The ENIs that rules of an earlier life of the daemon speak of. */
export function interfacesOfRules(marks: OwnershipMarks, rules: readonly Rule[]): readonly KnownInterface[] {
  return rules
    .filter((rule) => rule.priority === RULE_PRIORITY.fromPod && rule.mark?.mask === marks.eniMarkMask)
    .map((rule) => ({
      ...placeOfTable(rule.table),
      mark: rule.mark?.value ?? 0,
      primaryAddress: rules.find(
        ({ priority, table }) => priority === RULE_PRIORITY.fromInterface && table === rule.table,
      )?.source,
    }));
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
