/**
 * Removal of pod links in the background. Deleting a link waits 16-24 ms for RCU, so it is done in a thread of libuv's
 * pool; and all links that wait are deleted by one message for their group, so that a hundred cost one wait, not a hundred.
 */
import { setTimeout } from 'node:timers/promises';
import { deleteLinkGroup, changeLink, type Link } from '../netlink/route/link.ts';
import { NLM_F, NLMSG_ERROR } from '../netlink/constants.ts';
import { errnoName, NetlinkError } from '../netlink/errors.ts';
import { attempt } from '../netlink/exchange.ts';
import {
  decodeAcknowledgement,
  decodeMessages,
  encodeRequest,
  type NetlinkRequest,
  wordsOf,
} from '../netlink/message.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';

/**
 * So long a link waits at least. The thread would take processor and kernel lock from the DEL that is being answered, and pods that go
 * together go by one message.
 */
const PAUSE_MS = 3;

/** One removal runs at a time; what is added meanwhile goes with the next. */
export class LinkRemoval {
  readonly #route: OpenNetlinkSocket;
  /** Its own, because another thread sends on it. */
  readonly #background: OpenNetlinkSocket;
  readonly #group: number;
  #waiting = new Set<string>();
  #removing: ReadonlySet<string> = new Set();
  #run: Promise<void> | undefined;
  #failure: unknown;

  constructor(route: OpenNetlinkSocket, background: OpenNetlinkSocket, dyingGroup: number) {
    this.#route = route;
    this.#background = background;
    this.#group = dyingGroup;
  }

  /**
   * Takes the links out of service now, after what goes `first`, and removes them soon. A link that is gone already is fine.
   * Throws `NetlinkError`; then they are still to be added.
   */
  add(links: readonly Pick<Link, 'index' | 'name'>[], first: readonly NetlinkRequest[] = []): void {
    const changes = links.map(({ index, name }) => ({
      ...changeLink(index, { group: this.#group }, name),
      tolerate: ['ENODEV'],
    }));
    const [failure] = attempt(this.#route, [...first, ...changes]);
    if (failure !== undefined) throw failure;
    for (const { name } of links) this.#waiting.add(name);
    if (links.length > 0) this.#run ??= this.#removeAll();
  }

  /** Whether a link of this name is still to go. */
  isPending(name: string): boolean {
    return this.#waiting.has(name) || this.#removing.has(name);
  }

  /** Resolves when nothing is left to remove; rejects, once, with `NetlinkError` if the kernel refused. */
  async settled(): Promise<void> {
    while (this.#run !== undefined) await this.#run;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async #removeAll(): Promise<void> {
    try {
      while (this.#waiting.size > 0) {
        await setTimeout(PAUSE_MS);
        this.#removing = this.#waiting;
        this.#waiting = new Set();
        await this.#removeGroup();
      }
    } catch (error) {
      // Kept for `settled`: nobody need be waiting now. The links stay in their group and go with the next removal.
      this.#failure = error;
    } finally {
      this.#removing = new Set();
      this.#run = undefined;
    }
  }

  async #removeGroup(): Promise<void> {
    const request = deleteLinkGroup(this.#group);
    await this.#background.sendInThreadPool(encodeRequest(request, this.#background.nextSequence(), NLM_F.acknowledge));
    for (let datagram = this.#background.receive(); datagram !== undefined; datagram = this.#background.receive()) {
      for (const message of decodeMessages(datagram).filter(({ type }) => type === NLMSG_ERROR)) {
        const { errno, kernelText } = decodeAcknowledgement(message);
        if (errno !== 0 && request.tolerate?.includes(errnoName(errno)) !== true) {
          throw new NetlinkError(errnoName(errno), wordsOf(request), kernelText);
        }
      }
    }
  }
}
