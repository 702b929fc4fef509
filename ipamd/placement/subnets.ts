/**
 * Which subnets a node may use, judged by their tags. Pure. The rules are those of amazon-vpc-cni-k8s ("Subnet
 * discovery"); where they differ, docs/decisions/0011 says why.
 */
import type { SubnetDescription } from '#cloud/provider.ts';

/** `0` excludes a subnet from pods; any other value offers it for new interfaces. */
export const ROLE_TAG = 'kubernetes.io/role/cni';
/** With the name of a cluster after it; where a subnet carries any, it is for those clusters alone. */
export const SUBNET_CLUSTER_TAG = 'cni.networking.k8s.aws/cluster/';

export interface PlacementRules {
  readonly primarySubnetId: string;
  /** ENABLE_SUBNET_DISCOVERY; without it, tags mean nothing and the primary subnet is the only one. */
  readonly discovery: boolean;
  /** CLUSTER_NAME; empty is "not set": cluster tags are not looked at. */
  readonly clusterName: string;
}

/**
 * - `candidate`: new interfaces may be made in it.
 * - `passive`: nothing is made in it; an interface that is there is used like any other.
 * - `excluded`: interfaces that are there host no new pod and are given up as they empty.
 */
export type SubnetStanding = 'candidate' | 'passive' | 'excluded';

/** How a subnet of the node's VPC and availability zone stands. */
export function standingOf(subnet: Pick<SubnetDescription, 'id' | 'tags'>, rules: PlacementRules): SubnetStanding {
  const isPrimary = subnet.id === rules.primarySubnetId;
  if (!rules.discovery) return isPrimary ? 'candidate' : 'passive';
  const role = subnet.tags[ROLE_TAG];
  if (role === '0') return 'excluded';
  if (role === undefined) return isPrimary ? 'candidate' : 'passive';
  return isForCluster(subnet.tags, rules.clusterName) ? 'candidate' : 'excluded';
}

function isForCluster(tags: SubnetDescription['tags'], clusterName: string): boolean {
  const clusters = Object.keys(tags).filter((key) => key.startsWith(SUBNET_CLUSTER_TAG));
  return clusterName === '' || clusters.length === 0 || clusters.includes(`${SUBNET_CLUSTER_TAG}${clusterName}`);
}
