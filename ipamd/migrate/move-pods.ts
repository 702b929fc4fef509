/**
 * Running pods of amazon-vpc-cni-k8s become ours, one after the other, in the background of a daemon that serves. A pod
 * waits until its ENI is set up. What cannot be moved keeps the peer's layout, works, and is tried again at the next start.
 */
import { setImmediate } from 'node:timers/promises';
import { addressesOf, attachmentKey } from '#warm-pool/ledger.ts';
import { valueOf } from '#warm-pool/sharded-map.ts';
import type { NetworkInterface } from '#warm-pool/model.ts';
import { NETWORK_NAME } from '../conflist.ts';
import type { Datapath } from '../datapath/datapath.ts';
import { errorFields, type Log } from '../observe/log.ts';
import type { Pool } from '../pool.ts';
import type { AttachmentLocks } from '../server/attachment-locks.ts';
import type { Journal } from '../store/journal.ts';
import type { StoredAssignment } from '../store/records.ts';

/** What moving needs of the daemon. */
export interface MovePorts {
  readonly pool: Pool;
  readonly journal: Pick<Journal, 'appendOrOwe'>;
  readonly datapath: Datapath;
  readonly attachments: Map<string, StoredAssignment>;
  readonly locks: AttachmentLocks;
  readonly log: Log;
  /** No start was completed on this node before; the peer may have left something although it has no pods. */
  readonly firstStart: boolean;
}

/** How far it is. */
export interface MoveProgress {
  readonly moved: number;
  /** In the peer's layout still. */
  readonly left: number;
}

/** Moves until every pod is moved, cannot be, or it is disposed of. */
export class PodMove {
  readonly #ports: MovePorts;
  readonly #failed = new Set<string>();
  #moved = 0;
  #stopped = false;
  #isDone = false;
  #running: Promise<void> | undefined;

  constructor(ports: MovePorts) {
    this.#ports = ports;
    const { datapath, attachments, firstStart } = ports;
    const adopted = [...attachments.values()].some(
      ({ plumbedBy, macs }) => plumbedBy !== undefined || macs !== undefined,
    );
    if (datapath.adoptPod === undefined || !(firstStart || adopted)) return;
    ports.pool.onChange(() => this.#wake());
    this.#wake();
  }

  get progress(): MoveProgress {
    const left = [...this.#ports.attachments.values()].filter(({ plumbedBy }) => plumbedBy !== undefined).length;
    return { moved: this.#moved, left };
  }

  #waiting(): readonly StoredAssignment[] {
    const all = [...this.#ports.attachments.values()];
    return all.filter(
      (stored) => stored.plumbedBy !== undefined && !this.#failed.has(attachmentKey(stored.attachment)),
    );
  }

  #wake(): void {
    if (this.#stopped || this.#running !== undefined || this.#isDone) return;
    const waiting = this.#waiting();
    if (waiting.length > 0 && !waiting.some((stored) => this.#placeOf(stored) !== undefined)) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    for (const stored of this.#waiting()) {
      const place = this.#placeOf(stored);
      if (this.#stopped || place === undefined) continue;
      // Requests first: one pod is a fraction of a millisecond, a node's hundreds are not.
      await setImmediate();
      const { attachment } = stored;
      // As a request about it would be locked; the peer's pods are known without a network name.
      await this.#ports.locks.run(attachmentKey({ ...attachment, networkName: NETWORK_NAME }), () =>
        this.#move(stored, place),
      );
    }
    if (this.#stopped || this.#waiting().length > 0) return;
    this.#isDone = true;
    if (this.progress.left === 0) await this.#clean();
  }

  /** The ENI that holds the pod's address, once it is set up. */
  #placeOf({ attachment }: StoredAssignment): Placed | undefined {
    const { ledger } = this.#ports.pool;
    const assignment = valueOf(ledger.attachments, attachmentKey(attachment));
    const networkInterface = ledger.interfaces.get(assignment?.interfaceId ?? '')?.networkInterface;
    if (assignment === undefined || networkInterface?.phase !== 'ready') return undefined;
    return { networkInterface, cidr: assignment.cidr };
  }

  async #move(stored: StoredAssignment, { networkInterface, cidr }: Placed): Promise<void> {
    const { datapath, attachments, journal, log } = this.#ports;
    const key = attachmentKey(stored.attachment);
    if (attachments.get(key) !== stored) return;
    const { containerId, ifName } = stored.attachment;
    const { deviceIndex, networkCardIndex, id } = networkInterface;
    const link = { containerId, ifName, hostIfName: stored.hostIfName, addresses: addressesOf(stored) };
    const pod = `${stored.pod.namespace}/${stored.pod.name}`;
    try {
      const macs = await datapath.adoptPod?.({ ...link, deviceIndex, networkCardIndex });
      if (macs === undefined) return;
      const { plumbedBy: _, ...rest } = stored;
      const assignment = { ...rest, interfaceId: id, cidr, macs };
      attachments.set(key, assignment);
      this.#moved += 1;
      const unwritten = await journal.appendOrOwe({ kind: 'assign', assignment });
      if (unwritten !== undefined)
        log.error({ pod, ...errorFields(unwritten) }, 'a move could not be written down yet');
      await datapath.keepPods?.([{ ...link, place: networkInterface, macs }]);
      log.info({ pod, address: stored.address, eni: id, ...this.progress }, 'a pod of amazon-vpc-cni-k8s was moved');
    } catch (error) {
      this.#failed.add(key);
      log.error(
        { pod, address: stored.address, link: stored.hostIfName, ...errorFields(error) },
        'a pod of amazon-vpc-cni-k8s cannot be moved; it keeps its layout and its address',
      );
    }
  }

  async #clean(): Promise<void> {
    const { datapath, log } = this.#ports;
    try {
      const remains = (await datapath.peerRemains?.({ remove: true })) ?? [];
      const kept = remains.filter(({ neededBy }) => neededBy !== undefined);
      const removed = remains.flatMap(({ what, neededBy }) => (neededBy === undefined ? [what] : []));
      if (remains.length === 0) return;
      log.info({ removed, kept, ...this.progress }, 'what amazon-vpc-cni-k8s left on the host is removed');
    } catch (error) {
      // Nothing depends on it: both layouts say the same. The next start tries again.
      log.error(errorFields(error), 'what amazon-vpc-cni-k8s left on the host cannot be removed');
    }
  }

  /** Waits for the pod that is being moved. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}

interface Placed {
  readonly networkInterface: NetworkInterface;
  readonly cidr: string;
}
