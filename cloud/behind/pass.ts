/** Requests that are none of ours, byte for byte: method, path, headers in their order and spelling, body; and back. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Upstream } from './upstream.ts';

/** These belong to one connection (RFC 9110, 7.6.1): each side of ours has its own. */
const OF_ONE_HOP = new Set(['connection', 'keep-alive', 'proxy-connection']);

export interface PassOptions {
  /** The whole body, where it was read already; else it is streamed. */
  readonly body?: Buffer;
  /** Cut the connection in place of the answer. */
  readonly cut?: boolean;
}

/**
 * Passes a request on and its answer back. Resolves with the status when the answer is through; 502 says that the other
 * side did not answer, in a sentence.
 */
export async function passThrough(
  upstream: Upstream,
  request: IncomingMessage,
  response: ServerResponse,
  { body, cut = false }: PassOptions = {},
): Promise<number> {
  const outgoing = upstream.open(request.method ?? 'GET', request.url ?? '/', headersOf(request));
  // A client that goes away takes its request with it.
  response.once('close', () => outgoing.destroy());
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
  });
  const sent = body === undefined ? pipeline(request, outgoing) : Promise.resolve(void outgoing.end(body));
  // A server may answer before it has read all: what then fails of the sending is told by the answer.
  sent.catch(() => undefined);
  let answer: IncomingMessage;
  try {
    answer = await answered;
  } catch (error) {
    return refuse(upstream, response, error);
  }
  const status = answer.statusCode ?? 502;
  if (cut) {
    answer.resume();
    request.socket.resetAndDestroy();
    return status;
  }
  response.sendDate = false;
  response.writeHead(status, answer.statusMessage, withoutHop(answer.rawHeaders));
  await pipeline(answer, response).catch(() => response.destroy());
  return status;
}

function headersOf(request: IncomingMessage): string[] {
  const headers = withoutHop(request.rawHeaders);
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  // Node would send a body of no known length in chunks, where the client sends none.
  return length === undefined && encoding === undefined && mayHaveBody(request)
    ? [...headers, 'Content-Length', '0']
    : headers;
}

function mayHaveBody({ method }: IncomingMessage): boolean {
  return !['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'].includes(method ?? 'GET');
}

function withoutHop(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const [name = '', value = ''] = [raw[index], raw[index + 1]];
    if (!OF_ONE_HOP.has(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}

function refuse(upstream: Upstream, response: ServerResponse, error: unknown): number {
  const reason = error instanceof Error ? error.message : String(error);
  const text = `wellspring-cloud: ${upstream.url.origin} does not answer: ${reason}\n`;
  if (!response.headersSent && !response.destroyed) {
    response.writeHead(502, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
  }
  return 502;
}
