/**
 * The pool against the cloud: once at every start. Interfaces the pool does not know are brought up, those that are gone
 * leave, and what each holds is taken from the cloud's answer. Leftovers of a create whose answer never came are deleted.
 */
import type { NetworkInterfaceDescription } from '#cloud/provider.ts';
import { adopt } from '../execute/adopt.ts';
import type { ExecuteContext } from '../execute/context.ts';
import { errorFields } from '../observe/log.ts';
import { doubtful, OWN_WRITE_OUTRANKS_MS, type OwnWrite } from '../store/own-writes.ts';
import type { Intent } from '../store/records.ts';
import { describeAttached } from './discover.ts';

export interface Synchronisation {
  /** What the cloud said a moment ago, where it was asked already. */
  readonly attached: readonly NetworkInterfaceDescription[] | undefined;
  readonly intents: readonly Intent[];
  /** What an earlier run told the cloud last; interfaces of which reads may be behind are looked at again later. */
  readonly ownWrites: readonly OwnWrite[];
  /** When these were read: no description is older. */
  readonly openedAt: number;
  /** The journal knew interfaces of an earlier boot that were not attached when this one began. */
  readonly hasLost: boolean;
  /** Records are missing: intents and interfaces may be among them. */
  readonly journalDamaged: boolean;
  /** Told of what is attached, once the pool has it. */
  readonly onAttached?: (attached: readonly NetworkInterfaceDescription[]) => void;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

/** Synchronises, however long the cloud takes to answer. Resolves when it is done, or when the signal aborts. */
export async function compareWithCloud(
  context: ExecuteContext,
  from: Synchronisation,
  signal: AbortSignal,
): Promise<void> {
  let { attached } = from;
  for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      await synchronise(context, { ...from, attached }, signal);
      return;
    } catch (error) {
      if (signal.aborted) return;
      context.log.error({ retryInMs: pause, ...errorFields(error) }, 'the cloud could not be compared with the pool');
    }
    // What was described before is old by then.
    attached = undefined;
    await context.clock.sleep(pause, signal);
  }
}

async function synchronise(context: ExecuteContext, from: Synchronisation, signal: AbortSignal): Promise<void> {
  const { provider, identity, pool, subnets, secondLooks, leftovers, now } = context;
  const describe = () => describeAttached(provider, identity, signal);
  const askedAt = from.attached === undefined ? now() : from.openedAt;
  const [described] = await Promise.all([
    from.attached ?? describe(),
    // Interfaces below are judged by the tags of their subnets, so those come first.
    subnets.answered || subnets.refresh({ signal, cause: 'start' }),
  ]);
  // What this daemon has told the cloud meanwhile corrects the answer only for so long.
  const attached = now() - askedAt < OWN_WRITE_OUTRANKS_MS / 2 ? described : await describe();
  const lost = await adopt(attached, context, signal);
  // A pod with an address that is nobody's may be newer than the answer.
  const { orphans, ipv6Orphans } = pool.ledger;
  const unsure =
    orphans.size + ipv6Orphans.size > 0 ? pool.ledger.interfaces.keys() : doubtful(from.ownWrites, from.openedAt);
  for (const id of unsure) secondLooks.at(id, context);
  // A detached interface of ours may also be the half of a deletion that a restart interrupted.
  if (lost > 0 || from.hasLost) leftovers.suspect('interrupted-deletion');
  if (from.journalDamaged) leftovers.suspect('damaged-journal');
  for (const { id } of from.intents) leftovers.suspect(id);
  from.onAttached?.(attached);
}
