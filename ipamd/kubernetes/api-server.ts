/**
 * Requests to the API server as raw JSON over node:https. Who we are comes from @kubernetes/client-node's KubeConfig: CA,
 * client certificate, tokens that rotate, exec plugins, proxies. Every request ends by its deadline or its signal.
 */
import { Agent as HttpAgent, type IncomingMessage, type RequestOptions, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions as HttpsOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { ApiError, refused } from './api-error.ts';
import { linesOf } from './lines.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  /** Of the body; JSON where it is not said. */
  readonly contentType?: string;
  readonly signal: AbortSignal;
}

export interface ApiServerOptions {
  /** Reads the credentials anew. */
  readonly load: () => Promise<KubeConfig>;
  readonly userAgent: string;
  /** Milliseconds until an answer has begun and, for all but watches, ended. */
  readonly timeoutMs: number;
  /** Milliseconds of silence after which a watch is taken for dead. */
  readonly silenceMs: number;
}

const LARGEST_BODY = 64 * 1024 * 1024;

export class ApiServer {
  readonly #options: ApiServerOptions;
  readonly #agents = {
    http: new HttpAgent({ keepAlive: true, maxFreeSockets: 2 }),
    https: new HttpsAgent({ keepAlive: true, maxFreeSockets: 2 }),
  };
  #config: KubeConfig | undefined;

  constructor(options: ApiServerOptions) {
    this.#options = options;
  }

  /** The namespace of our own pod or of the kubeconfig's context; undefined where none is named. */
  async namespace(): Promise<string | undefined> {
    const config = await this.#loaded();
    return config.getContextObject(config.getCurrentContext())?.namespace;
  }

  /** The answer as JSON. Rejects with ApiError, or with the signal's reason. */
  async request(asked: ApiRequest): Promise<unknown> {
    const deadline = AbortSignal.any([asked.signal, AbortSignal.timeout(this.#options.timeoutMs)]);
    const response = await this.#send(asked, deadline);
    return parsed(await guarded(bodyOf(response), asked.signal, deadline));
  }

  /**
   * The lines of a watch as JSON, until the server or the signal ends it; `begun` is called when it has begun. Rejects
   * as `request` does.
   */
  async *watch(asked: ApiRequest, begun: () => void): AsyncGenerator {
    const { timeoutMs, silenceMs } = this.#options;
    const stop = new AbortController();
    const signal = AbortSignal.any([asked.signal, stop.signal]);
    const late = () => stop.abort(new DOMException('the watch was silent for too long', 'TimeoutError'));
    let timer = setTimeout(late, timeoutMs);
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(late, silenceMs);
    };
    try {
      const response = await this.#send(asked, signal);
      heard();
      begun();
      const lines = linesOf(response, heard);
      for (;;) {
        const next = await guarded(lines.next(), asked.signal, stop.signal);
        if (next.done === true) return;
        yield parsed(next.value);
      }
    } finally {
      clearTimeout(timer);
      stop.abort(new Error('the watch has ended'));
    }
  }

  /** Resolves when the status line is there and says success. */
  async #send(asked: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await guarded(this.#begin(asked, signal), asked.signal, signal);
    const { statusCode: status = 0, headers } = response;
    if (status >= 200 && status < 300) return response;
    // Credentials may have been replaced on disk since they were read.
    if (status === 401) this.#config = undefined;
    const text = await guarded(bodyOf(response), asked.signal, signal);
    throw refused(status, tryParse(text), headers['retry-after']);
  }

  async #begin(
    { method, path, query = {}, body, contentType }: ApiRequest,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    signal.throwIfAborted();
    const config = await untilAborted(this.#loaded(), signal);
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new ApiError('malformed', 'the kubeconfig names no current cluster');
    const url = new URL(`${cluster.server.replace(/\/+$/, '')}${path}`);
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
    const security: HttpsOptions = {};
    await untilAborted(config.applyToHTTPSOptions(security), signal);
    const agent =
      cluster.proxyUrl === undefined ? this.#agents[url.protocol === 'http:' ? 'http' : 'https'] : security.agent;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      ...security,
      ...(agent === undefined ? {} : { agent }),
      method,
      signal,
      headers: {
        ...trimmed(security.headers),
        accept: 'application/json',
        'user-agent': this.#options.userAgent,
        ...(text === undefined
          ? {}
          : { 'content-type': contentType ?? 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
    };
    return exchange(url, options, text);
  }

  async #loaded(): Promise<KubeConfig> {
    return (this.#config ??= await this.#options.load());
  }

  [Symbol.dispose](): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }
}

/** Everything that is not an ApiError becomes one, unless `asker` gave up; `deadline` tells a late answer from a broken one. */
async function guarded<T>(work: Promise<T>, asker: AbortSignal, deadline: AbortSignal): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (asker.aborted) throw asker.reason;
    if (error instanceof ApiError) throw error;
    const said = error instanceof Error ? error.message : String(error);
    const what = deadline.aborted
      ? 'the API server did not answer in time'
      : `the API server cannot be reached: ${said}`;
    throw new ApiError('unreachable', what, { cause: error });
  }
}

/** A token file may end in a newline, which no header may hold. */
function trimmed(headers: HttpsOptions['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value).trim()]));
}

function exchange(url: URL, options: RequestOptions, text: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'http:' ? httpRequest : httpsRequest;
    const sent = send(url, options, resolve);
    sent.on('error', reject);
    sent.on('socket', (socket) => socket.setKeepAlive(true, 30_000));
    sent.end(text);
  });
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY)
      throw new ApiError('malformed', `the API server answered with more than ${LARGEST_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parsed(text: string): unknown {
  const value = tryParse(text);
  if (value === undefined)
    throw new ApiError('malformed', `the API server answered with what is no JSON: ${text.slice(0, 100)}`);
  return value;
}

/** Exec plugins and token refreshes have no signal of their own. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
