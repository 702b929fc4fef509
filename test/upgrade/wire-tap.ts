/** Stands between the CNI binary and a daemon's socket, and keeps the bytes of both directions, a pair for each connection. */
import { connect, createServer } from 'node:net';
import { once } from 'node:events';

/** One connection: what the client sent, and what it was answered. */
export interface Exchange {
  readonly request: Buffer;
  readonly response: Buffer;
}

export interface WireTap extends AsyncDisposable {
  readonly exchanges: readonly Exchange[];
}

/** Listens on `path` until disposed of; the daemon is at `daemon`. */
export async function wireTap(path: string, daemon: string): Promise<WireTap> {
  const exchanges: Exchange[] = [];
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const request: Buffer[] = [];
    const response: Buffer[] = [];
    const upstream = connect({ path: daemon, allowHalfOpen: true });
    client.on('data', (bytes: Buffer) => request.push(bytes));
    upstream.on('data', (bytes: Buffer) => response.push(bytes));
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.on('close', () => {
      exchanges.push({ request: Buffer.concat(request), response: Buffer.concat(response) });
      upstream.destroy();
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    exchanges,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}
