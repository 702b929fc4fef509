/** One exchange with the daemon from Node: for the fallback of the CNI binary. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { ProtocolError } from './errors.ts';
import { FrameCollector, decodeText, frameText } from './frame.ts';
import { MAX_FRAME_BYTES } from './messages.ts';

export interface ExchangeOptions {
  /** For the whole exchange, connecting included. */
  readonly timeoutMs: number;
  /** Ends the exchange early; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly maxAnswerBytes?: number;
}

/** Sends one frame and returns the text of the first frame that comes back. The connection is closed in every case. @throws ProtocolError */
export async function exchangeText(socketPath: string, text: string, options: ExchangeOptions): Promise<string> {
  const frame = frameText(text);
  options.signal?.throwIfAborted();
  const socket = connect({ path: socketPath });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(
    () => reject(new ProtocolError('timeout', `no answer within ${options.timeoutMs} ms`)),
    options.timeoutMs,
  );
  const onAbort = (): void => reject(options.signal?.reason);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  receiveOne(socket, options.maxAnswerBytes ?? MAX_FRAME_BYTES, resolve, reject);
  socket.write(frame);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}

function receiveOne(
  socket: Socket,
  limit: number,
  resolve: (text: string) => void,
  reject: (error: unknown) => void,
): void {
  const collector = new FrameCollector(limit);
  let connected = false;
  socket.on('connect', () => (connected = true));
  socket.on('data', (chunk: Buffer) => {
    try {
      const [body] = collector.push(chunk);
      if (body !== undefined) resolve(decodeText(body));
    } catch (error) {
      reject(error);
    }
  });
  socket.on('error', (cause: NodeJS.ErrnoException) => {
    const reason = connected ? HUNG_UP : `connect: ${cause.code ?? cause.message}`;
    reject(new ProtocolError('unreachable', reason, { cause }));
  });
  socket.on('end', () => reject(new ProtocolError('unreachable', HUNG_UP)));
}

const HUNG_UP = 'the connection closed before the answer was whole';
