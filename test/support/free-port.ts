/** A port for a program that is told its port before it listens. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below what the kernel takes by itself (ip-sysctl, ip_local_port_range: 32768 and up), for whoever connects or listens on port 0. */
const [LOWEST, BEYOND] = [10_000, 30_000];

/** Nobody has it on loopback, and nobody gets it by chance: it may be left and taken again. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, BEYOND);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
