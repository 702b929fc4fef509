/**
 * Waiting for a link to appear: subscribed first, then looked for, so that none is missed in between. The thread that
 * listens exists only while somebody waits; an idle node has none.
 */
import { closeSync, writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { isInterfaceWithMac, readLinks, type Kernel } from './kernel.ts';
import type { LinkWatchInput, LinkWatchMessage } from './link-watch-worker.ts';
import { RTM, RTNLGRP_LINK } from './netlink/constants.ts';
import { decodeMessages } from './netlink/message.ts';
import { decodeLink } from './netlink/route/link.ts';
import { openPipe } from './netlink/transport.ts';

/** Resolves when a link with this MAC is there; rejects with the signal's reason when that aborts first. */
export async function waitForLink(kernel: Kernel, mac: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  using socket = kernel.openInHost({ family: 'route', groups: [RTNLGRP_LINK] });
  const isThere = (): boolean => readLinks(kernel).some((link) => isInterfaceWithMac(link, mac));
  if (isThere()) return;
  const stop = openPipe();
  const input: LinkWatchInput = { socket: socket.fd, stop: stop.readEnd };
  const worker = new Worker(new URL('./link-watch-worker.ts', import.meta.url), { workerData: input });
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  try {
    await seen(worker, signal, (message) =>
      message.kind === 'overrun' ? isThere() : announces(Buffer.from(message.bytes), mac),
    );
  } finally {
    writeSync(stop.writeEnd, 'x');
    await ended;
    closeSync(stop.readEnd);
    closeSync(stop.writeEnd);
  }
}

function seen(worker: Worker, signal: AbortSignal, isIt: (message: LinkWatchMessage) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    worker.on('error', reject);
    worker.on('message', (message: LinkWatchMessage) => {
      if (!isIt(message)) return;
      signal.removeEventListener('abort', abort);
      resolve();
    });
  });
}

function announces(datagram: Buffer, mac: string): boolean {
  return decodeMessages(datagram).some(
    ({ type, body }) => type === RTM.newLink && isInterfaceWithMac(decodeLink(body), mac),
  );
}
