import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';

/** Where to listen: an address (port 0 picks a free one), a unix socket, or a socket that listens already. */
export type ListenAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
  | { readonly fd: number }
  | { readonly server: Server };

/** A listener could not be opened; the message says in a sentence what is in the way. */
export class ListenError extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'ListenError';
  }
}

/** An open listener. Disposing of it cuts its connections. */
export interface Listening extends AsyncDisposable {
  /** How a client on this machine reaches it: `http://host:port`, or `unix:path`. */
  readonly endpoint: string;
}

/** Opens an HTTP listener. Throws `ListenError`. */
export async function listenHttp(listener: RequestListener, address: ListenAddress): Promise<Listening> {
  const server = createServer({ keepAliveTimeout: 30_000, requestTimeout: 60_000 }, listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new ListenError(explain(address, error), error)));
    server.listen('server' in address ? address.server : address, resolve);
  });
  return {
    endpoint: endpointOf(server.address()),
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function endpointOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') return `unix:${address ?? ''}`;
  const host = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[address.address] ?? address.address;
  return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${address.port}`;
}

/** In a sentence, what is in the way. */
export function explain(address: ListenAddress, error: NodeJS.ErrnoException): string {
  const where =
    'host' in address
      ? `${address.host}:${address.port}`
      : 'path' in address
        ? address.path
        : 'fd' in address
          ? `descriptor ${address.fd}`
          : 'the socket that was handed over';
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is already in use: stop what listens there or choose another one.`;
    case 'EADDRNOTAVAIL':
      return `${where} is not an address of this machine.`;
    case 'EACCES':
      return `${where} may not be opened by this user.`;
    case undefined:
    default:
      return `${where} cannot be opened: ${error.message}`;
  }
}
