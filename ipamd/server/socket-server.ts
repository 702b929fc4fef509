/**
 * The unix socket on which the CNI binary is served: one request and one answer for each connection.
 *
 * The directory is root's alone (0700) and the socket 0600, so only root reaches it. A second daemon is refused while
 * the first one answers; a socket file that nobody answers on is left over from a crash and is replaced.
 */
import { chmod, unlink } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { MAX_ID_LENGTH, parseRequest } from '#cni/protocol/envelope.ts';
import { ProtocolError } from '#cni/protocol/errors.ts';
import { encodeFrame, FrameDecoder } from '#cni/protocol/frame.ts';
import {
  PROTOCOL_VERSION,
  type RequestEnvelope,
  type ResponseEnvelope,
  type WireError,
} from '#cni/protocol/messages.ts';
import { errorFields, type Log } from '../observe/log.ts';
import { ignoreAbsence, privateDirectory, somebodyAnswers } from './claim.ts';

/** What is known of a request beside its words. `signal` aborts when the client hangs up or its deadline passes. */
export interface RequestContext {
  readonly signal: AbortSignal;
  readonly deadline: number;
  readonly log: Log;
}

/** Resolves to the CNI result; every rejection is turned into a WireError by `toWireError`. */
export type Handler = (request: RequestEnvelope, context: RequestContext) => Promise<unknown>;

export interface SocketServerOptions {
  readonly path: string;
  readonly handle: Handler;
  readonly toWireError: (error: unknown) => WireError;
  readonly log: Log;
}

/** A client that has not sent its whole request after this long is let go. */
const REQUEST_DEADLINE_MS = 5000;
const ANSWER_MARGIN_MS = 250;

export class SocketServer {
  readonly #options: SocketServerOptions;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #running = new Set<Promise<void>>();

  private constructor(options: SocketServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Listening when it resolves. Rejects when another daemon answers on the path. */
  static async listen(options: SocketServerOptions): Promise<SocketServer> {
    await privateDirectory(dirname(options.path));
    if (await somebodyAnswers(options.path)) throw new Error(`another daemon serves ${options.path}; stop it first`);
    await unlink(options.path).catch(ignoreAbsence);
    const server = new SocketServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(options.path, resolve);
    });
    await chmod(options.path, 0o600);
    return server;
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    const patience = setTimeout(() => socket.destroy(), REQUEST_DEADLINE_MS);
    socket.on('error', (error) => this.#options.log.debug(errorFields(error), 'connection failed'));
    socket.on('close', () => {
      clearTimeout(patience);
      this.#open.delete(socket);
    });
    const decoder = new FrameDecoder();
    let served = false;
    socket.on('data', (chunk: Buffer) => {
      if (served) return;
      let value: unknown;
      try {
        [value] = decoder.push(chunk);
        if (value === undefined) return;
        served = true;
        clearTimeout(patience);
        this.#track(this.#serve(socket, parseRequest(value)));
      } catch (error) {
        served = true;
        this.#answer(socket, { version: PROTOCOL_VERSION, id: idOf(value), error: this.#options.toWireError(error) });
      }
    });
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  async #serve(socket: Socket, request: RequestEnvelope): Promise<void> {
    const ending = new AbortController();
    const gone = () => ending.abort(new ProtocolError('unreachable', 'the client hung up'));
    socket.once('close', gone);
    // A client that half-closes has stopped waiting as well: it never does so before it has its answer.
    socket.once('end', gone);
    const deadlineMs = Math.max(1, request.deadlineMs - ANSWER_MARGIN_MS);
    // AbortSignal.timeout would stay until then, with all that listens to it: a minute's worth of requests.
    const late = setTimeout(
      () => ending.abort(new DOMException('not within its deadline', 'TimeoutError')),
      deadlineMs,
    );
    const { signal } = ending;
    const log = this.#options.log.child({ request: request.id, method: request.method });
    const context = { signal, deadline: Date.now() + deadlineMs, log };
    let response: ResponseEnvelope;
    try {
      response = { version: PROTOCOL_VERSION, id: request.id, result: await this.#options.handle(request, context) };
    } catch (error) {
      response = { version: PROTOCOL_VERSION, id: request.id, error: this.#options.toWireError(error) };
    }
    clearTimeout(late);
    socket.off('close', gone);
    socket.off('end', gone);
    this.#answer(socket, response);
  }

  #answer(socket: Socket, response: ResponseEnvelope): void {
    if (socket.destroyed) return;
    socket.end(this.#encode(response));
  }

  /** An error may quote what the client sent; where that makes it too large, the error about that is sent instead. */
  #encode(response: ResponseEnvelope): Uint8Array {
    try {
      return encodeFrame(response);
    } catch (error) {
      return encodeFrame({ version: PROTOCOL_VERSION, id: response.id, error: this.#options.toWireError(error) });
    }
  }

  /** Stops accepting, lets running requests finish (they have deadlines), removes the socket file. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.allSettled(this.#running);
    for (const socket of this.#open) socket.destroy();
    await closed;
    await unlink(this.#options.path).catch(ignoreAbsence);
  }
}

/** The id of a request that may be malformed elsewhere; `-` where it has none that can be echoed. */
function idOf(value: unknown): string {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
  return typeof id === 'string' && id.length <= MAX_ID_LENGTH ? id : '-';
}
