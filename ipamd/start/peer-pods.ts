/**
 * Pods that amazon-vpc-cni-k8s plumbed before this daemon came: taken into the ledger so that nobody else gets their
 * addresses. Their links, routes and rules stay as the peer made them until they are moved (ipamd/migrate).
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { CoolDown } from '#warm-pool/model.ts';
import { parsePeerCheckpoint, type PeerAllocation, PeerCheckpointError } from '../store/peer-checkpoint.ts';
import type { Clock } from '#cloud/decorate/clock.ts';
import { attachmentKey } from '#warm-pool/ledger.ts';
import { canonicalIpv6 } from '#warm-pool/ipv6.ts';
import { furtherIfName } from '../cards/pod-interfaces.ts';
import { familyOf } from './family.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../observe/log.ts';
import type { JournalState, StoredAssignment } from '../store/records.ts';

/** What the CNI that ran here before left behind. */
export interface PeerNode {
  /** Rejects with PeerCheckpointError. */
  readonly allocations: () => Promise<readonly PeerAllocation[]>;
  /** Names of the host's links. */
  readonly links: () => Promise<ReadonlySet<string>>;
}

/** `path` is AWS_VPC_K8S_CNI_BACKING_STORE. */
export function peerNode(path: string): PeerNode {
  return { allocations: () => readPeerCheckpoint(path), links: linkNames };
}

interface BeforeRecovery {
  readonly state: JournalState;
  readonly peer?: PeerNode;
  readonly config: Pick<Config, 'coolDownSeconds' | 'backingStore' | 'multiNic' | 'enableIpv4' | 'enableIpv6'>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The journal's state, with the pods of the peer in it where no start of ours was ever completed on this node, and the
 * links by which such pods are known. A start that was interrupted finds them again; later ones have them in the journal.
 */
export async function withPeerPods({
  state,
  peer,
  config,
  clock,
  log,
}: BeforeRecovery): Promise<{ readonly state: JournalState; readonly links: ReadonlySet<string> }> {
  const first = state.bootId === undefined;
  const taken = [...state.assignments.values()].some(({ plumbedBy }) => plumbedBy !== undefined);
  if (peer === undefined || !(first || taken)) return { state, links: new Set() };
  const links = await peer.links();
  const allocations = first ? await peer.allocations() : [];
  if (allocations.length === 0) return { state, links };
  refuseUnmet(allocations, config);
  const adopted = adoptPeerPods(allocations, links, {
    now: clock.wallTime(),
    coolDownMs: config.coolDownSeconds * 1000,
  });
  log.info(
    { checkpoint: config.backingStore, pods: adopted.assignments.length, gone: adopted.coolDowns.length },
    'pods of amazon-vpc-cni-k8s keep their addresses',
  );
  const told = adopted.assignments.map((stored): [string, StoredAssignment] => [
    attachmentKey(stored.attachment),
    stored,
  ]);
  const coolDowns = adopted.coolDowns.map((coolDown): [string, CoolDown] => [coolDown.address, coolDown]);
  return {
    links,
    state: {
      ...state,
      assignments: new Map([...told, ...state.assignments]),
      coolDowns: new Map([...coolDowns, ...state.coolDowns]),
    },
  };
}

/** What the settings do not provide for: such pods would never be found in the pool. */
function refuseUnmet(allocations: readonly PeerAllocation[], config: BeforeRecovery['config']): void {
  const { backingStore: path, multiNic } = config;
  const family = familyOf(config);
  const isWrong = ({ address }: PeerAllocation): boolean => address.includes(':') !== (family === 'ipv6');
  const wrong = allocations.filter(isWrong);
  if (wrong.length > 0) {
    const problem = `has ${wrong.length} ${family === 'ipv6' ? 'IPv4' : 'IPv6'} addresses, but by ENABLE_IPv4 and ENABLE_IPv6 pods get others (set them as the peer had them)`;
    throw new PeerCheckpointError('peer-checkpoint-family', path, problem);
  }
  const further = allocations.filter(({ networkCardIndex = 0 }) => networkCardIndex > 0);
  if (further.length === 0 || multiNic) return;
  const problem = `has, in ipam-nic-*.json beside it, ${further.length} addresses of a further network card, and ENABLE_MULTI_NIC is not true`;
  throw new PeerCheckpointError('peer-checkpoint-card', path, problem);
}

export interface AdoptedPods {
  readonly assignments: readonly StoredAssignment[];
  /** Addresses whose pod is gone, for the peer did not hear of its deletion. */
  readonly coolDowns: readonly CoolDown[];
}

/**
 * What a node that has no journal learns of its pods. Pure. The peer names the host's end of a pod's link by namespace
 * and name (sha1, 11 digits, behind AWS_VPC_K8S_CNI_VETHPREFIX): without that link the pod is gone. An entry without a
 * name cannot be told from one that runs, and is kept.
 */
export function adoptPeerPods(
  allocations: readonly PeerAllocation[],
  links: ReadonlySet<string>,
  { now, coolDownMs }: { readonly now: number; readonly coolDownMs: number },
): AdoptedPods {
  const assignments: StoredAssignment[] = [];
  const coolDowns: CoolDown[] = [];
  for (const allocation of allocations) {
    const { containerId, namespace, name, allocatedAt } = allocation;
    const index = interfaceNumber(allocation, allocations);
    const ifName = index === 0 ? allocation.ifName : furtherIfName(index);
    const address = canonicalIpv6(allocation.address);
    const named = namespace !== '' || name !== '';
    const hostIfName = named ? peerLinkOf(`${namespace}.${name}${index === 0 ? '' : `.${index}`}`, links) : '';
    if (hostIfName === undefined) {
      coolDowns.push({ address, until: now + coolDownMs });
      continue;
    }
    assignments.push({
      // Without a network name, as what is found in the kernel: the DEL comes by the name of our network, not of the peer's.
      attachment: { networkName: '', containerId, ifName },
      pod: { namespace, name, uid: '' },
      address,
      interfaceId: '',
      cidr: `${address}/${address.includes(':') ? 128 : 32}`,
      assignedAt: allocatedAt,
      hostIfName,
      netns: '',
      plumbedBy: 'amazon-vpc-cni',
      ...(index === 0 ? {} : { parent: allocation.ifName }),
    });
  }
  return { assignments, coolDowns };
}

/** The peer numbers a pod's interfaces by the cards that gave it an address, and files each under the name of the first. */
function interfaceNumber(one: PeerAllocation, all: readonly PeerAllocation[]): number {
  const { networkCardIndex: card = 0, containerId, ifName } = one;
  if (card === 0) return 0;
  return all.filter(
    (each) => each.containerId === containerId && each.ifName === ifName && (each.networkCardIndex ?? 0) < card,
  ).length;
}

function peerLinkOf(key: string, links: ReadonlySet<string>): string | undefined {
  const digits = createHash('sha1').update(key).digest('hex').slice(0, 11);
  return [...links].find((link) => link.endsWith(digits));
}

/** Reads the peer's checkpoints, one for each network card; empty where there is none. Throws PeerCheckpointError for what must not be passed over. */
export async function readPeerCheckpoint(path: string): Promise<readonly PeerAllocation[]> {
  const text = await textOf(path);
  const first = text === undefined ? [] : parsePeerCheckpoint(text, path);
  const further = await Promise.all(
    (await furtherFiles(path)).map(async ({ file, card }) =>
      parsePeerCheckpoint(await readFile(file, 'utf8'), file).map((one) => ({ ...one, networkCardIndex: card })),
    ),
  );
  return [...first, ...further.flat()];
}

/** The peer keeps one file for each network card it manages: ipam.json, ipam-nic-1.json, ... */
async function furtherFiles(path: string): Promise<readonly { readonly file: string; readonly card: number }[]> {
  const directory = dirname(path);
  const extension = extname(path);
  const stem = `${basename(path, extension)}-nic-`;
  const names = await readdir(directory).catch(absent<string[]>([]));
  return names.flatMap((name) => {
    const card = name.startsWith(stem) && name.endsWith(extension) ? name.slice(stem.length, -extension.length) : '';
    return /^[1-9]\d*$/.test(card) ? [{ file: join(directory, name), card: Number(card) }] : [];
  });
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(absent(undefined));
}

function absent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return value;
    throw error;
  };
}

/** Names of the links in this process's network namespace; /sys may be of another one. */
export async function linkNames(): Promise<ReadonlySet<string>> {
  const lines = (await readFile('/proc/self/net/dev', 'utf8')).split('\n').slice(2);
  return new Set(lines.flatMap((line) => line.split(':')[0]?.trim() || []));
}
