/**
 * Runs inside a pod's network namespace: `node whoami-client.ts PORT TIMEOUT_MS ADDRESS...`. Sends a datagram to every
 * address each 100 ms until all have answered or the time is over, then prints `{address: sender as the receiver saw it}`.
 */
import { createSocket } from 'node:dgram';

const [port, timeoutMs, ...targets] = process.argv.slice(2);
const socket = createSocket('udp4');
const answers: Record<string, string> = {};

function send(): void {
  for (const target of targets.filter((address) => answers[address] === undefined)) {
    // An unreachable network is an answer that is missing; the callback keeps it from ending the process.
    socket.send('who am I?', Number(port), target, () => undefined);
  }
}

function finish(): void {
  clearInterval(again);
  clearTimeout(timer);
  socket.close();
  process.stdout.write(JSON.stringify(answers));
}

socket.on('message', (message, from) => {
  if (answers[from.address] !== undefined) return;
  answers[from.address] = message.toString().split(':')[0] ?? '';
  if (targets.every((address) => answers[address] !== undefined)) finish();
});
const again = setInterval(send, 100);
const timer = setTimeout(finish, Number(timeoutMs));
send();
