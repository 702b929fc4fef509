/** Pods in the kernel: made, removed, listed. What is made is described in `desired.ts`; here is the order and the repair. */
import { DatapathError, type KernelPod, type OwnershipMarks, type PodAttachment, type PodLinks } from '../datapath.ts';
import { readLinkByName, readLinks, readRoutes, type Kernel } from '../kernel.ts';
import { dyingGroup, isOurGroup } from '../marks.ts';
import { attempt, submit } from '../netlink/exchange.ts';
import { createVeth } from '../netlink/route/link.ts';
import { deleteNeighbour } from '../netlink/route/neighbour.ts';
import { deleteRoute } from '../netlink/route/route.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';
import { hostSide, podMacs, podSide, podVeth } from './desired.ts';
import { LinkRemoval } from './removal.ts';

/** In a fresh namespace only lo exists, with index 1. */
const FIRST_FREE_INDEX = 2;
/** Indexes that we choose for hosts' ends start here: far above what the kernel has counted to on any node. */
const HOST_INDEX_BASE = 0x1000000;
const HOST_INDEX_SPAN = 0x1000000;

interface Indexes {
  readonly host: number;
  readonly pod: number;
}

/** See the file's comment. */
export class PodNetwork {
  readonly #kernel: Kernel;
  readonly #marks: OwnershipMarks;
  readonly #removal: LinkRemoval;
  #nextHostIndex: number;

  constructor(kernel: Kernel, marks: OwnershipMarks, background: OpenNetlinkSocket) {
    this.#kernel = kernel;
    this.#marks = marks;
    this.#removal = new LinkRemoval(kernel.route, background, dyingGroup(marks));
    // Any start will do; one that differs from the last life's avoids the indexes of pods that still run.
    this.#nextHostIndex = HOST_INDEX_BASE + ((process.pid * 4096) % HOST_INDEX_SPAN);
  }

  /** Makes the pod's link and all that belongs to it; nothing is left of it when this throws. */
  async add(pod: PodAttachment, nodeAddress: string | undefined): Promise<PodLinks> {
    await this.#makeRoom(pod);
    const links = this.#kernel.withPod(pod.netns, (socket, netnsFd) => {
      const indexes = this.#createPair(pod, socket, netnsFd);
      try {
        submit(socket, podSide(pod, indexes.pod));
        submit(this.#kernel.route, hostSide(this.#marks, pod, indexes.host, nodeAddress));
      } catch (error) {
        this.#removal.add([{ index: indexes.host, name: pod.hostIfName }]);
        throw error;
      }
      const macs = podMacs(pod);
      return { hostIfName: pod.hostIfName, hostMac: macs.host, containerMac: macs.pod };
    });
    return links;
  }

  /** Takes routes and neighbours away now and the link in the background. A pod that is not there is fine. */
  remove(hostIfName: string): void {
    const link = readLinkByName(this.#kernel.route, hostIfName);
    if (link === undefined || !isOurGroup(this.#marks, link.group)) return;
    const routes = this.#podRoutes().filter((route) => route.link === link.index);
    submit(this.#kernel.route, [
      ...routes.map(deleteRoute),
      ...routes.map((route) => deleteNeighbour(link.index, route.destination)),
    ]);
    this.#removal.add([link]);
  }

  list(): readonly KernelPod[] {
    const routes = this.#podRoutes();
    return readLinks(this.#kernel)
      .filter(({ group }) => isOurGroup(this.#marks, group) && group !== dyingGroup(this.#marks))
      .map(({ name, index, alias }) => ({
        hostIfName: name,
        ifIndex: index,
        key: alias,
        addresses: routes.filter(({ link }) => link === index).map(({ destination }) => destination),
      }));
  }

  /** Sends every link of ours, the dying ones of an earlier life too, to the background removal. */
  removeAll(): void {
    this.#removal.add(readLinks(this.#kernel).filter(({ group }) => isOurGroup(this.#marks, group)));
  }

  settled(): Promise<void> {
    return this.#removal.settled();
  }

  #podRoutes(): ReturnType<typeof readRoutes> {
    return readRoutes(this.#kernel.route, this.#marks.protocol, this.#marks.podTable);
  }

  /** An ADD that is tried again, or follows at once on a DEL, finds the link of before: that one must go first. */
  async #makeRoom(pod: PodAttachment): Promise<void> {
    if (this.#removal.isPending(pod.hostIfName)) await this.#removal.settled();
    const old = readLinkByName(this.#kernel.route, pod.hostIfName);
    if (old === undefined) return;
    if (!isOurGroup(this.#marks, old.group)) {
      throw new DatapathError('name-in-use', `a link ${pod.hostIfName} that is not ours exists on the host`, {
        errno: 'EEXIST',
      });
    }
    this.#removal.add([old]);
    await this.#removal.settled();
  }

  /**
   * Makes the pair, with indexes of our choice so that nothing need be looked up. Where one of them is taken (other
   * plugins, tunnel modules that make devices in every namespace), the kernel chooses and we look.
   */
  #createPair(pod: PodAttachment, socket: OpenNetlinkSocket, netnsFd: number): Indexes {
    const chosen = { host: this.#takeHostIndex(), pod: FIRST_FREE_INDEX };
    const [refused] = attempt(this.#kernel.route, [createVeth(podVeth(this.#marks, pod, netnsFd, chosen))]);
    if (refused === undefined) return chosen;
    if (refused.errno !== 'EEXIST' && refused.errno !== 'EBUSY') throw refused;
    if (readLinkByName(socket, pod.ifName) !== undefined) {
      throw new DatapathError('name-in-use', `${pod.ifName} exists already in ${pod.netns}`, {
        errno: 'EEXIST',
        cause: refused,
      });
    }
    submit(this.#kernel.route, [createVeth(podVeth(this.#marks, pod, netnsFd, { host: 0, pod: 0 }))]);
    const host = readLinkByName(this.#kernel.route, pod.hostIfName)?.index;
    const there = readLinkByName(socket, pod.ifName)?.index;
    if (host !== undefined && there !== undefined) return { host, pod: there };
    throw new DatapathError('kernel-refused', `the link of ${pod.hostIfName} vanished while it was made`, {
      errno: 'ENODEV',
    });
  }

  #takeHostIndex(): number {
    this.#nextHostIndex += 1;
    if (this.#nextHostIndex >= HOST_INDEX_BASE + HOST_INDEX_SPAN) this.#nextHostIndex = HOST_INDEX_BASE;
    return this.#nextHostIndex;
  }
}
