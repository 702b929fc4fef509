/** Dumps whose making takes the kernel so long that a thread of libuv's pool asks for them. */
import { NLM_F, NLMSG_DONE, NLMSG_ERROR } from './constants.ts';
import { errnoName, NetlinkError } from './errors.ts';
import {
  decodeAcknowledgement,
  decodeMessages,
  encodeRequest,
  type NetlinkMessage,
  type NetlinkRequest,
  wordsOf,
} from './message.ts';
import type { OpenNetlinkSocket } from './transport.ts';

/**
 * The objects, datagram by datagram (at most 32 KiB each), so that a long dump can be read in pieces. A dump that others' changes
 * interrupt is not repeated. Throws `NetlinkError`.
 */
export async function* dumpInThreadPool(
  socket: OpenNetlinkSocket,
  request: NetlinkRequest,
): AsyncGenerator<readonly NetlinkMessage[]> {
  const sequence = socket.nextSequence();
  await socket.sendInThreadPool(encodeRequest(request, sequence, NLM_F.dump));
  for (;;) {
    const datagram = socket.receive();
    if (datagram === undefined) throw new NetlinkError('ENODATA', wordsOf(request), 'dump ended early');
    const ours = decodeMessages(datagram).filter((message) => message.sequence === sequence);
    const end = ours.findIndex(({ type }) => type === NLMSG_DONE || type === NLMSG_ERROR);
    yield end < 0 ? ours : ours.slice(0, end);
    const last = ours[end];
    if (last === undefined) continue;
    const { errno, kernelText } = decodeAcknowledgement(last);
    if (errno !== 0) throw new NetlinkError(errnoName(errno), wordsOf(request), kernelText);
    return;
  }
}
