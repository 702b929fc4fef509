/** Which ENIConfig a node uses, and whether it can be used. Names and precedence are the peer's. */
import type { EniConfig, EniConfigLookup } from './cluster-view.ts';
import type { EniConfigFacts, NodeFacts } from './objects.ts';

/** Set by who runs the node, above all else. */
const EXTERNAL_LABEL = 'vpc.amazonaws.com/externalEniConfig';

export interface EniConfigKeys {
  /** ENI_CONFIG_ANNOTATION_DEF. */
  readonly annotation: string;
  /** ENI_CONFIG_LABEL_DEF. */
  readonly label: string;
}

/** The external label, then the annotation, then the label, then `default`; an empty value counts as absent. */
export function eniConfigName(
  { labels, annotations }: Pick<NodeFacts, 'labels' | 'annotations'>,
  keys: EniConfigKeys,
): string {
  return labels[EXTERNAL_LABEL] || annotations[keys.annotation] || labels[keys.label] || 'default';
}

/** `known`: every ENIConfig, undefined before the first list; `node`: undefined before the node is known. */
export function lookUpEniConfig(
  node: NodeFacts | undefined,
  known: ReadonlyMap<string, EniConfigFacts> | undefined,
  keys: EniConfigKeys,
): EniConfigLookup {
  if (node === undefined || known === undefined) return { kind: 'unknown' };
  const name = eniConfigName(node, keys);
  const facts = known.get(name);
  if (facts === undefined) {
    const why = `node ${node.name} uses the ENIConfig ${name}, which does not exist: create it, or name another on the node (${keys.annotation}).`;
    return { kind: 'missing', name, why };
  }
  return usableEniConfig(facts);
}

function usableEniConfig({ name, subnetId, securityGroupIds }: EniConfigFacts): EniConfigLookup {
  if (!/^subnet-[0-9a-z]+$/.test(subnetId)) {
    const why = `the ENIConfig ${name} names ${JSON.stringify(subnetId)} as its subnet, which is no subnet id: set spec.subnet to one.`;
    return { kind: 'missing', name, why };
  }
  const wrong = securityGroupIds.find((id) => !/^sg-[0-9a-z]+$/.test(id));
  if (wrong !== undefined) {
    const why = `the ENIConfig ${name} names ${JSON.stringify(wrong)} as a security group, which is no group id: mend spec.securityGroups.`;
    return { kind: 'missing', name, why };
  }
  const eniConfig: EniConfig = { name, subnetId, securityGroupIds };
  return { kind: 'found', eniConfig };
}
