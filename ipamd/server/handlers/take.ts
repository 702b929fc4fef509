/** The addresses of one ADD: one of card 0, or for a multi-NIC pod one of every card that hosts pods; all of them or none. */
import type { CniError } from '#cni/spec/errors.ts';
import type { Given, Request } from '../../pool.ts';
import { whyNoAddress } from '../no-address.ts';
import type { RequestContext } from '../socket-server.ts';
import type { HandlerContext } from './context.ts';

type Wanted = readonly [Request, ...Request[]];

/**
 * In the order of `wanted`. Requests for several cards join the queues of all of them at once, so two pods never wait for
 * each other; where one cannot be served within the deadline, what the others got is given back.
 * Throws CniError with what holds the pool up; the signal's reason where the client went away.
 */
export async function takeAll(
  wanted: Wanted,
  request: RequestContext,
  context: HandlerContext,
): Promise<readonly Given[]> {
  const { pool, metrics, news } = context;
  const taken = wanted.map((one) => ({ one, given: pool.tryTake(one) }));
  const lacking = taken.find(({ given }) => given === undefined)?.one;
  if (lacking === undefined) return taken.flatMap(({ given }) => given ?? []);
  metrics.noAddress.inc();
  const card = lacking.networkCardIndex ?? 0;
  const waited = news.waiting(lacking.pod, () => whyNoAddress(context, card));
  let refusal: CniError | undefined;
  try {
    return await waitForAll(taken, request.signal, context);
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'TimeoutError')) throw error;
    refusal = whyNoAddress(context, card);
    throw refusal;
  } finally {
    waited(refusal);
  }
}

interface Taken {
  readonly one: Request;
  readonly given: Given | undefined;
}

async function waitForAll(
  taken: readonly Taken[],
  signal: AbortSignal,
  { pool }: HandlerContext,
): Promise<readonly Given[]> {
  const outcomes = await Promise.allSettled(taken.map(async ({ one, given }) => given ?? pool.take(one, signal)));
  const failed = outcomes.find(({ status }) => status === 'rejected');
  if (failed?.status !== 'rejected') return outcomes.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
  for (const [index, outcome] of outcomes.entries()) {
    const one = taken[index]?.one;
    if (one !== undefined && outcome.status === 'fulfilled' && !outcome.value.again) pool.giveBack(one);
  }
  throw failed.reason;
}
