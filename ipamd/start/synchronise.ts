/**
 * The pool against the cloud: once at every start. Interfaces the pool does not know are brought up, those that are gone
 * leave, and what each holds is taken from the cloud's answer. Leftovers of a create whose answer never came are deleted.
 */
import { setTimeout } from 'node:timers/promises';
import { INSTANCE_TAG } from '#cloud/aws/tags.ts';
import type { NetworkInterfaceDescription } from '#cloud/provider.ts';
import { withInterface, withoutInterface } from '#warm-pool/ledger.ts';
import { blocksOf, type ExecuteContext, toNetworkInterface } from '../execute/context.ts';
import { bringUp } from '../execute/interfaces.ts';
import { storeInterface } from '../execute/known-interfaces.ts';
import { errorFields } from '../observe/log.ts';
import type { Intent } from '../store/records.ts';
import { describeAttached } from './discover.ts';

export interface Synchronisation {
  /** What the cloud said a moment ago, where it was asked already. */
  readonly attached: readonly NetworkInterfaceDescription[] | undefined;
  readonly intents: readonly Intent[];
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
  const { provider, identity, pool, subnets, journal, log } = context;
  const [attached] = await Promise.all([
    from.attached ?? describeAttached(provider, identity, signal),
    subnets.refresh({ signal, cause: 'start' }),
  ]);
  const known = new Map(pool.snapshot().interfaces.map((use) => [use.networkInterface.id, use.networkInterface]));
  let vanished = 0;
  for (const id of known.keys()) {
    if (attached.some((description) => description.id === id)) continue;
    vanished += 1;
    log.error({ eni: id }, 'an interface that the journal knows is no longer attached; its addresses are lost');
    pool.update((ledger) => withoutInterface(ledger, id));
    await journal.append({ kind: 'interface-gone', interfaceId: id });
  }
  await Promise.all(attached.map((description) => take(description, known.get(description.id), context, signal)));
  // A detached interface of ours may also be the half of a deletion that a restart interrupted.
  if (vanished > 0) context.leftovers.suspect('interrupted-deletion');
  if (from.journalDamaged) context.leftovers.suspect('damaged-journal');
  for (const { id } of from.intents) context.leftovers.suspect(id);
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
    pool.update((ledger) => withInterface(ledger, { ...fresh, blocks: blocksOf(description) }));
    await storeInterface(fresh.id, context);
    return;
  }
  await bringUp(description, context, signal).catch((error: unknown) =>
    log.error({ eni: description.id, ...errorFields(error) }, 'an attached interface cannot be used'),
  );
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
