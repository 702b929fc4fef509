/**
 * The pool against the cloud: once at every start. Interfaces the pool does not know are brought up, those that are gone
 * leave, and what each holds is taken from the cloud's answer. Leftovers of a create whose answer never came are deleted.
 */
import { setTimeout } from 'node:timers/promises';
import { INSTANCE_TAG } from '#cloud/aws/tags.ts';
import type { NetworkInterfaceDescription } from '#cloud/provider.ts';
import { withInterface } from '#warm-pool/ledger.ts';
import type { NetworkInterface } from '#warm-pool/model.ts';
import { blocksOf, type ExecuteContext, toNetworkInterface } from '../execute/context.ts';
import { bringUp } from '../execute/interfaces.ts';
import {
  confirmed,
  forgetInterface,
  knownInterface,
  storeInterface,
  updateBlocks,
} from '../execute/known-interfaces.ts';
import { errorFields } from '../observe/log.ts';
import type { Run } from '../reconciler.ts';
import { doubtful, type OwnWrite } from '../store/own-writes.ts';
import type { Intent } from '../store/records.ts';
import { describeAttached } from './discover.ts';

export interface Synchronisation {
  /** What the cloud said a moment ago, where it was asked already. */
  readonly attached: readonly NetworkInterfaceDescription[] | undefined;
  readonly intents: readonly Intent[];
  /** What an earlier run told the cloud last; interfaces of which reads may be behind are looked at again later. */
  readonly ownWrites: readonly OwnWrite[];
  /** Records are missing: intents and interfaces may be among them. */
  readonly journalDamaged: boolean;
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
    await setTimeout(pause, undefined, { signal }).catch(() => undefined);
  }
}

async function synchronise(context: ExecuteContext, from: Synchronisation, signal: AbortSignal): Promise<void> {
  const { provider, identity, pool, subnets, now, secondLooks, leftovers } = context;
  const [attached] = await Promise.all([
    from.attached ?? describeAttached(provider, identity, signal),
    // Interfaces below are judged by the tags of their subnets, so those come first.
    subnets.answered || subnets.refresh({ signal, cause: 'start' }),
  ]);
  const known = new Map(pool.snapshot().interfaces.map((use) => [use.networkInterface.id, use.networkInterface]));
  const absent = [...known.keys()].filter((id) => !attached.some((description) => description.id === id));
  const found = await Promise.all(absent.map((id) => confirmAbsence(id, context, signal)));
  const here = [...attached, ...found.filter((description) => description !== undefined)];
  await Promise.all(here.map((description) => take(description, known.get(description.id), context, signal)));
  // A pod with an address that is nobody's may be newer than the answer.
  const unsure = pool.ledger.orphans.size > 0 ? pool.ledger.interfaces.keys() : doubtful(from.ownWrites, now());
  for (const id of unsure) secondLooks.at(id, context);
  // A detached interface of ours may also be the half of a deletion that a restart interrupted.
  if (here.length < attached.length + absent.length) leftovers.suspect('interrupted-deletion');
  if (from.journalDamaged) leftovers.suspect('damaged-journal');
  for (const { id } of from.intents) leftovers.suspect(id);
}

/** The interface where the cloud, asked for it alone, has it after all; otherwise it leaves pool and journal. */
async function confirmAbsence(
  id: string,
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<NetworkInterfaceDescription | undefined> {
  const description = await confirmed(id, undefined, context, { signal, cause: 'start' });
  if (description !== undefined) return description;
  forgetInterface(id, context);
  await context.journal.append({ kind: 'interface-gone', interfaceId: id });
  return undefined;
}

async function take(
  description: NetworkInterfaceDescription,
  known: ReturnType<typeof toNetworkInterface> | undefined,
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<void> {
  const { pool, log, now } = context;
  await goWithInstance(description, context, signal).catch((error: unknown) =>
    log.warn(
      { eni: description.id, ...errorFields(error) },
      'the interface could not be marked to go with the instance',
    ),
  );
  const fresh = toNetworkInterface(description, context, known?.phase ?? 'attaching', known?.since ?? now());
  if (!fresh.managed) {
    pool.update((ledger) => withInterface(ledger, fresh));
    return;
  }
  if (known?.phase === 'ready') {
    await takeKnown(fresh, description, context, signal);
    return;
  }
  const settle: Run['settle'] = (transition) => pool.update(transition);
  await bringUp(description, context, { signal, settle }).catch((error: unknown) =>
    log.error({ eni: description.id, ...errorFields(error) }, 'an attached interface cannot be used'),
  );
}

/** One that serves already: its place is as described now, its blocks are what a second answer confirms where pods lose by it. */
async function takeKnown(
  fresh: NetworkInterface,
  first: NetworkInterfaceDescription,
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<void> {
  const description = await confirmed(fresh.id, first, context, { signal, cause: 'start' });
  if (description === undefined) {
    forgetInterface(fresh.id, context);
    await context.journal.append({ kind: 'interface-gone', interfaceId: fresh.id });
    return;
  }
  const { blocks } = knownInterface(context, fresh.id) ?? fresh;
  context.pool.update((ledger) => withInterface(ledger, { ...fresh, blocks }));
  updateBlocks(fresh.id, blocksOf(description), context);
  await storeInterface(fresh.id, context);
}

/** A crash between attaching and marking leaves an interface of ours that would outlive the instance. */
async function goWithInstance(
  { id, attachment, tags }: NetworkInterfaceDescription,
  { provider, identity }: ExecuteContext,
  signal: AbortSignal,
): Promise<void> {
  const ours = tags[INSTANCE_TAG] === identity.instanceId && id !== identity.primaryInterfaceId;
  if (!ours || attachment === undefined || attachment.deleteOnTermination) return;
  const { attachmentId } = attachment;
  await provider.modifyNetworkInterfaceAttribute(
    { networkInterfaceId: id, deleteOnTermination: { attachmentId, value: true } },
    { signal, cause: 'start' },
  );
}
