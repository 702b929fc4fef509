/**
 * Conversations with the kernel over one socket: a batch of requests with one acknowledgement, and dumps. Everything is
 * synchronous: the kernel has queued its answers when `send` returns, so nothing here ever waits.
 */
import { NLM_F, NLMSG_DONE, NLMSG_ERROR } from './constants.ts';
import { errnoName, NetlinkError } from './errors.ts';
import {
  type Batch,
  batchOf,
  decodeAcknowledgement,
  decodeMessages,
  encodeRequest,
  type NetlinkMessage,
  type NetlinkRequest,
  numberRequest,
  wordsOf,
} from './message.ts';

/** The part of a socket that a conversation needs. */
export interface NetlinkSocket {
  /** Hands one datagram to the kernel, which processes it before this returns. */
  send(bytes: Uint8Array): void;
  /** The next queued datagram; undefined if there is none. */
  receive(): Buffer | undefined;
  /** A number that no other request on this socket carries. */
  nextSequence(): number;
}

/** A dump that objects were added to or removed from meanwhile is started again; so often at most (as netlinksafe does). */
const DUMP_ATTEMPTS = 5;

/**
 * Sends all requests as one datagram and returns what the kernel refused and was not tolerated, in order. The kernel
 * goes on after a refusal, so later requests may have been carried out. `acknowledged` is the place of the request that
 * asks for an acknowledgement, the last one unless given; after its answer nothing more is read.
 */
export function attempt(
  socket: NetlinkSocket,
  requests: readonly NetlinkRequest[],
  acknowledged = requests.length - 1,
): readonly NetlinkError[] {
  return requests.length === 0 ? [] : attemptBatch(socket, batchOf(requests, acknowledged), acknowledged);
}

/** The same for requests that are encoded already. */
export function attemptBatch(
  socket: NetlinkSocket,
  batch: Batch,
  acknowledged = batch.starts.length - 1,
): readonly NetlinkError[] {
  const sequences = batch.starts.map(() => socket.nextSequence());
  for (let index = 0; index < sequences.length; index += 1) numberRequest(batch, index, sequences[index] ?? 0);
  socket.send(batch.bytes);
  const failures: NetlinkError[] = [];
  for (let isAnswered = false; !isAnswered;) {
    const datagram = socket.receive();
    if (datagram === undefined && failures.length > 0) break;
    if (datagram === undefined) throw new NetlinkError('ENODATA', lastWords(batch), 'no answer');
    for (const message of decodeMessages(datagram)) {
      const index = message.type === NLMSG_ERROR ? sequences.indexOf(message.sequence) : -1;
      if (index < 0) continue;
      isAnswered ||= index === acknowledged;
      if (message.body.length >= 4 && message.body.readInt32LE(0) === 0) continue;
      const asked = batch.requests()[index];
      const failure = asked === undefined ? undefined : refusal(asked, message);
      if (failure !== undefined) failures.push(failure);
    }
  }
  return failures;
}

function lastWords(batch: Batch): string {
  const last = batch.requests().at(-1);
  return last === undefined ? '' : wordsOf(last);
}

function refusal(request: NetlinkRequest, message: NetlinkMessage): NetlinkError | undefined {
  const { errno, kernelText } = decodeAcknowledgement(message);
  if (errno === 0 || request.tolerate?.includes(errnoName(errno)) === true) return undefined;
  return new NetlinkError(errnoName(errno), wordsOf(request), kernelText);
}

/** Like `attempt`, but throws the first refusal. */
export function submit(socket: NetlinkSocket, requests: readonly NetlinkRequest[], acknowledged?: number): void {
  const [first] = attempt(socket, requests, acknowledged);
  if (first !== undefined) throw first;
}

/** The same for requests that are encoded already. */
export function submitBatch(socket: NetlinkSocket, batch: Batch): void {
  const [first] = attemptBatch(socket, batch);
  if (first !== undefined) throw first;
}

/** One object by its key: the single answer, or undefined when the kernel answers with one of the tolerated errors. */
export function getOne(socket: NetlinkSocket, request: NetlinkRequest): NetlinkMessage | undefined {
  const sequence = socket.nextSequence();
  socket.send(encodeRequest(request, sequence));
  for (;;) {
    const datagram = socket.receive();
    if (datagram === undefined) throw new NetlinkError('ENODATA', wordsOf(request), 'no answer');
    const answer = decodeMessages(datagram).find((message) => message.sequence === sequence);
    if (answer === undefined) continue;
    if (answer.type !== NLMSG_ERROR) return answer;
    const failure = refusal(request, answer);
    if (failure === undefined) return undefined;
    throw failure;
  }
}

/** All objects of one kind. An interrupted dump is repeated; after five in a row this throws EINTR. */
export function dump(socket: NetlinkSocket, request: NetlinkRequest): readonly NetlinkMessage[] {
  for (let round = 0; round < DUMP_ATTEMPTS; round += 1) {
    const { messages, interrupted } = dumpOnce(socket, request);
    if (!interrupted) return messages;
  }
  throw new NetlinkError('EINTR', wordsOf(request), `interrupted ${DUMP_ATTEMPTS} times by concurrent changes`);
}

function dumpOnce(
  socket: NetlinkSocket,
  request: NetlinkRequest,
): { messages: NetlinkMessage[]; interrupted: boolean } {
  const sequence = socket.nextSequence();
  socket.send(encodeRequest(request, sequence, NLM_F.dump));
  const messages: NetlinkMessage[] = [];
  let interrupted = false;
  for (;;) {
    const datagram = socket.receive();
    if (datagram === undefined) throw new NetlinkError('ENODATA', wordsOf(request), 'dump ended early');
    for (const message of decodeMessages(datagram)) {
      if (message.sequence !== sequence) continue;
      interrupted ||= (message.flags & NLM_F.dumpInterrupted) !== 0;
      if (message.type === NLMSG_DONE || message.type === NLMSG_ERROR) {
        const failure = refusal(request, message);
        if (failure === undefined) return { messages, interrupted };
        throw failure;
      }
      messages.push(message);
    }
  }
}
