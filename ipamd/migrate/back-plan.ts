/**
 * What it takes to hand a node back to amazon-vpc-cni-k8s: the checkpoints that it reads when it starts, what its pods' links
 * must be called, and which pods it could not keep. Pure.
 */
import { hash } from 'node:crypto';
import { addressesOf } from '#warm-pool/ledger.ts';
import type { HostInterface, KernelBranchPod } from '../datapath/datapath.ts';
import type { ReturningPod } from '../datapath/peer/return.ts';
import { interfaceIndex, runtimeIfName } from '../cards/pod-interfaces.ts';
import { PEER_CHECKPOINT_VERSION } from '../store/peer-checkpoint.ts';
import type { JournalState, StoredAssignment } from '../store/records.ts';

/** The name of the peer's network in its conflist: part of the key of each allocation. */
const PEER_NETWORK = 'aws-cni';

/** A pod that would lose something, and what. */
export interface Obstacle {
  readonly pod: string;
  readonly why: string;
  /** What `--without` must name for the rest to go ahead; undefined: the pod must be deleted first. */
  readonly accept: 'host-ports' | undefined;
}

/** What to do. */
export interface BackPlan {
  readonly pods: readonly ReturningPod[];
  readonly interfaces: readonly HostInterface[];
  /** By network card. */
  readonly checkpoints: ReadonlyMap<number, string>;
  readonly obstacles: readonly Obstacle[];
}

/** See the file's comment. `links` are the names of the host's links: of pods without one nothing is left to hand over. */
export function planBack(
  state: JournalState,
  links: ReadonlySet<string>,
  { vethPrefix, branches }: { readonly vethPrefix: string; readonly branches: readonly KernelBranchPod[] },
): BackPlan {
  const placed = [...state.assignments.values()]
    .map((stored) => ({ ...place(stored, state), stored, peerIfName: peerIfName(stored, vethPrefix) }))
    .filter(({ stored, peerIfName: name }) => links.has(stored.hostIfName) || links.has(name));
  const names = Map.groupBy(placed, ({ peerIfName: name }) => name);
  const obstacles = [
    ...placed.flatMap((one) => obstaclesOf(one.stored, names.get(one.peerIfName)?.length ?? 0)),
    ...branches.map(({ key }) => ({ pod: key, why: 'it has an ENI of its own (branch)', accept: undefined })),
  ];
  const pods = placed.map(({ stored, peerIfName: name, deviceIndex, networkCardIndex }) => ({
    hostIfName: stored.hostIfName,
    peerIfName: name,
    addresses: addressesOf(stored),
    deviceIndex,
    networkCardIndex,
  }));
  const interfaces = [...state.interfaces.values()]
    .filter(({ networkInterface: { isPrimary, phase, managed } }) => !isPrimary && phase === 'ready' && managed)
    .map(({ networkInterface, subnetCidr }) => ({ ...networkInterface, subnetCidr }));
  return { pods, interfaces, checkpoints: checkpointsOf(placed), obstacles };
}

/** `<prefix><11 digits of sha1 of namespace.name[.index]>`, as the peer looks for it. */
export function peerIfName({ pod, attachment }: Pick<StoredAssignment, 'pod' | 'attachment'>, prefix: string): string {
  const index = interfaceIndex(attachment.ifName);
  const key = `${pod.namespace}.${pod.name}${index === 0 ? '' : `.${index}`}`;
  return prefix + hash('sha1', key).slice(0, 11);
}

function place(stored: StoredAssignment, { interfaces }: JournalState) {
  const { deviceIndex = 0, networkCardIndex = 0 } = interfaces.get(stored.interfaceId)?.networkInterface ?? {};
  return { deviceIndex, networkCardIndex };
}

function obstaclesOf(stored: StoredAssignment, sharingName: number): readonly Obstacle[] {
  const { namespace, name } = stored.pod;
  const pod = name === '' ? stored.attachment.containerId.slice(0, 13) : `${namespace}/${name}`;
  const found = (why: string, accept?: Obstacle['accept']): Obstacle => ({ pod, why, accept });
  return [
    ...(name === '' ? [found('its name is not known, and the peer finds pods by their names')] : []),
    ...(sharingName > 1 ? [found('another sandbox of the same pod is still there')] : []),
    ...(stored.ipv6Address === undefined ? [] : [found('it has two addresses; the peer gives a pod one')]),
    ...(stored.portMappings === undefined
      ? []
      : [found('its host ports are published by ipamd, and end', 'host-ports')]),
  ];
}

interface Placed {
  readonly stored: StoredAssignment;
  readonly networkCardIndex: number;
}

function checkpointsOf(placed: readonly Placed[]): ReadonlyMap<number, string> {
  const sizes = Map.groupBy(placed, ({ stored }) => stored.attachment.containerId);
  const byCard = Map.groupBy(placed, ({ networkCardIndex }) => networkCardIndex);
  // Without a checkpoint of card 0 the peer would take every address for free.
  const cards = new Set([0, ...byCard.keys()]);
  return new Map(
    [...cards].map((card) => {
      const allocations = (byCard.get(card) ?? []).map(({ stored }) => ({
        networkName: PEER_NETWORK,
        containerID: stored.attachment.containerId,
        ifName: runtimeIfName(stored),
        [stored.address.includes(':') ? 'ipv6' : 'ipv4']: stored.address,
        allocationTimestamp: stored.assignedAt * 1e6,
        metadata: {
          k8sPodNamespace: stored.pod.namespace,
          k8sPodName: stored.pod.name,
          interfacesCount: sizes.get(stored.attachment.containerId)?.length ?? 1,
        },
      }));
      return [card, `${JSON.stringify({ version: PEER_CHECKPOINT_VERSION, allocations })}\n`];
    }),
  );
}
