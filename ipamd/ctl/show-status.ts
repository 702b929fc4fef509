/** `status`: the node in a few lines. */
import { counted } from '../observe/explain-action.ts';
import type { StatusAnswer } from '../observe/introspection.ts';
import { aligned } from './table.ts';
import { relative, span } from './words.ts';

export function showStatus(status: StatusAnswer, now: number): string {
  const { pool, limits, mode, family } = status;
  const uses = `${pool.assigned} assigned, ${pool.cooling} cooling down, ${pool.free} free`;
  const taken = mode === 'prefix' ? `as /28 prefixes (${pool.prefixes})` : 'one by one';
  const from = { ipv4: taken, ipv6: 'out of a /80 prefix', dual: `${taken}, each with one out of a /80 prefix` }[
    family
  ];
  const bound = limits.maxPods === Number.MAX_SAFE_INTEGER ? '' : `; for at most ${counted(limits.maxPods, 'pod')}`;
  return aligned([
    ['node', `${status.instanceId} (${status.instanceType}), ${status.primaryAddress} in ${status.subnetId}`],
    ['ipamd', `${status.version}, up ${span(status.upSeconds * 1000)}`],
    ['ENIs', interfacesLine(status.cards)],
    ['addresses', `${pool.total}: ${uses}; taken ${from}${bound}`],
    ['waiting', pool.waiting === 0 ? 'nobody' : counted(pool.waiting, 'pod')],
    ['cloud', cloudLine(status.cloud, now)],
  ]);
}

function interfacesLine(cards: StatusAnswer['cards']): string {
  const all = cards.map(({ networkCardIndex, hostsPods, interfaces, maxInterfaces }) => {
    const figures = hostsPods ? `${interfaces} of ${maxInterfaces}` : `${interfaces}, which host no pods`;
    return networkCardIndex === 0 ? figures : `on network card ${networkCardIndex} ${figures}`;
  });
  return all.join('; ');
}

function cloudLine({ inFlight, backOffUntil, lastError }: StatusAnswer['cloud'], now: number): string {
  const parts = [
    inFlight === 0 ? 'nothing under way' : `${counted(inFlight, 'action')} under way`,
    ...(backOffUntil === null ? [] : [`nothing is asked until ${relative(backOffUntil, now)}`]),
    ...(lastError === null ? [] : [`last refusal: ${lastError}`]),
  ];
  return parts.join('; ').replace('until in ', 'for ');
}
