/** What the cloud lists as attached to this node, taken into the pool: at start, and whenever it is looked at again. */
import { CloudError } from '#cloud/errors.ts';
import { INSTANCE_TAG, isOurDescription } from '#cloud/aws/tags.ts';
import type { NetworkInterfaceDescription } from '#cloud/provider.ts';
import { withInterface, withPhase } from '#warm-pool/ledger.ts';
import type { NetworkInterface } from '#warm-pool/model.ts';
import { isHalfRemoved } from '#warm-pool/plan-view.ts';
import { errorFields } from '../observe/log.ts';
import type { Run } from '../reconciler.ts';
import { type ExecuteContext, toNetworkInterface } from './context.ts';
import { JournalError } from '../store/journal.ts';
import { bringUp } from './interfaces.ts';
import {
  confirmed,
  forgetInterface,
  knownInterface,
  refreshInterface,
  storeInterface,
  updateBlocks,
} from './known-interfaces.ts';

/** An attached interface has its link within it, as a rule. */
const FIRST_ATTACHMENT_LOOK_MS = 5000;

/** What is under way with an interface: its own actions know more of it than a description. */
function isUnderWay(description: NetworkInterfaceDescription, context: ExecuteContext): boolean {
  const { id, attachment } = description;
  const { pool, bringingUp } = context;
  if (bringingUp.has(id) || isLeaving(id, context)) return true;
  return [...pool.ledger.inFlight.values()].some(
    (action) =>
      action.kind === 'create-interface' &&
      action.deviceIndex === attachment?.deviceIndex &&
      action.networkCardIndex === attachment.networkCardIndex &&
      !pool.ledger.interfaces.has(id),
  );
}

/** False while it is taken off: its link may be gone already. */
export function isStaying({ attachment }: NetworkInterfaceDescription): boolean {
  return attachment?.status !== 'detaching' && attachment?.status !== 'detached';
}

/** It is being removed, or its removal was interrupted and the planner carries it on. */
function isLeaving(
  id: string,
  { pool, provisioningDisabledBy }: Pick<ExecuteContext, 'pool' | 'provisioningDisabledBy'>,
): boolean {
  if (pool.ledger.leaving.interfaceIds.has(id)) return true;
  if (pool.ledger.interfaces.get(id)?.networkInterface.phase !== 'draining') return false;
  const use = pool.snapshot().interfaces.find(({ networkInterface }) => networkInterface.id === id);
  return provisioningDisabledBy === undefined && use !== undefined && isHalfRemoved(use);
}

/**
 * Compares the pool with what is described as attached: unknown interfaces are brought up, absent ones leave once a second
 * answer confirms it, and the blocks of the others are the cloud's. Resolves to how many left.
 */
export async function adopt(
  attached: readonly NetworkInterfaceDescription[],
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<number> {
  const known = new Map(
    context.pool.snapshot().interfaces.map((use) => [use.networkInterface.id, use.networkInterface]),
  );
  const absent = [...known.values()].filter(
    ({ id }) => !isLeaving(id, context) && !context.bringingUp.has(id) && !attached.some((each) => each.id === id),
  );
  const found = await Promise.all(absent.map(({ id }) => confirmAbsence(id, context, signal)));
  const present = found.filter((description) => description !== undefined);
  const here = [...attached, ...present].filter(
    (description) => !isUnderWay(description, context) && (known.has(description.id) || isStaying(description)),
  );
  await Promise.all(here.map((description) => take(description, context, signal)));
  return absent.length - present.length;
}

/** The interface where the cloud, asked for it alone, has it after all; otherwise it leaves pool and journal. */
async function confirmAbsence(
  id: string,
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<NetworkInterfaceDescription | undefined> {
  const description = await confirmed(id, undefined, context, { signal, cause: 'confirm' });
  if (description !== undefined) return description;
  await lose(id, context);
  return undefined;
}

/** It leaves pool, kernel and journal. An instance cannot lose its primary interface: an answer without it is wrong. */
async function lose(id: string, context: ExecuteContext): Promise<void> {
  const known = knownInterface(context, id);
  if (known === undefined || known.isPrimary) return;
  forgetInterface(id, context);
  const { deviceIndex, networkCardIndex } = known;
  const successor = [...context.pool.ledger.interfaces.values()].some(
    ({ networkInterface: each }) => each.deviceIndex === deviceIndex && each.networkCardIndex === networkCardIndex,
  );
  if (!successor) await context.datapath.tearDownInterface(deviceIndex, networkCardIndex);
  await context.journal.append({ kind: 'interface-gone', interfaceId: id });
}

/** One attached interface that the pool does not know, or knows in whatever phase. */
export async function take(
  description: NetworkInterfaceDescription,
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<void> {
  // At once, each of them: own writes correct a description only for so long.
  await Promise.all([join(description, context, signal), goWithInstance(description, context, signal)]);
}

async function join(
  description: NetworkInterfaceDescription,
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<void> {
  const { pool, log, now } = context;
  const known = knownInterface(context, description.id);
  const fresh = toNetworkInterface(description, context, known?.phase ?? 'attaching', known?.since ?? now());
  if (!fresh.managed) {
    pool.update((ledger) => withInterface(ledger, fresh));
    // The slot that it takes, and what it says of its card, must be known to the next start as well.
    await storeInterface(fresh.id, context);
    return;
  }
  if (known?.phase === 'ready') {
    await takeKnown(fresh, description, context, signal);
    return;
  }
  const settle: Run['settle'] = (transition) => pool.update(transition);
  using attachment = watchAttachment(description.id, context, signal);
  await bringUp(description, context, { signal: attachment.signal, settle }).catch(async (error: unknown) => {
    if (error instanceof JournalError) {
      // It is attached whatever is written, and the next start looks at what is.
      pool.update((ledger) => withPhase(ledger, description.id, 'ready'));
      log.error({ eni: description.id, ...errorFields(error) }, 'an attached interface could not be written down');
      return;
    }
    log.error({ eni: description.id, ...errorFields(error) }, 'an attached interface cannot be used');
    // What said that it is attached may have been behind; one that is not would keep its place for ever.
    if (!attachment.signal.aborted) await refreshInterface(description.id, context, { signal, cause: 'verify' });
    // Detached, it may be the half of what an earlier run began.
    if (knownInterface(context, description.id) === undefined) context.leftovers.suspect('interrupted-deletion');
  });
}

function notAttached(id: string): CloudError {
  return new CloudError('not-found', 'DescribeNetworkInterfaces', `${id} is not attached to this instance any more`);
}

/**
 * Aborts its signal once the cloud does not have the interface attached here any more: its link would be waited for in
 * vain. Asks the first time after 5 s, then ever more rarely.
 */
function watchAttachment(
  id: string,
  context: ExecuteContext,
  signal: AbortSignal,
): Disposable & { signal: AbortSignal } {
  const over = new AbortController();
  const watch = async () => {
    for (let pause = FIRST_ATTACHMENT_LOOK_MS; ; pause *= 2) {
      await context.clock.sleep(pause, over.signal);
      if (over.signal.aborted || signal.aborted) return;
      await refreshInterface(id, context, { signal: over.signal, cause: 'confirm' });
      if (knownInterface(context, id) === undefined) over.abort(notAttached(id));
    }
  };
  void watch();
  return {
    signal: AbortSignal.any([signal, over.signal]),
    [Symbol.dispose]: () => over.abort(new Error('it is known')),
  };
}

/** One that serves already: its place is as described now, its blocks are what a second answer confirms where pods lose by it. */
async function takeKnown(
  fresh: NetworkInterface,
  first: NetworkInterfaceDescription,
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<void> {
  const description = await confirmed(fresh.id, first, context, { signal, cause: 'confirm' });
  if (description === undefined) {
    await lose(fresh.id, context);
    return;
  }
  const { blocks, ipv6Prefixes = [] } = knownInterface(context, fresh.id) ?? fresh;
  context.pool.update((ledger) => withInterface(ledger, { ...fresh, blocks, ipv6Prefixes }));
  updateBlocks(description, context);
  await storeInterface(fresh.id, context);
}

/**
 * A crash between attaching and marking leaves an interface of ours that would outlive the instance. Ours by its
 * description: one that somebody else made carries our tags, too, once it is adopted.
 */
async function goWithInstance(
  { id, attachment, tags, description }: NetworkInterfaceDescription,
  { provider, identity, provisioningDisabledBy, log }: ExecuteContext,
  signal: AbortSignal,
): Promise<void> {
  const ours =
    tags[INSTANCE_TAG] === identity.instanceId && isOurDescription(description) && id !== identity.primaryInterfaceId;
  if (!ours || attachment === undefined || attachment.deleteOnTermination || provisioningDisabledBy !== undefined)
    return;
  const { attachmentId } = attachment;
  await provider
    .modifyNetworkInterfaceAttribute(
      { networkInterfaceId: id, deleteOnTermination: { attachmentId, value: true } },
      { signal, cause: 'start' },
    )
    .catch((error: unknown) =>
      log.warn({ eni: id, ...errorFields(error) }, 'the interface could not be marked to go with the instance'),
    );
}
