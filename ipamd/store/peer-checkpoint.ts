/**
 * The checkpoint of amazon-vpc-cni-k8s: which of its pods has which address. Pure; read once, on a node that this
 * daemon takes over, and never written. Whatever cannot be understood in full is an error: an address that is left out
 * would be given to a second pod.
 */
import { isIPv4, isIPv6 } from 'node:net';

export const PEER_CHECKPOINT_VERSION = 'vpc-cni-ipam/1';

/** One address in the hands of one pod of the peer. */
export interface PeerAllocation {
  readonly containerId: string;
  readonly ifName: string;
  readonly address: string;
  /** Empty where an old version of the peer did not know. */
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly allocatedAt: number;
  /** The network card whose file it stands in; absent is 0. */
  readonly networkCardIndex?: number;
}

export type PeerCheckpointErrorCode =
  | 'peer-checkpoint-malformed'
  | 'peer-checkpoint-version'
  | 'peer-checkpoint-duplicate'
  /** Addresses of a further network card, without ENABLE_MULTI_NIC. */
  | 'peer-checkpoint-card'
  /** Addresses of a family that pods do not get by the settings. */
  | 'peer-checkpoint-family';

/** Ends a start. The message says what is wrong, and what to do. */
export class PeerCheckpointError extends Error {
  readonly code: PeerCheckpointErrorCode;

  constructor(code: PeerCheckpointErrorCode, path: string, problem: string) {
    super(
      `${path}, the checkpoint of amazon-vpc-cni-k8s, ${problem}. Addresses of pods that run would be given to others, so ` +
        `ipamd does not start: restore the file, or drain this node, remove the file and reboot; ` +
        `AWS_VPC_K8S_CNI_BACKING_STORE names another file.`,
    );
    this.name = 'PeerCheckpointError';
    this.code = code;
  }
}

/** What an upgrade from the days before checkpoints wrote in place of names that it did not know. */
const MIGRATED_IF_NAME = 'unknown';
const USUAL_IF_NAME = 'eth0';

/** Reads the text of a checkpoint; `path` is for the error. Throws PeerCheckpointError. */
export function parsePeerCheckpoint(text: string, path: string): readonly PeerAllocation[] {
  const whole = parseJson(text, path);
  if (!isObject(whole)) throw malformed(path, 'holds no JSON object');
  if (whole['version'] !== PEER_CHECKPOINT_VERSION) {
    const version = JSON.stringify(whole['version']) ?? 'none';
    throw new PeerCheckpointError(
      'peer-checkpoint-version',
      path,
      `is of version ${version}; ${PEER_CHECKPOINT_VERSION} is understood`,
    );
  }
  // Go writes an empty slice that was never made as null.
  const entries = whole['allocations'] ?? [];
  if (!Array.isArray(entries)) throw malformed(path, 'has allocations that are no list');
  const allocations = entries.map((entry: unknown, index) => allocationOf(entry, index, path));
  refuseDuplicates(allocations, ({ address }) => address, path);
  refuseDuplicates(allocations, ({ containerId, ifName }) => `${containerId}/${ifName}`, path);
  return allocations;
}

function allocationOf(entry: unknown, index: number, path: string): PeerAllocation {
  const lacking = (what: string) => malformed(path, `has an allocation (number ${index + 1}) ${what}`);
  if (!isObject(entry)) throw lacking('that is no JSON object');
  const { containerID: containerId, ifName, ipv4 = '', ipv6 = '', metadata = {}, allocationTimestamp = 0 } = entry;
  if (typeof containerId !== 'string' || containerId === '') throw lacking('without containerID');
  if (typeof ifName !== 'string' || ifName === '') throw lacking('without ifName');
  if (typeof ipv4 !== 'string' || typeof ipv6 !== 'string' || (ipv4 === '') === (ipv6 === ''))
    throw lacking('without exactly one of ipv4 and ipv6');
  if (ipv4 !== '' ? !isIPv4(ipv4) : !isIPv6(ipv6) || ipv6.includes('%'))
    throw lacking(`whose address ${JSON.stringify(ipv4 + ipv6)} is none`);
  const pod = metadata ?? {};
  if (!isObject(pod)) throw lacking('whose metadata is no JSON object');
  const { k8sPodNamespace: namespace = '', k8sPodName: name = '' } = pod;
  if (typeof namespace !== 'string' || typeof name !== 'string') throw lacking('whose pod has no name in letters');
  if (typeof allocationTimestamp !== 'number') throw lacking('whose allocationTimestamp is no number');
  return {
    containerId,
    ifName: ifName === MIGRATED_IF_NAME ? USUAL_IF_NAME : ifName,
    address: ipv4 === '' ? ipv6 : ipv4,
    namespace,
    name,
    allocatedAt: Math.round(allocationTimestamp / 1e6),
  };
}

function refuseDuplicates(
  allocations: readonly PeerAllocation[],
  key: (allocation: PeerAllocation) => string,
  path: string,
): void {
  const seen = new Set<string>();
  for (const allocation of allocations) {
    const value = key(allocation);
    if (seen.has(value)) {
      throw new PeerCheckpointError('peer-checkpoint-duplicate', path, `has ${value} twice`);
    }
    seen.add(value);
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed(path, `is no JSON (${(error as Error).message})`);
  }
}

function malformed(path: string, problem: string): PeerCheckpointError {
  return new PeerCheckpointError('peer-checkpoint-malformed', path, problem);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
