/**
 * News of links that could be ENIs, for as long as somebody listens. A multicast socket collects them, and a timer empties
 * it without blocking: a thread that waits for it instead would take 20 MB of every node (docs/decisions/0015).
 */
import type { OwnershipMarks } from './datapath.ts';
import type { Kernel } from './kernel.ts';
import { RTM, RTNLGRP_LINK } from './netlink/constants.ts';
import { NetlinkError } from './netlink/errors.ts';
import { decodeMessages } from './netlink/message.ts';
import { decodeLink, type Link } from './netlink/route/link.ts';
import type { OpenNetlinkSocket } from './netlink/transport.ts';

const PACE_MS = 1000;

/** Hardware has no kind; an ENI of the embedded cloud is a veth. */
const KINDS: ReadonlySet<string | undefined> = new Set([undefined, 'veth']);

/** Whether a link may be an interface of the instance: of a kind that can be one, not one of our pods', with a MAC. */
export function couldBeInterface(link: Link, marks: Pick<OwnershipMarks, 'groupBase' | 'groupMask'>): boolean {
  const isOurs = (link.group & marks.groupMask) >>> 0 === marks.groupBase;
  return !isOurs && KINDS.has(link.kind) && link.mac !== '' && link.mac !== '00:00:00:00:00:00';
}

/**
 * Calls the listener, within a second, after such a link came, changed or went, and after events were lost because they
 * came too fast. The timer does not keep the process alive.
 */
export function watchLinks(kernel: Kernel, marks: OwnershipMarks, listener: () => void): AsyncDisposable {
  const socket = kernel.openInHost({ family: 'route', groups: [RTNLGRP_LINK] });
  const timer = setInterval(() => {
    if (hasNews(socket, marks)) listener();
  }, PACE_MS);
  timer.unref();
  return {
    [Symbol.asyncDispose]() {
      clearInterval(timer);
      socket.close();
      return Promise.resolve();
    },
  };
}

/** Empties the socket. */
function hasNews(socket: Pick<OpenNetlinkSocket, 'receive'>, marks: OwnershipMarks): boolean {
  let isNews = false;
  for (;;) {
    try {
      const datagram = socket.receive();
      if (datagram === undefined) return isNews;
      isNews ||= isAbout(datagram, marks);
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.errno !== 'ENOBUFS') throw error;
      isNews = true;
    }
  }
}

function isAbout(datagram: Buffer, marks: OwnershipMarks): boolean {
  return decodeMessages(datagram).some(
    ({ type, body }) => (type === RTM.newLink || type === RTM.delLink) && couldBeInterface(decodeLink(body), marks),
  );
}
