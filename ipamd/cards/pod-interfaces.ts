/**
 * The interfaces of a multi-NIC pod: `eth0`, or what the runtime calls it, on card 0, and `mNicIf1`, `mNicIf2`, ... on the
 * others. Each has an assignment of its own; what belongs together is told by the name of the first.
 */
import type { NetworkConfig } from '#cni/spec/config.ts';
import { addressesOf } from '#warm-pool/ledger.ts';
import type { Attachment, PodReference } from '#warm-pool/model.ts';
import type { ClusterView } from '../kubernetes/cluster-view.ts';
import type { StoredAssignment } from '../store/records.ts';

/** As amazon-vpc-cni-k8s has them: a pod with this annotation gets an interface on every network card. */
export const MULTI_NIC_ANNOTATION = 'k8s.amazonaws.com/nicConfig';
export const MULTI_NIC_VALUE = 'multi-nic-attachment';

const FURTHER = /^mNicIf([1-9]\d?)$/;

/** The name within the pod of its interface number `index`, 1 or more. */
export function furtherIfName(index: number): string {
  return `mNicIf${index}`;
}

/** The number of an interface by its name; 0 for the first, which the runtime names. */
export function interfaceIndex(ifName: string): number {
  return Number(FURTHER.exec(ifName)?.[1] ?? 0);
}

/** Whether the pod asks for every card: by what the runtime hands over, or else by what the API server is known to say. */
export function wantsEveryCard(
  { podAnnotations }: Pick<NetworkConfig, 'podAnnotations'>,
  pod: PodReference,
  cluster: Pick<ClusterView, 'podAnnotations'>,
): boolean {
  const annotations = podAnnotations ?? cluster.podAnnotations(pod.namespace, pod.name);
  return annotations?.[MULTI_NIC_ANNOTATION] === MULTI_NIC_VALUE;
}

/** The assignments of the further interfaces of an attachment, by their number. */
export function furtherOf(
  { containerId, ifName }: Pick<Attachment, 'containerId' | 'ifName'>,
  attachments: Iterable<StoredAssignment>,
): readonly StoredAssignment[] {
  const found: StoredAssignment[] = [];
  for (const stored of attachments) {
    if (stored.parent === ifName && stored.attachment.containerId === containerId) found.push(stored);
  }
  return found.toSorted((a, b) => interfaceIndex(a.attachment.ifName) - interfaceIndex(b.attachment.ifName));
}

/** Every pod once with all its addresses, those of its first interface first: what the API server is told of it. */
export function attachedPods(
  attachments: ReadonlyMap<string, StoredAssignment>,
): readonly { readonly pod: PodReference; readonly addresses: readonly string[] }[] {
  const all = [...attachments.values()];
  const further = Map.groupBy(
    all.filter(({ parent }) => parent !== undefined),
    ({ attachment }) => attachment.containerId,
  );
  return all
    .filter(({ parent }) => parent === undefined)
    .map((first) => {
      const more = furtherOf(first.attachment, further.get(first.attachment.containerId) ?? []);
      return { pod: first.pod, addresses: [first, ...more].flatMap(addressesOf) };
    });
}

/** The interface of the attachment that the runtime knows. */
export function runtimeIfName({ attachment, parent }: Pick<StoredAssignment, 'attachment' | 'parent'>): string {
  return parent ?? attachment.ifName;
}
