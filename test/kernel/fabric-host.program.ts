/**
 * A host on a network, for tests: `listen` prints every UDP datagram as `udp <source> <payload>` and answers TCP with
 * `<source> <bytes received>`; `udp` sends one datagram; `tcp` sends bytes and prints the answer.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, isIPv6 } from 'node:net';

const PORT = 7777;

function listen(): void {
  const udp = createSocket('udp6', (payload, from) => console.log(`udp ${plain(from.address)} ${payload.toString()}`));
  const tcp = createServer({ allowHalfOpen: true }, (socket) => {
    let received = 0;
    const source = plain(socket.remoteAddress ?? '?');
    socket.on('data', (chunk) => (received += chunk.length));
    socket.on('end', () => socket.end(`${source} ${received}`));
    socket.on('error', (error) => console.log(`tcp error ${error.message}`));
  });
  udp.bind(PORT, '::', () => tcp.listen(PORT, '::', () => console.log('ready')));
}

/** An IPv4 client of a socket for both families shows as `::ffff:10.0.0.1`. */
function plain(address: string): string {
  return address.replace('::ffff:', '');
}

function sendUdp(source: string, destination: string, payload: string): void {
  const socket = createSocket(isIPv6(destination) ? 'udp6' : 'udp4');
  socket.bind({ address: source, port: 0 }, () => {
    socket.send(payload, PORT, destination, (error) => {
      socket.close();
      if (error !== null) throw error;
    });
  });
}

function sendTcp(source: string, destination: string, bytes: number): void {
  const socket = connect({ host: destination, port: PORT, localAddress: source, allowHalfOpen: true });
  socket.setTimeout(5_000, () => socket.destroy(new Error('no answer')));
  socket.on('data', (chunk) => process.stdout.write(chunk));
  socket.on('connect', () => socket.end(Buffer.alloc(bytes, 'x')));
}

const [mode, source = '', destination = '', what = ''] = process.argv.slice(2);
if (mode === 'listen') listen();
else if (mode === 'udp') sendUdp(source, destination, what);
else if (mode === 'tcp') sendTcp(source, destination, Number(what));
else throw new RangeError(`no such mode: ${mode}`);
