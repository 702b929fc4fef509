/**
 * The API server's protocol for the few resources that the daemon touches: list, watch, create, patch, over real HTTP, with
 * the failures that a real one has and that cannot be ordered from it: dropped watches, 410, 401, slow and malformed answers.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePort } from '../free-port.ts';
import { type Json, jsonPatch, mergePatch, PatchRefused, strategicPatch } from './patch.ts';
import { ObjectStore, type StoredObject } from './object-store.ts';

/** Plural -> kind; what stands in a path. */
const KINDS: Readonly<Record<string, string>> = {
  nodes: 'Node',
  pods: 'Pod',
  events: 'Event',
  eniconfigs: 'ENIConfig',
  cninodes: 'CNINode',
  leases: 'Lease',
};
const PATH =
  /^(?<base>\/api\/v1|\/apis\/(crd\.k8s\.amazonaws\.com|vpcresources\.k8s\.aws)\/v1alpha1|\/apis\/coordination\.k8s\.io\/v1)(\/namespaces\/(?<namespace>[^/]+))?\/(?<plural>[a-z]+)(\/(?<name>[^/]+))?(?<status>\/status)?$/;

/** An address, or a socket that listens already. */
type ListenAt = { readonly host: string; readonly port: number } | { readonly fd: number };

interface Outcome {
  readonly status: number;
  readonly answer: Json;
}

interface Order {
  readonly method: string;
  readonly target: Target | undefined;
  readonly query: URLSearchParams;
  readonly body: string;
  readonly contentType: string;
}

interface Target {
  readonly base: string;
  readonly namespace?: string;
  readonly plural: string;
  readonly name?: string;
}

export interface Faults {
  /** Answer every request with this status. */
  status?: number;
  /** `Retry-After` of such answers, seconds. */
  retryAfter?: number;
  /** Milliseconds before an answer begins. */
  delayMs?: number;
  /** Objects that lists hold beside the real ones. */
  listed?: readonly unknown[];
  /** Lists are this text instead. */
  listText?: string;
}

export class FakeApiServer {
  readonly store = new ObjectStore();
  readonly requests: {
    readonly method: string;
    readonly path: string;
    readonly query: URLSearchParams;
    /** On the clock of `performance`, milliseconds. */
    readonly at: number;
  }[] = [];
  readonly #watches = new Set<ServerResponse>();
  /** May be changed at any time. */
  faults: Faults = {};
  token = 'first';
  readonly #listen: (() => ListenAt) | undefined;
  #server: Server | undefined;
  #port = 0;

  /** `listen` says where, each time it starts: a port of its own on loopback where it is absent. */
  constructor(listen?: () => ListenAt) {
    this.#listen = listen;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    this.#server = server;
    // Nobody else gets the port while it does not listen.
    const at = this.#listen?.() ?? { host: '127.0.0.1', port: this.#port === 0 ? await freePort() : this.#port };
    await new Promise<void>((resolve) => server.listen(at, resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Nobody listens any more; `start` comes back on the same port with the same objects. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.dropWatches();
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  dropWatches(): void {
    for (const watch of this.#watches) watch.destroy();
    this.#watches.clear();
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  /** A line as it stands into every watch. */
  sayInWatches(line: string): void {
    for (const watch of this.#watches) watch.write(`${line}\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const { method = 'GET' } = request;
    this.requests.push({ method, path: url.pathname, query: url.searchParams, at: performance.now() });
    const body = await textOf(request);
    const { status, retryAfter, delayMs } = this.faults;
    if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
    if (status !== undefined) return refuse(response, status, 'as ordered');
    if (request.headers.authorization !== `Bearer ${this.token}`) return refuse(response, 401, 'Unauthorized');
    const target = targetOf(url.pathname);
    if (target !== undefined && target.name === undefined && method === 'GET') {
      if (url.searchParams.get('watch') === 'true') return this.#watch(target, url.searchParams, response);
      if (this.faults.listText !== undefined) return void response.end(this.faults.listText);
    }
    const contentType = request.headers['content-type'] ?? '';
    const { status: done, answer } = this.#carryOut({ method, target, query: url.searchParams, body, contentType });
    send(response, done, answer);
  }

  /** What no fault and no log of requests touches: for the test itself, which plays everybody else. */
  administer(method: string, path: string, body: unknown, contentType: string): Outcome {
    const url = new URL(path, this.url);
    const text = body === undefined ? '' : JSON.stringify(body);
    return this.#carryOut({ method, target: targetOf(url.pathname), query: url.searchParams, body: text, contentType });
  }

  #carryOut({ method, target, query, body, contentType }: Order): Outcome {
    if (target === undefined) return failure(404, 'no such path');
    if (method === 'GET' && target.name === undefined) return { status: 200, answer: this.#list(target, query) };
    const collection = collectionOf(target);
    const posted = method === 'POST' ? (JSON.parse(body) as Json) : {};
    const name = target.name ?? String((posted['metadata'] as Json | undefined)?.['name']);
    const before = this.store.get(`${collection}/${name}`);
    if (method === 'POST') {
      if (before !== undefined) return failure(409, `${name} already exists`);
      const namespace = target.namespace === undefined ? {} : { namespace: target.namespace };
      const metadata = { ...(posted['metadata'] as Json), ...namespace };
      return { status: 201, answer: this.store.put(collection, name, { ...posted, metadata }) ?? {} };
    }
    if (before === undefined) return failure(404, `${target.plural} "${name}" not found`);
    if (method === 'DELETE') return { status: 200, answer: this.store.put(collection, name, undefined) ?? {} };
    if (method !== 'PATCH') return { status: 200, answer: before };
    try {
      const after = patched(before, JSON.parse(body), contentType);
      return { status: 200, answer: this.store.put(collection, name, after) ?? {} };
    } catch (error) {
      if (error instanceof PatchRefused) return failure(error.status, error.message);
      throw error;
    }
  }

  #list(target: Target, query: URLSearchParams): Json {
    const { listed = [] } = this.faults;
    const all = this.store
      .list((collection) => matches(collection, target))
      .filter((object) => selected(object, query));
    // As the real one: a limit counts only where the answer is not out of the cache.
    const limit = query.get('resourceVersion') === '0' ? Infinity : Number(query.get('limit') ?? Infinity);
    const from = Number(query.get('continue') ?? 0);
    const items = [...all.slice(from, from + limit), ...listed];
    const more = from + limit < all.length ? { continue: String(from + limit) } : {};
    const metadata = { resourceVersion: String(this.store.version), ...more };
    return { kind: `${KINDS[target.plural]}List`, metadata, items };
  }

  #watch(target: Target, query: URLSearchParams, response: ServerResponse): void {
    let version = Number(query.get('resourceVersion') ?? this.store.version);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (version < this.store.oldest) {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
      return void response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
    }
    const tell = (): void => {
      for (const event of this.store.since(version)) {
        version = event.version;
        if (matches(event.collection, target) && selected(event.object, query))
          response.write(`${JSON.stringify({ type: event.type, object: event.object })}\n`);
      }
    };
    const end = this.store.onChange(tell);
    this.#watches.add(response);
    response.on('close', () => {
      end();
      this.#watches.delete(response);
    });
    tell();
  }
}

function patched(before: StoredObject, patch: unknown, contentType: string): Json {
  const wanted = ((patch as Json)['metadata'] ?? {}) as Json;
  const { uid, resourceVersion } = before.metadata;
  if (wanted['uid'] !== undefined && wanted['uid'] !== uid)
    throw new PatchRefused(409, 'Precondition failed: UID in precondition');
  if (wanted['resourceVersion'] !== undefined && wanted['resourceVersion'] !== resourceVersion)
    throw new PatchRefused(409, 'the object has been modified');
  if (contentType.startsWith('application/json-patch')) return jsonPatch(before, patch) as Json;
  return (contentType.startsWith('application/strategic') ? strategicPatch : mergePatch)(before, patch) as Json;
}

function collectionOf({ base, namespace, plural }: Target): string {
  return `${base}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural}`;
}

function matches(collection: string, target: Target): boolean {
  const { base, namespace, plural } = target;
  if (namespace !== undefined) return collection === collectionOf(target);
  return collection.startsWith(base) && collection.endsWith(`/${plural}`);
}

function selected(object: StoredObject, query: URLSearchParams): boolean {
  const [field, value] = (query.get('fieldSelector') ?? '').split('=');
  if (field === 'metadata.name') return object.metadata.name === value;
  if (field === 'spec.nodeName') return ((object['spec'] ?? {}) as Json)['nodeName'] === value;
  return true;
}

function targetOf(path: string): Target | undefined {
  const target = PATH.exec(path)?.groups as Target | undefined;
  return target === undefined || KINDS[target.plural] === undefined ? undefined : target;
}

function failure(status: number, message: string): Outcome {
  return { status, answer: { kind: 'Status', status: 'Failure', code: status, message } };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, status: number, message: string): void {
  send(response, status, failure(status, message).answer);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
