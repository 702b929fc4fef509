/** The API server, for nodes in network namespaces. */
import { connect, createServer } from 'node:net';
import { listenInNamespace } from '#test/support/listen-in-namespace.ts';
import type { ControlPlane } from '../control-plane.ts';

export const API_PORT = 6443;

/** Connections to API_PORT on every address of that namespace go on to the API server, which listens on loopback here. */
export function forwardToApi(netns: string, api: Pick<ControlPlane, 'url'>): AsyncDisposable {
  const port = Number(new URL(api.url).port);
  const open = new Set<{ destroy(): void }>();
  const server = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.listen({ fd: listenInNamespace(netns, API_PORT) });
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const each of open) each.destroy();
      await closed;
    },
  };
}
