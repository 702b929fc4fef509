/** Pods in the kernel: made, removed, listed. What is made is described in `desired.ts`; here is the order and the repair. */
import { DatapathError, type KernelPod, type OwnershipMarks, type PodAttachment, type PodLinks } from '../datapath.ts';
import type { Retirement } from '../branch/branch-network.ts';
import { isOurLink, sourceTable } from '../branch/numbers.ts';
import { limitLink } from '../bandwidth/pod-limits.ts';
import { openToLoopback } from '../host-port/loopback.ts';
import { readLinkByName, readLinks, readRoutes, type Kernel, type SetSysctls } from '../kernel.ts';
import { familyOf, IP_FAMILIES } from '../ip.ts';
import { dyingGroup, isOurGroup } from '../marks.ts';
import { attempt, submit } from '../netlink/exchange.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { createVeth } from '../netlink/route/link.ts';
import { deleteNeighbour } from '../netlink/route/neighbour.ts';
import { deleteRoute, type Route } from '../netlink/route/route.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';
import { hasIpv6, hostSide, podMacs, podSide, podVeth, type NodeAddresses } from './desired.ts';
import { isEgressAddress } from '../egress.ts';
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

/** What is sent once the pair is there. */
interface Sides {
  readonly host: readonly NetlinkRequest[];
  readonly inside: readonly NetlinkRequest[];
}

/** See the file's comment. */
export class PodNetwork {
  readonly #kernel: Kernel;
  readonly #marks: OwnershipMarks;
  readonly #removal: LinkRemoval;
  /** Names of links that may be there: an ADD of another name asks the kernel nothing before it makes its pair. */
  readonly #made = new Set<string>();
  #nextHostIndex: number;

  constructor(kernel: Kernel, marks: OwnershipMarks, background: OpenNetlinkSocket) {
    this.#kernel = kernel;
    this.#marks = marks;
    this.#removal = new LinkRemoval(kernel.route, background, dyingGroup(marks));
    // Any start will do; one that differs from the last life's avoids the indexes of pods that still run.
    this.#nextHostIndex = HOST_INDEX_BASE + ((process.pid * 4096) % HOST_INDEX_SPAN);
  }

  /**
   * Makes the pod's link and all that belongs to it, then does what is to be done `last`; nothing is left of it when this
   * throws.
   */
  async add(pod: PodAttachment, node: NodeAddresses, last: () => void): Promise<PodLinks> {
    if (this.#mayExist(pod.hostIfName)) await this.#makeRoom(pod);
    const links = this.#make(pod, node, last);
    if (links !== undefined) return links;
    // A link of an earlier life that nobody had told of.
    await this.#makeRoom(pod);
    const again = this.#make(pod, node, last);
    if (again !== undefined) return again;
    throw new DatapathError('name-in-use', `a link ${pod.hostIfName} came while it was made`, { errno: 'EEXIST' });
  }

  /** Undefined where a link of that name is on the host. */
  #make(pod: PodAttachment, node: NodeAddresses, last: () => void): PodLinks | undefined {
    const withIpv6 = hasIpv6(pod);
    const macs = podMacs(pod);
    return this.#kernel.withPod(pod.netns, (socket, netnsFd, setPodSysctls) => {
      const chosen = { host: this.#takeHostIndex(), pod: FIRST_FREE_INDEX + (pod.index ?? 0) };
      // All before the first is sent: what the kernel does in between empties the processor's caches of our code.
      const prepared = this.#sides(pod, chosen, node);
      const indexes = this.#createPair(pod, chosen, socket, netnsFd);
      if (indexes === undefined) return undefined;
      this.#made.add(pod.hostIfName);
      try {
        const { host, inside } = indexes === chosen ? prepared : this.#sides(pod, indexes, node);
        if (withIpv6) this.#enableIpv6(pod, setPodSysctls);
        submit(this.#kernel.route, host);
        submit(socket, inside);
        last();
      } catch (error) {
        this.#removal.add([{ index: indexes.host, name: pod.hostIfName }]);
        throw error;
      }
      return { hostIfName: pod.hostIfName, hostMac: macs.host, containerMac: macs.pod };
    });
  }

  #sides(pod: PodAttachment, indexes: Indexes, node: NodeAddresses): Sides {
    return {
      host: [
        ...hostSide(this.#marks, pod, indexes.host, node),
        ...openToLoopback(pod, indexes.host),
        ...limitLink(pod, 'ingress', indexes.host, pod.hostIfName),
      ],
      // Before the link comes up: a queueing discipline that takes another's place waits for RCU.
      inside: [...limitLink(pod, 'egress', indexes.pod, pod.ifName), ...podSide(pod, indexes.pod)],
    };
  }

  /** Takes routes and neighbours away now and the link in the background. A pod that is not there is fine. */
  remove(hostIfName: string): void {
    this.#made.delete(hostIfName);
    const link = readLinkByName(this.#kernel.route, hostIfName);
    if (link === undefined || !isOurGroup(this.#marks, link.group)) return;
    // Of every table: a strict branch pod has none in that of pods.
    const routes = readRoutes(this.#kernel.route, this.#marks.protocol, 0).filter((route) => route.link === link.index);
    submit(this.#kernel.route, [
      ...routes.map(deleteRoute),
      ...routes.map((route) => deleteNeighbour(link.index, route.destination)),
    ]);
    this.#removal.add([link]);
  }

  /** Pods with branch ENIs too; strict ones have their address in tables of their own. */
  list(): readonly KernelPod[] {
    const routes = this.#addressRoutes();
    const ours = readLinks(this.#kernel).filter(
      ({ group }) => isOurGroup(this.#marks, group) && group !== dyingGroup(this.#marks),
    );
    for (const { name } of ours) this.#made.add(name);
    return ours.map(({ name, index, alias }) => ({
      hostIfName: name,
      ifIndex: index,
      key: alias,
      addresses: addressesOf(routes.filter(({ link }) => link === index)),
    }));
  }

  /** Sends every link of ours, the dying ones of an earlier life too, to the background removal. */
  removeAll(): void {
    this.#removal.add(readLinks(this.#kernel).filter(({ group }) => isOurLink(this.#marks, group)));
  }

  settled(): Promise<void> {
    return this.#removal.settled();
  }

  /** For other links that are to go with those of pods. */
  get retirement(): Retirement {
    return this.#removal;
  }

  #addressRoutes(): ReturnType<typeof readRoutes> {
    const tables = [this.#marks.podTable, sourceTable(this.#marks)];
    return tables.flatMap((table) => readRoutes(this.#kernel.route, this.#marks.protocol, table));
  }

  /**
   * Runtimes may make namespaces with IPv6 off (Docker does). What a pod advertises as a router is nothing to the host,
   * nor where the host's own settings for new links would have it so.
   */
  #enableIpv6(pod: PodAttachment, setPodSysctls: SetSysctls): void {
    setPodSysctls({ 'net/ipv6/conf/lo/disable_ipv6': '0', [`net/ipv6/conf/${pod.ifName}/disable_ipv6`]: '0' });
    const host = `net/ipv6/conf/${pod.hostIfName}`;
    this.#kernel.setSysctls({ [`${host}/disable_ipv6`]: '0', [`${host}/accept_ra`]: '0' });
  }

  #mayExist(name: string): boolean {
    return this.#made.has(name) || this.#removal.isPending(name);
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
   * plugins, tunnel modules that make devices in every namespace), the kernel chooses and we look. Undefined where the host
   * has a link of that name already.
   */
  #createPair(pod: PodAttachment, chosen: Indexes, socket: OpenNetlinkSocket, netnsFd: number): Indexes | undefined {
    const [refused] = attempt(this.#kernel.route, [createVeth(podVeth(this.#marks, pod, netnsFd, chosen))]);
    if (refused === undefined) return chosen;
    if (refused.errno !== 'EEXIST' && refused.errno !== 'EBUSY') throw refused;
    if (readLinkByName(this.#kernel.route, pod.hostIfName) !== undefined) return undefined;
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

/** IPv4 first and without helper addresses, as in an attachment. */
function addressesOf(routes: readonly Route[]): readonly string[] {
  const addresses = routes.map(({ destination }) => destination).filter((address) => !isEgressAddress(address));
  return IP_FAMILIES.flatMap((family) => addresses.filter((address) => familyOf(address) === family));
}
