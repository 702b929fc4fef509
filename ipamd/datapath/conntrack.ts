/**
 * The kernel's connection entries of addresses that no pod has. A new pod with such an address would be sent what was
 * meant for the one before it, by way of translations that are still in force.
 */
import { setImmediate } from 'node:timers/promises';
import { familyOf, type IpFamily } from './ip.ts';
import { asDatapathError } from './kernel.ts';
import { type ConnectionEntry, decodeConnection, deleteConnection, dumpConnections } from './netlink/ctnetlink.ts';
import { submit } from './netlink/exchange.ts';
import { dumpInThreadPool } from './netlink/thread-dump.ts';
import {
  currentNamespace,
  openNamespace,
  openNetlink,
  type OpenNetlinkSocket,
  warmThreadPool,
  withinNamespace,
} from './netlink/transport.ts';

/** Datagrams (at most 32 KiB, some hundred entries) and deletions between two turns of the event loop: a few milliseconds. */
const DATAGRAMS_A_TURN = 8;
const DELETIONS_A_TURN = 256;

/** The connection tracking of one network namespace. */
export interface Conntrack {
  /**
   * Deletes every entry that has one of these addresses (IPv6 as RFC 5952 spells it) at either end, as sent or as answered, and says how many each
   * had. `stillWanted` is asked before each deletion: entries of an address that a pod has got meanwhile are left alone.
   * Throws `DatapathError`, or the signal's reason.
   */
  sweep(
    addresses: ReadonlySet<string>,
    stillWanted: (address: string) => boolean,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, number>>;
}

/** Of this process's own network namespace, or of the one given by path. Needs CAP_NET_ADMIN. */
export function conntrackOf(options: { readonly hostNetns?: string } = {}): Conntrack {
  return {
    async sweep(addresses, stillWanted, signal) {
      await warmThreadPool();
      try {
        // Its own for each sweep: one that was cut off leaves a socket busy with the rest of its dump.
        using socket = openIn(options.hostNetns);
        return await sweep(socket, addresses, stillWanted, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw asDatapathError(error);
      }
    },
  };
}

function openIn(netns: string | undefined): OpenNetlinkSocket {
  if (netns === undefined) return openNetlink({ family: 'netfilter' });
  using home = currentNamespace();
  using target = openNamespace(netns);
  return withinNamespace(target, home, () => openNetlink({ family: 'netfilter' }));
}

async function sweep(
  socket: OpenNetlinkSocket,
  addresses: ReadonlySet<string>,
  stillWanted: (address: string) => boolean,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  // Deleted after the dump: entries that move while they are listed would be listed twice or not at all.
  const found: { readonly entry: ConnectionEntry; readonly ours: readonly string[] }[] = [];
  const families = new Set([...addresses].map(familyOf));
  const [family = 'any'] = families.size === 1 ? families : [];
  await eachConnection(socket, family, signal, (entry) => {
    const ours = [...entry.addresses].filter((address) => addresses.has(address));
    if (ours.length > 0) found.push({ entry, ours });
  });
  for (const [index, { entry, ours }] of found.entries()) {
    if (index % DELETIONS_A_TURN === DELETIONS_A_TURN - 1) await turn(signal);
    const wanted = ours.filter(stillWanted);
    if (wanted.length < ours.length) continue;
    submit(socket, [deleteConnection(entry.key)]);
    for (const address of wanted) counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  return counts;
}

/** A dump in pieces: a busy node has hundreds of thousands of entries, and pods wait for the event loop. */
async function eachConnection(
  socket: OpenNetlinkSocket,
  family: IpFamily | 'any',
  signal: AbortSignal,
  see: (entry: ConnectionEntry) => void,
): Promise<void> {
  let read = 0;
  // The kernel walks the whole table before it answers, whatever is in it: two milliseconds, of another thread.
  for await (const messages of dumpInThreadPool(socket, dumpConnections(family))) {
    signal.throwIfAborted();
    for (const { body } of messages) {
      const entry = decodeConnection(body);
      if (entry !== undefined) see(entry);
    }
    read += 1;
    if (read % DATAGRAMS_A_TURN === 0) await turn(signal);
  }
}

async function turn(signal: AbortSignal): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}
