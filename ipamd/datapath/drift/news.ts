/**
 * The kernel's news of changes (multicast), and whether one of them is about what is ours. What our own sockets did is
 * dropped in the kernel; nothing waits for the news, the sockets are emptied when asked. No word is believed but one:
 * something may have changed, look.
 */
import type { OwnershipMarks } from '../datapath.ts';
import type { Kernel } from '../kernel.ts';
import { SERVICE_LINK } from '../host-port/own-addresses.ts';
import { decodeAttributes, readText } from '../netlink/attributes.ts';
import { NETCONFA, NFNLGRP_NFTABLES, RTM, RTNLGRP } from '../netlink/constants.ts';
import { NetlinkError } from '../netlink/errors.ts';
import { decodeMessages, type NetlinkMessage } from '../netlink/message.ts';
import { decodeLink, type Link } from '../netlink/route/link.ts';
import { decodeRoute } from '../netlink/route/route.ts';
import { decodeRule } from '../netlink/route/rule.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';
import { NFNL_SUBSYS_NFTABLES, NFPROTO_INET, NFTA_TABLE } from '../nftables/constants.ts';

/** linux/netfilter/nf_tables.h: NFT_MSG_NEWGEN tells who committed. */
const NEW_GENERATION = 15;
const NFTA_GEN = { pid: 2, name: 3 } as const;
/** linux/rtnetlink.h. */
const RTM_QDISC = { new: 36, delete: 37 } as const;
const RTPROT_KERNEL = 2;
const NLMSG_PID_OFFSET = 12;
/** linux/threads.h, PID_MAX_LIMIT: a larger port is no process id. */
const PID_MAX = 4_194_304;

/** What of the news is about us. */
export interface NewsView {
  /** Whether a link is a pod's or an ENI's, and as it should be. */
  judge(link: Link): { readonly of: 'pod' | 'interface' | 'nobody'; readonly isRight: boolean };
  /** Whether a link of this name is a pod's now. */
  isPod(name: string): boolean;
  /** Tables that hold routes of ours alone. */
  readonly tables: ReadonlySet<number>;
}

/** What came since the last time. */
export interface News {
  /** Whether something of ours may be lost. */
  readonly isSuspicious: boolean;
  /** Whether an ENI got an address, which routes may have waited for. */
  readonly isHopeful: boolean;
  /** Whether the addresses that host ports are published on may have changed, which is nobody's damage. */
  readonly isMoved: boolean;
  /** Processes that the kernel named: a number, and a name where it told one. */
  readonly doers: ReadonlyMap<number, string>;
}

/** See the file's comment; open until closed. */
export class DriftNews implements Disposable {
  readonly #route: OpenNetlinkSocket;
  readonly #nft: OpenNetlinkSocket;
  readonly #marks: OwnershipMarks;
  readonly #view: NewsView;
  /** Names of links of pods that have been seen, by index. */
  #pods = new Map<number, string>();
  #interfaces = new Set<number>();
  /** Links of pods in the news that are being read, each as it was told last: an ADD changes a link several times. */
  #told = new Map<number, Link>();
  #isHopeful = false;
  #isMoved = false;
  /** The link of services, where there is one. */
  #services: number | undefined;
  #doers = new Map<number, string>();

  constructor(
    kernel: Kernel,
    marks: OwnershipMarks,
    { own, newsBytes }: { readonly own: readonly OpenNetlinkSocket[]; readonly newsBytes?: number | undefined },
    view: NewsView,
  ) {
    this.#marks = marks;
    this.#view = view;
    this.#route = kernel.openInHost({ family: 'route', groups: Object.values(RTNLGRP), notFrom: own, newsBytes });
    this.#nft = kernel.openInHost({ family: 'netfilter', groups: [NFNLGRP_NFTABLES], notFrom: own, newsBytes });
  }

  /** Tells which links there are now; others are forgotten. */
  know(links: Iterable<Link>): void {
    this.#pods = new Map();
    this.#interfaces = new Set();
    this.#services = undefined;
    for (const link of links) {
      if (link.name === SERVICE_LINK) this.#services = link.index;
      const { of } = this.#view.judge(link);
      if (of === 'pod') this.#pods.set(link.index, link.name);
      if (of === 'interface') this.#interfaces.add(link.index);
    }
  }

  /** Empties the sockets. Throws `NetlinkError`. */
  take(): News {
    this.#doers = new Map();
    this.#isHopeful = false;
    this.#isMoved = false;
    const suspicions = [
      this.#drain(this.#route, (message) => this.#isAboutRouting(message)),
      this.#drain(this.#nft, (message) => this.#isAboutTable(message)),
    ];
    const isWrong = [...this.#told.values()].some((link) => !this.#view.judge(link).isRight);
    for (const { index, name } of this.#told.values()) this.#pods.set(index, name);
    this.#told = new Map();
    const isSuspicious = isWrong || suspicions.includes(true);
    const doers = isSuspicious ? this.#doers : new Map<number, string>();
    return { isSuspicious, isHopeful: this.#isHopeful, isMoved: this.#isMoved, doers };
  }

  [Symbol.dispose](): void {
    this.#route.close();
    this.#nft.close();
  }

  #drain(socket: OpenNetlinkSocket, isAbout: (message: NetlinkMessage) => boolean): boolean {
    let isSuspicious = false;
    for (;;) {
      try {
        const datagram = socket.receive();
        if (datagram === undefined) return isSuspicious;
        for (const message of decodeMessages(datagram)) {
          if (!isAbout(message)) continue;
          isSuspicious = true;
          this.#suspect(datagram.readUInt32LE(NLMSG_PID_OFFSET), '');
        }
      } catch (error) {
        // More news than there was room for: what was lost may be about us.
        if (!(error instanceof NetlinkError) || error.errno !== 'ENOBUFS') throw error;
        isSuspicious = true;
      }
    }
  }

  #suspect(pid: number, name: string): void {
    if (pid > 0 && pid <= PID_MAX && (name !== '' || !this.#doers.has(pid))) this.#doers.set(pid, name);
  }

  #isAboutRouting({ type, body }: NetlinkMessage): boolean {
    const { protocol } = this.#marks;
    switch (type) {
      case RTM.newLink:
      case RTM.delLink:
        return this.#isAboutLink(type, decodeLink(body));
      case RTM.delRule: {
        const rule = decodeRule(body);
        return rule.protocol === protocol || rule.protocol === RTPROT_KERNEL;
      }
      case RTM.delRoute:
        return body[5] === protocol;
      case RTM.newRoute:
        return body[5] !== protocol && this.#view.tables.has(decodeRoute(body).table);
      case RTM.newAddress:
        this.#isHopeful ||= this.#interfaces.has(body.readUInt32LE(4));
        this.#noteAddress(body.readUInt32LE(4));
        return false;
      case RTM.delAddress:
        this.#noteAddress(body.readUInt32LE(4));
        return this.#interfaces.has(body.readUInt32LE(4));
      case RTM.newNeighbour:
      case RTM.delNeighbour:
      case RTM_QDISC.new:
      case RTM_QDISC.delete:
        return this.#isOfPod(body.readInt32LE(4));
      case RTM.newNetworkConfiguration:
        return this.#isAboutConfiguration(body);
      default:
        return false;
    }
  }

  /** The addresses of services come and go all the time, and are not the node's own. */
  #noteAddress(index: number): void {
    this.#isMoved ||= this.#services !== undefined && index !== this.#services;
  }

  #isAboutLink(type: number, link: Link): boolean {
    if (link.name === SERVICE_LINK) {
      this.#isMoved = true;
      this.#services = type === RTM.newLink ? link.index : undefined;
    }
    const { of } = this.#view.judge(link);
    if (of === 'pod' && type === RTM.newLink) this.#told.set(link.index, link);
    return of === 'interface' || (of === 'pod' && type === RTM.delLink);
  }

  #isOfPod(index: number): boolean {
    const name = this.#pods.get(index);
    return name !== undefined && this.#view.isPod(name);
  }

  /** A new link tells its settings, too, before we had a chance to set them. */
  #isAboutConfiguration(body: Buffer): boolean {
    const attributes = decodeAttributes(body.subarray(4));
    const index = attributes.get(NETCONFA.index)?.readInt32LE(0);
    if (!attributes.has(NETCONFA.forwarding) && !attributes.has(NETCONFA.rpFilter)) return false;
    return index === -1 || (index !== undefined && (this.#isOfPod(index) || this.#interfaces.has(index)));
  }

  #isAboutTable({ type, body }: NetlinkMessage): boolean {
    if (type >> 8 !== NFNL_SUBSYS_NFTABLES) return false;
    const attributes = decodeAttributes(body.subarray(4));
    if ((type & 0xff) === NEW_GENERATION) {
      const pid = attributes.get(NFTA_GEN.pid)?.readUInt32BE(0) ?? 0;
      this.#suspect(pid, readText(attributes, NFTA_GEN.name) ?? '');
      return false;
    }
    return body[0] === NFPROTO_INET && readText(attributes, NFTA_TABLE.name) === this.#marks.nftTable;
  }
}
