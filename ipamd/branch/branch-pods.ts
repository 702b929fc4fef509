/**
 * Pods with ENIs of their own (security groups for pods). Their addresses come with the ENI, never from the pool; what is
 * kept of them is kept here and in records of their own.
 */
import { CniError } from '#cni/spec/errors.ts';
import { attachmentKey } from '#warm-pool/ledger.ts';
import type { Attachment, Family, PodReference } from '#warm-pool/model.ts';
import type { BranchInterface, Datapath } from '../datapath/datapath.ts';
import type { ClusterView } from '../kubernetes/cluster-view.ts';
import { errorFields, type Log } from '../observe/log.ts';
import type { Journal } from '../store/journal.ts';
import type { StoredBranch } from '../store/records.ts';
import { type PodEni, readPodEni, wantsPodEni } from './pod-eni.ts';
import type { Trunk } from './trunk.ts';

export interface BranchPodsOptions {
  /** ENABLE_POD_ENI. Pods of an earlier setting are known and let go all the same. */
  readonly enabled: boolean;
  readonly mode: BranchInterface['mode'];
  readonly family: Family;
  readonly trunk: Trunk;
  readonly cluster: ClusterView;
  readonly journal: Journal;
  readonly datapath: Datapath;
  readonly known: readonly StoredBranch[];
}

/** What a pod was given: its ENI, and the trunk below it. */
export interface BranchGrant {
  readonly eni: PodEni;
  readonly branch: BranchInterface;
}

/** How far the pod has come; `why` is what is waited for. */
type Progress =
  | { readonly kind: 'ordinary' }
  | { readonly kind: 'granted'; readonly grant: BranchGrant }
  | { readonly kind: 'waiting'; readonly why: string; readonly code: 'pod-unknown' | 'try-again-later' };

export class BranchPods {
  readonly #options: BranchPodsOptions;
  readonly #attachments: Map<string, StoredBranch>;

  constructor(options: BranchPodsOptions) {
    this.#options = options;
    this.#attachments = new Map(options.known.map((stored) => [attachmentKey(stored.attachment), stored]));
  }

  /** Every branch pod, by attachmentKey. */
  get attachments(): ReadonlyMap<string, StoredBranch> {
    return this.#attachments;
  }

  get mode(): BranchInterface['mode'] {
    return this.#options.mode;
  }

  /** One that was found in the kernel only has no network name and answers to any. */
  storedFor(attachment: Attachment): StoredBranch | undefined {
    return (
      this.#attachments.get(attachmentKey(attachment)) ??
      this.#attachments.get(attachmentKey({ ...attachment, networkName: '' }))
    );
  }

  /**
   * The ENI of a pod that asks for one; undefined for an ordinary pod. Waits for what the API server and the controller have
   * yet to say until the signal aborts. Throws CniError with what it waited for, invalid-config for an annotation that says
   * nothing sensible; the signal's reason where the client went away.
   */
  async grantFor(pod: PodReference, signal: AbortSignal): Promise<BranchGrant | undefined> {
    // Without a name it is no pod of Kubernetes, and nobody can have asked for anything.
    if (!this.#options.enabled || pod.name === '') return undefined;
    const { cluster, trunk } = this.#options;
    let progress = this.#progress(pod);
    if (progress.kind !== 'waiting') return grantOf(progress);
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      try {
        progress = this.#progress(pod);
        if (progress.kind !== 'waiting') resolve();
      } catch {
        // Thrown again below, to the one who waits.
        resolve();
      }
    };
    const ends = [cluster.onChange(look), trunk.onChange(look)];
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (signal.aborted) resolve();
    try {
      await promise;
    } finally {
      for (const end of ends) end();
    }
    progress = this.#progress(pod);
    if (progress.kind !== 'waiting') return grantOf(progress);
    const isLate = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';
    if (!isLate) throw signal.reason;
    throw new CniError(progress.code, progress.why);
  }

  /** Makes the record durable. */
  async store(stored: StoredBranch): Promise<void> {
    this.#attachments.set(attachmentKey(stored.attachment), stored);
    await this.#options.journal.append({ kind: 'branch', assignment: stored });
  }

  /** Kernel first, then the record. Safe to repeat; when it rejects, a repetition finishes the work. */
  async release(stored: StoredBranch, log: Log): Promise<void> {
    const { datapath, journal } = this.#options;
    const { hostIfName, address, ipv6Address, attachment } = stored;
    const addresses = ipv6Address === undefined ? [address] : [address, ipv6Address];
    await datapath.deletePod({ hostIfName, addresses });
    const unwritten = await journal.appendOrOwe({ kind: 'branch-gone', attachment });
    if (unwritten !== undefined)
      log.error({ address, ...errorFields(unwritten) }, 'a release could not be written down yet');
    this.#attachments.delete(attachmentKey(attachment));
  }

  #progress(pod: PodReference): Progress {
    const { cluster, trunk, mode, family } = this.#options;
    const name = `${pod.namespace}/${pod.name}`;
    const known = cluster.pod?.(pod.namespace, pod.name);
    // One of the same name that went before may still be known.
    if (known === undefined || (pod.uid !== '' && known.uid !== pod.uid)) {
      const why = `whether pod ${name} has security groups of its own must be read from the API server, which has not told of it yet`;
      return { kind: 'waiting', why, code: 'pod-unknown' };
    }
    if (!wantsPodEni(known)) return { kind: 'ordinary' };
    const reading = readPodEni(known.annotations, family);
    if (reading.kind === 'malformed') throw new CniError('invalid-config', `pod ${name}: ${reading.problem}`);
    if (reading.kind === 'absent') {
      const why = `the VPC resource controller has not yet given pod ${name} an ENI; look at its events and at the CNINode of this node`;
      return { kind: 'waiting', why, code: 'try-again-later' };
    }
    if (trunk.mac === undefined) {
      const why = `pod ${name} has the branch ENI ${reading.eni.eniId}, and this node has no trunk ENI attached that is known yet`;
      return { kind: 'waiting', why, code: 'try-again-later' };
    }
    const { mac, vlanId, subnetCidr } = reading.eni;
    const branch: BranchInterface = { mac, vlanId, trunkMac: trunk.mac, subnetCidr, mode };
    return { kind: 'granted', grant: { eni: reading.eni, branch } };
  }
}

function grantOf(progress: Exclude<Progress, { kind: 'waiting' }>): BranchGrant | undefined {
  return progress.kind === 'granted' ? progress.grant : undefined;
}
