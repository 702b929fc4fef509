import type { Tags } from '../provider.ts';

/**
 * The tags and descriptions of interfaces, as amazon-vpc-cni-k8s writes and reads them: a node that moves from one to
 * the other, and the clean-up of leaked interfaces of either, must recognise what the other made.
 */
export const INSTANCE_TAG = 'node.k8s.amazonaws.com/instance_id';
export const CREATED_AT_TAG = 'node.k8s.amazonaws.com/createdAt';
export const NO_MANAGE_TAG = 'node.k8s.amazonaws.com/no_manage';
export const CLUSTER_TAG = 'cluster.k8s.amazonaws.com/name';
export const OWNER_TAG = 'eks:eni:owner';
const OWNER = 'amazon-vpc-cni';
const DESCRIPTION_PREFIX = 'aws-K8S-';
/** Keys that contain this are ours to write, so ADDITIONAL_ENI_TAGS may not set them. */
const RESERVED = 'k8s.amazonaws.com';

export interface TagSettings {
  readonly instanceId: string;
  /** CLUSTER_NAME; `undefined` or empty is "not set". */
  readonly clusterName?: string | undefined;
  /** Parsed ADDITIONAL_ENI_TAGS, see `parseAdditionalTags`. */
  readonly additional?: Tags | undefined;
}

export function interfaceDescription(instanceId: string): string {
  return `${DESCRIPTION_PREFIX}${instanceId}`;
}

/** Whether a description is one that this CNI, or the peer, gives to its interfaces. */
export function isOurDescription(description: string): boolean {
  return description.startsWith(DESCRIPTION_PREFIX);
}

/** The tags that every interface of this node carries, also one that it found attached. */
export function nodeTags({ instanceId, clusterName, additional }: TagSettings): Tags {
  const cluster = clusterName ? { [CLUSTER_TAG]: clusterName, [OWNER_TAG]: OWNER } : {};
  return { ...additional, [INSTANCE_TAG]: instanceId, ...cluster };
}

/**
 * The tags of a new interface: those of the node and the time of creation (`now`, milliseconds since the Unix epoch),
 * in whole seconds of RFC 3339 as the peer writes it.
 */
export function networkInterfaceTags({ now, ...settings }: TagSettings & { readonly now: number }): Tags {
  return { ...nodeTags(settings), [CREATED_AT_TAG]: new Date(now).toISOString().replace(/\.\d{3}Z$/, 'Z') };
}

/** The tags of `wanted` that an interface lacks, or holds with another value. */
export function missingTags(wanted: Tags, actual: Tags): Tags {
  return Object.fromEntries(Object.entries(wanted).filter(([key, value]) => actual[key] !== value));
}

/**
 * ADDITIONAL_ENI_TAGS: a JSON object of strings. Keys with `k8s.amazonaws.com` in them are left out and named, as the
 * peer does. Anything that is not such an object is an error text; the daemon makes a configuration error of it.
 */
export function parseAdditionalTags(
  text: string,
): { readonly tags: Tags; readonly ignored: readonly string[] } | { readonly error: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return { error: `not JSON: ${cause instanceof Error ? cause.message : String(cause)}` };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { error: 'not a JSON object of tags' };
  const entries = Object.entries(value);
  const wrong = entries.find(([, tag]) => typeof tag !== 'string');
  if (wrong !== undefined) return { error: `the value of ${JSON.stringify(wrong[0])} is not a string` };
  const kept = entries.filter((entry): entry is [string, string] => !entry[0].includes(RESERVED));
  return {
    tags: Object.fromEntries(kept),
    ignored: entries.map(([key]) => key).filter((key) => key.includes(RESERVED)),
  };
}

/**
 * Whether the pool may use an interface that is not the primary one. `no_manage` decides where it is set (unmanaged if and
 * only if it is "true"); else our instance tag; else MANAGE_UNTAGGED_ENI.
 */
export function isManaged(tags: Tags, instanceId: string, manageUntagged: boolean): boolean {
  const noManage = tags[NO_MANAGE_TAG];
  if (noManage !== undefined) return noManage !== 'true';
  return tags[INSTANCE_TAG] === instanceId || manageUntagged;
}
