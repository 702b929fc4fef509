/** Pods in the kernel: made, removed, listed. What is made is described in `desired.ts`; here is the order and the repair. */
import { DatapathError, type KernelPod, type OwnershipMarks, type PodAttachment, type PodLinks } from '../datapath.ts';
import type { Retirement } from '../branch/branch-network.ts';
import { isOurLink, sourceTable } from '../branch/numbers.ts';
import { readIpv6Settings, readLinkByName, readLinks, readRoutes, type Kernel, type SetSysctls } from '../kernel.ts';
import { familyOf, IP_FAMILIES } from '../ip.ts';
import { dyingGroup, isOurGroup } from '../marks.ts';
import { attemptBatch, submit, submitBatch } from '../netlink/exchange.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { createVeth } from '../netlink/route/link.ts';
import { deleteNeighbour } from '../netlink/route/neighbour.ts';
import { deleteRoute, type Route } from '../netlink/route/route.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';
import { hasIpv6, hostRoutes, LOOPBACK_INDEX, type NodeAddresses, podIps, podMacs, podVeth } from './desired.ts';
import { isEgressAddress } from '../egress.ts';
import { type Indexes, podMessages, type PodMessages } from './messages.ts';
import { LinkRemoval } from './removal.ts';
import { PodStencils } from './stencil.ts';

/** In a fresh namespace only lo exists, with index 1. */
const FIRST_FREE_INDEX = 2;
/** Indexes that we choose for hosts' ends start here: far above what the kernel has counted to on any node. */
const HOST_INDEX_BASE = 0x1000000;
const HOST_INDEX_SPAN = 0x1000000;

const NO_SOURCE: NodeAddresses = { ipv4: undefined, ipv6: undefined };

/** A link by a number that no other link has in this life. */
interface Made {
  readonly index: number;
  readonly pod: PodAttachment;
}

/** See the file's comment. */
export class PodNetwork {
  readonly #kernel: Kernel;
  readonly #marks: OwnershipMarks;
  readonly #removal: LinkRemoval;
  readonly #stencils = new PodStencils();
  /**
   * Links that may be there, by name: an ADD of another name asks the kernel nothing before it makes its pair. Undefined for those of an
   * earlier life, and where the kernel chose the number: it may give it to somebody else once more.
   */
  readonly #made = new Map<string, Made | undefined>();
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
      const place = { marks: this.#marks, pod, netnsFd, node };
      // All before the first is sent: what the kernel does in between empties the processor's caches of our code.
      const prepared = this.#stencils.messages({ ...place, indexes: chosen });
      const indexes = this.#createPair(pod, chosen, prepared, socket, netnsFd);
      if (indexes === undefined) return undefined;
      this.#made.set(pod.hostIfName, indexes === chosen ? { index: chosen.host, pod } : undefined);
      try {
        const { host, inside } = indexes === chosen ? prepared : podMessages({ ...place, indexes });
        if (withIpv6) this.#enableIpv6(pod, indexes, socket, setPodSysctls);
        submitBatch(this.#kernel.route, host);
        submitBatch(socket, inside);
        last();
      } catch (error) {
        this.#removal.add([{ index: indexes.host, name: pod.hostIfName }]);
        throw error;
      }
      return { hostIfName: pod.hostIfName, hostMac: macs.host, containerMac: macs.pod };
    });
  }

  /** Takes routes and neighbours away now and the link in the background. A pod that is not there is fine. */
  remove(hostIfName: string): void {
    const made = this.#made.get(hostIfName);
    // Whatever comes of it: a repetition looks what is there.
    this.#made.delete(hostIfName);
    if (made === undefined) this.#removeFound(hostIfName);
    else this.#removal.add([{ index: made.index, name: hostIfName }], this.#withdrawals(made));
  }

  /** Routes whatever their source: drift repair may have put them back with another. */
  #withdrawals({ index, pod }: Made): readonly NetlinkRequest[] {
    const routes = podIps(pod).flatMap((ip) => hostRoutes(this.#marks, pod, ip, index, NO_SOURCE));
    return [...routes.map(deleteRoute), ...podIps(pod).map(({ address }) => deleteNeighbour(index, address))];
  }

  #removeFound(hostIfName: string): void {
    const link = readLinkByName(this.#kernel.route, hostIfName);
    if (link === undefined || !isOurGroup(this.#marks, link.group)) return;
    // Of every table: a strict branch pod has none in that of pods.
    const routes = readRoutes(this.#kernel.route, this.#marks.protocol, 0).filter((route) => route.link === link.index);
    this.#removal.add(
      [link],
      [...routes.map(deleteRoute), ...routes.map((route) => deleteNeighbour(link.index, route.destination))],
    );
  }

  /** Pods with branch ENIs too; strict ones have their address in tables of their own. */
  list(): readonly KernelPod[] {
    const routes = this.#addressRoutes();
    const ours = readLinks(this.#kernel).filter(
      ({ group }) => isOurGroup(this.#marks, group) && group !== dyingGroup(this.#marks),
    );
    for (const { name } of ours) if (!this.#made.has(name)) this.#made.set(name, undefined);
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
  #enableIpv6(pod: PodAttachment, indexes: Indexes, socket: OpenNetlinkSocket, setPodSysctls: SetSysctls): void {
    const inside: readonly (readonly [string, number])[] = [
      ['lo', LOOPBACK_INDEX],
      [pod.ifName, indexes.pod],
    ];
    const off = inside.filter(([, index]) => readIpv6Settings(socket, index)?.disabled !== false);
    if (off.length > 0)
      setPodSysctls(Object.fromEntries(off.map(([name]) => [`net/ipv6/conf/${name}/disable_ipv6`, '0'])));
    const host = readIpv6Settings(this.#kernel.route, indexes.host);
    const wrong = {
      ...(host?.disabled === false ? {} : { [`net/ipv6/conf/${pod.hostIfName}/disable_ipv6`]: '0' }),
      ...(host?.acceptRa === 0 ? {} : { [`net/ipv6/conf/${pod.hostIfName}/accept_ra`]: '0' }),
    };
    this.#kernel.setSysctls(wrong, host !== undefined);
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
  #createPair(
    pod: PodAttachment,
    chosen: Indexes,
    { pair }: PodMessages,
    socket: OpenNetlinkSocket,
    netnsFd: number,
  ): Indexes | undefined {
    const [refused] = attemptBatch(this.#kernel.route, pair);
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
