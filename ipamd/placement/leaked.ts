/**
 * Which interfaces nobody will ever use again: made by a node of this cluster, never attached or left behind when their
 * node was gone. Pure. What is not certainly ours to delete is kept: the account may hold other clusters and nodes.
 */
import { CLUSTER_TAG, CREATED_AT_TAG, INSTANCE_TAG, isOurDescription } from '#cloud/aws/tags.ts';
import type { Filters, NetworkInterfaceDescription } from '#cloud/provider.ts';

/** A younger interface may be between its creation and its attachment. */
export const LEAKED_AGE_MS = 5 * 60_000;

export interface Owner {
  readonly instanceId: string;
  readonly vpcId: string;
  /** CLUSTER_NAME; empty is "not set": then only what this instance made is ours. */
  readonly clusterName: string;
}

/** What to ask DescribeNetworkInterfaces for. The answer is judged all the same: a back end may ignore a filter. */
export function leakedFilters({ instanceId, vpcId, clusterName }: Owner): Filters {
  const ours: Filters =
    clusterName === ''
      ? { [`tag:${INSTANCE_TAG}`]: [instanceId] }
      : { 'tag-key': [INSTANCE_TAG], [`tag:${CLUSTER_TAG}`]: [clusterName] };
  return { ...ours, status: ['available'], 'vpc-id': [vpcId] };
}

/**
 * - `delete`: ours, free and old enough.
 * - `mark`: ours and free, but nobody can say how old; it is given a time of creation and judged by that later.
 * - `keep`: not ours, in use, or young.
 */
export type LeakVerdict = 'delete' | 'mark' | 'keep';

/** `now` is in milliseconds since the Unix epoch. */
export function judgeLeak(
  found: Pick<NetworkInterfaceDescription, 'status' | 'attachment' | 'description' | 'tags' | 'vpcId'>,
  owner: Owner,
  now: number,
): LeakVerdict {
  const { status, attachment, description, tags } = found;
  if (status !== 'available' || attachment !== undefined || found.vpcId !== owner.vpcId) return 'keep';
  if (!isOurDescription(description) || !isOurs(tags, owner)) return 'keep';
  const age = now - parseTime(tags[CREATED_AT_TAG]);
  // A time far ahead says as little as none: it would keep the interface for as long as the clock was wrong.
  if (Number.isNaN(age) || age < -LEAKED_AGE_MS) return 'mark';
  return age < LEAKED_AGE_MS ? 'keep' : 'delete';
}

function isOurs(tags: NetworkInterfaceDescription['tags'], { instanceId, clusterName }: Owner): boolean {
  const maker = tags[INSTANCE_TAG];
  if (maker === undefined) return false;
  return clusterName === '' ? maker === instanceId : tags[CLUSTER_TAG] === clusterName;
}

/** RFC 3339 in full, with its zone: what Date.parse makes of other texts depends on where the node stands. */
function parseTime(text: string | undefined): number {
  return text !== undefined && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
}
