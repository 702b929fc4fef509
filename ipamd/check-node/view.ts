/** Questions that several checks ask of the facts. Pure. */
import { completeMarks, DEFAULT_MARKS, isOurGroup } from '../datapath/marks.ts';
import type { OwnershipMarks } from '../datapath/datapath.ts';
import { dyingGroup } from '../datapath/marks.ts';
import { type JournalPod, type DatapathFacts, valueOr } from './facts.ts';
import type { LinkFact } from './kernel-facts.ts';
import { asRuleset, fieldsOf, type NftRuleset } from './nft-ruleset.ts';
import type { KnownEni } from './trace/steps.ts';

/** A page of introspection as an object; empty where the daemon did not answer. */
export function page(facts: DatapathFacts, path: string): Readonly<Record<string, unknown>> {
  return fieldsOf(facts.daemon.pages[path]);
}

/** The daemon's numbers where it says them, the defaults otherwise. */
export function marksOf(facts: DatapathFacts): OwnershipMarks {
  const settings = page(facts, '/v1/ipamd-env-settings');
  const connmark = Number(settings['AWS_VPC_K8S_CNI_CONNMARK'] ?? DEFAULT_MARKS.connmark);
  const eniMarkMask = Number(settings['WELLSPRING_ENI_MARK_MASK'] ?? DEFAULT_MARKS.eniMarkMask);
  return completeMarks({ connmark, eniMarkMask });
}

/** undefined where the kernel could not be asked, or a bundle holds what cannot be read. */
export function rulesetOf({ nft }: DatapathFacts): NftRuleset | undefined {
  if (!('value' in nft)) return undefined;
  try {
    return asRuleset(nft.value);
  } catch {
    return undefined;
  }
}

/** Host ends of pods' links. */
export function podLinks(facts: DatapathFacts): readonly LinkFact[] {
  const marks = marksOf(facts);
  const links = 'value' in facts.kernel ? facts.kernel.value.links : [];
  return links.filter(({ group }) => isOurGroup(marks, group) && group !== dyingGroup(marks));
}

/** Whether the daemon has set this node up: then the kernel must be as it wants it. */
export function isInUse(facts: DatapathFacts): boolean {
  return facts.daemon.introspectReach.ok || podLinks(facts).length > 0;
}

export function servesIpv6(facts: DatapathFacts): boolean {
  const family = page(facts, '/v1/status')['family'];
  if (typeof family === 'string') return family !== 'ipv4';
  const rules = 'value' in facts.kernel ? facts.kernel.value.rules : [];
  return rules.some((rule) => rule.family === 'ipv6' && rule.protocol === marksOf(facts).protocol);
}

/** As the daemon knows them, otherwise as its journal does. */
export function podsOf(facts: DatapathFacts): readonly JournalPod[] {
  const rows = facts.daemon.pages['/v1/pods'];
  if (!Array.isArray(rows)) return valueOr(facts.daemon.journal, undefined)?.pods ?? [];
  // Pods with ENIs of their own have other routes, and links that these rules do not know.
  const ordinary = rows.map(fieldsOf).filter((row) => (row['vlanId'] ?? null) === null);
  return ordinary.map((row) => ({
    namespace: String(row['namespace']),
    name: String(row['name']),
    containerId: String(row['containerId']),
    ifName: String(row['ifName']),
    addresses: [row['address'], row['ipv6Address']].filter((one) => typeof one === 'string' && one !== '') as string[],
    hostIfName: String(row['hostIfName']),
    netns: String(row['netns']),
  }));
}

/** As the daemon knows them, otherwise as its journal does. */
export function enisOf(facts: DatapathFacts): readonly KnownEni[] {
  const cards = Object.values(page(facts, '/v1/enis'));
  if (cards.length === 0) return valueOr(facts.daemon.journal, undefined)?.enis ?? [];
  return cards.flatMap((card) =>
    Object.values(fieldsOf(fieldsOf(card)['ENIs']))
      .map(fieldsOf)
      .map((row) => ({
        id: String(row['id']),
        deviceIndex: Number(row['deviceIndex']),
        networkCardIndex: Number(row['networkCardIndex']),
        mac: String(row['mac']),
      })),
  );
}
