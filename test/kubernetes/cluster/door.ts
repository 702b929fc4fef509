/** Connections to a unix socket go on to a port on loopback of the network namespace that this process runs in. */
import { connect, createServer } from 'node:net';

const [path = '', port = ''] = process.argv.slice(2);
const server = createServer((client) => {
  const upstream = connect({ host: '127.0.0.1', port: Number(port) });
  client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
  upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
  client.pipe(upstream).pipe(client);
});
server.listen(path);
