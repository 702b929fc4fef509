/** What the six CNI handlers share. */
import type { CniCall } from '#cni/spec/command.ts';
import type { NetworkConfig } from '#cni/spec/config.ts';
import type { Attachment, NetworkInterface, PodReference, Refusal } from '#warm-pool/model.ts';
import { addressesOf, attachmentKey } from '#warm-pool/ledger.ts';
import { interfaceIndex } from '../../cards/pod-interfaces.ts';
import type { BranchPods } from '../../branch/branch-pods.ts';
import type { StoredAssignment, StoredBranch } from '../../store/records.ts';
import type { Datapath, PodAttachment } from '../../datapath/datapath.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { ClusterView } from '../../kubernetes/cluster-view.ts';
import type { PodNews } from '../../kubernetes/pod-news.ts';
import type { Pool } from '../../pool.ts';
import type { Journal } from '../../store/journal.ts';
import type { Lull } from '../../lull.ts';
import type { AttachmentLocks } from '../attachment-locks.ts';

export interface HandlerContext {
  readonly pool: Pool;
  readonly journal: Journal;
  readonly datapath: Datapath;
  readonly metrics: Metrics;
  readonly locks: AttachmentLocks;
  /** Told of pods that are being plugged, and of what can wait for their answers. */
  readonly lull: Pick<Lull, 'during' | 'soon'>;
  /** Every attachment that holds an address, by attachmentKey. */
  readonly attachments: Map<string, StoredAssignment>;
  /** Pods with ENIs of their own, which are not among `attachments`. */
  readonly branches: BranchPods;
  readonly vethPrefix: string;
  readonly podMtu: number;
  /** What the latest plan could not do. */
  readonly refusals: () => readonly Refusal[];
  readonly now: () => number;
  /** Told what becomes of pods; never waited for. */
  readonly news: PodNews;
  /** Annotations of pods as the API server has them. */
  readonly cluster: Pick<ClusterView, 'podAnnotations'>;
}

export type PodCall = Extract<CniCall, { command: 'ADD' | 'CHECK' | 'DEL' }>;

export function attachmentOf(call: PodCall, conf: NetworkConfig): Attachment {
  return { networkName: conf.name, containerId: call.containerId, ifName: call.ifName };
}

export function podOf(call: PodCall): PodReference {
  return {
    namespace: call.args['K8S_POD_NAMESPACE'] ?? '',
    name: call.args['K8S_POD_NAME'] ?? '',
    uid: call.args['K8S_POD_UID'] ?? '',
  };
}

/**
 * What is stored for an attachment. One that was found in the kernel only, after the journal was damaged, has no
 * network name and answers to any.
 */
export function storedFor(attachment: Attachment, context: HandlerContext): StoredAssignment | undefined {
  return (
    context.attachments.get(attachmentKey(attachment)) ??
    context.attachments.get(attachmentKey({ ...attachment, networkName: '' }))
  );
}

export function interfaceOf(id: string, context: Pick<HandlerContext, 'pool'>): NetworkInterface | undefined {
  return context.pool.ledger.interfaces.get(id)?.networkInterface;
}

/** The pod as the datapath is to make it. */
export function podAttachment(
  stored: StoredAssignment & Partial<Pick<StoredBranch, 'branch'>>,
  conf: NetworkConfig,
  context: HandlerContext,
): PodAttachment {
  const networkInterface = interfaceOf(stored.interfaceId, context);
  return {
    containerId: stored.attachment.containerId,
    ifName: stored.attachment.ifName,
    netns: stored.netns,
    addresses: addressesOf(stored),
    hostIfName: stored.hostIfName,
    deviceIndex: networkInterface?.deviceIndex ?? 0,
    networkCardIndex: networkInterface?.networkCardIndex ?? 0,
    index: stored.parent === undefined ? 0 : interfaceIndex(stored.attachment.ifName),
    mtu: conf.mtu ?? context.podMtu,
    ...(stored.portMappings === undefined ? {} : { portMappings: stored.portMappings }),
    ...(stored.bandwidth === undefined ? {} : { bandwidth: stored.bandwidth }),
    ...(stored.macs === undefined ? {} : { macs: stored.macs }),
    ...(stored.branch === undefined ? {} : { branch: stored.branch }),
  };
}
