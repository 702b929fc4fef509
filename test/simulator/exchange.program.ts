/** One part of a run that tells more than there is room for, and at each step waits for nothing (exchange.test.ts). */
import { workerData } from 'node:worker_threads';
import { SharedExchange } from '#warm-pool/simulator/exchange.ts';

const { memory, news } = workerData as { readonly memory: SharedArrayBuffer; readonly news: number };
const exchange = new SharedExchange(memory, 2, 1, () => undefined);
for (let at = 0; at < news; at += 1) {
  exchange.reached(at);
  exchange.tell(at, at % 7, at % 11);
}
exchange.end();
