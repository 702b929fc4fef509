/**
 * What this node asks of the VPC resource controller: features in its CNINode (vpcresources.k8s.aws/v1alpha1), which the
 * controller makes and owns. Names and values are those of amazon-vpc-cni-k8s.
 */
import { ApiError, fieldsOf } from './api-error.ts';
import type { Config } from '../config/config.ts';
import type { ApiServer } from './api-server.ts';
import type { EniConfigLookup } from './cluster-view.ts';

export interface NodeFeature {
  readonly name: 'SecurityGroupsForPods' | 'CustomNetworking';
  /** Of CustomNetworking, the name of the ENIConfig. */
  readonly value?: string;
}

/** The list with the features in it; the same list where they are there already. What others put there stays. */
export function withFeatures(found: readonly unknown[], wanted: readonly NodeFeature[]): readonly unknown[] {
  const isThere = ({ name, value = '' }: NodeFeature): boolean =>
    found.some((each) => fieldsOf(each)['name'] === name && (fieldsOf(each)['value'] ?? '') === value);
  if (wanted.every(isThere)) return found;
  const names = new Set<unknown>(wanted.map(({ name }) => name));
  return [...found.filter((each) => !names.has(fieldsOf(each)['name'])), ...wanted];
}

/** Something that others have still to make. */
export class NotYet extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NotYet';
  }
}

/** What is asked for by these settings. Throws NotYet while it is not known which ENIConfig the node uses. */
export function featuresOf(
  { podEni, customNetworking }: Pick<Config, 'podEni' | 'customNetworking'>,
  eniConfig: () => EniConfigLookup,
): readonly NodeFeature[] {
  if (!podEni) return [];
  if (!customNetworking) return [{ name: 'SecurityGroupsForPods' }];
  const found = eniConfig();
  if (found.kind !== 'found') throw new NotYet('the ENIConfig of this node is not known yet');
  return [{ name: 'SecurityGroupsForPods' }, { name: 'CustomNetworking', value: found.eniConfig.name }];
}

/**
 * Puts the features into the CNINode of this node. Rejects with ApiError, and with NotYet where the controller has not made it; nothing is
 * written where the features are there.
 */
export async function announceFeatures(
  api: Pick<ApiServer, 'request'>,
  nodeName: string,
  wanted: readonly NodeFeature[],
  signal: AbortSignal,
): Promise<void> {
  const path = `/apis/vpcresources.k8s.aws/v1alpha1/cninodes/${encodeURIComponent(nodeName)}`;
  const answer = await api.request({ method: 'GET', path, signal }).catch((error: unknown) => {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    throw new NotYet(`node ${nodeName} has no CNINode, which the VPC resource controller makes`, { cause: error });
  });
  const found = fieldsOf(answer);
  const { features } = fieldsOf(found['spec']);
  const list = Array.isArray(features) ? (features as readonly unknown[]) : [];
  const next = withFeatures(list, wanted);
  if (next === list) return;
  const { resourceVersion } = fieldsOf(found['metadata']);
  if (typeof resourceVersion !== 'string') throw new ApiError('malformed', 'a CNINode without a resourceVersion');
  // The version makes it fail (409) where somebody else changed it in between; then it is read again.
  const body = { metadata: { resourceVersion }, spec: { features: next } };
  await api.request({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json', signal });
}
