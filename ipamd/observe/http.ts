/** A small HTTP server for GET routes: metrics, health, introspection. One listener, TCP or unix socket. */
import { chmod, unlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';

export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Path -> page. A route that throws answers 500 with the message. */
export type Routes = Readonly<Record<string, (query: URLSearchParams) => Page | Promise<Page>>>;

export function json(value: unknown, status = 200): Page {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n` };
}

export function text(body: string, status = 200): Page {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` };
}

export class HttpEndpoint {
  readonly #server: Server;
  readonly #socketPath: string | undefined;

  private constructor(server: Server, socketPath: string | undefined) {
    this.#server = server;
    this.#socketPath = socketPath;
  }

  /** `bind`: `ADDRESS:PORT`, `:PORT` (every address) or `unix:/path` (mode 0600). */
  static async listen(bind: string, routes: Routes): Promise<HttpEndpoint> {
    const server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      void pageFor(request.method ?? 'GET', url, routes).then((page) => {
        response.writeHead(page.status, { 'content-type': page.contentType });
        response.end(page.body);
      });
    });
    const socketPath = bind.startsWith('unix:') ? bind.slice('unix:'.length) : undefined;
    if (socketPath !== undefined) await unlink(socketPath).catch(ignoreAbsence);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new Error(`cannot listen on ${bind}: ${error.message}`, { cause: error })),
      );
      server.listen(socketPath === undefined ? hostAndPort(bind) : { path: socketPath }, resolve);
    });
    if (socketPath !== undefined) await chmod(socketPath, 0o600);
    return new HttpEndpoint(server, socketPath);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    if (this.#socketPath !== undefined) await unlink(this.#socketPath).catch(ignoreAbsence);
  }
}

async function pageFor(method: string, url: URL, routes: Routes): Promise<Page> {
  if (method !== 'GET') return text('only GET is served', 405);
  const route = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  if (route === undefined) return text(`no such page; there are: ${Object.keys(routes).join(' ')}`, 404);
  try {
    return await route(url.searchParams);
  } catch (error) {
    return text(error instanceof Error ? error.message : String(error), 500);
  }
}

function hostAndPort(bind: string): { readonly port: number; readonly host?: string } {
  const colon = bind.lastIndexOf(':');
  const host = bind.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(bind.slice(colon + 1));
  return host === '' ? { port } : { port, host };
}

function ignoreAbsence(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
