/**
 * The thread that waits for link events, so that the main thread need not: it blocks in poll(2) on a multicast socket and
 * on a pipe that tells it to end, and posts what arrives. It opens nothing and enters no namespace; both descriptors are
 * the main thread's.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { NetlinkError } from './netlink/errors.ts';
import { receiveFrom, waitReadable } from './netlink/transport.ts';

/** What the thread is started with. */
export interface LinkWatchInput {
  readonly socket: number;
  readonly stop: number;
}

/** What it posts: one datagram, or that some were lost because they came too fast. */
export type LinkWatchMessage = { readonly kind: 'datagram'; readonly bytes: Uint8Array } | { readonly kind: 'overrun' };

function watch({ socket, stop }: LinkWatchInput, post: (message: LinkWatchMessage) => void): void {
  for (;;) {
    const [, stopped] = waitReadable([socket, stop]);
    if (stopped === true) return;
    try {
      for (let bytes = receiveFrom(socket); bytes !== undefined; bytes = receiveFrom(socket))
        post({ kind: 'datagram', bytes });
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.errno !== 'ENOBUFS') throw error;
      post({ kind: 'overrun' });
    }
  }
}

const port = parentPort;
if (port !== null) watch(workerData as LinkWatchInput, (message) => port.postMessage(message));
