/** The `create-interface` and `delete-interface` actions: the life of a secondary ENI. */
import { CloudError } from '#cloud/errors.ts';
import { interfaceDescription } from '#cloud/aws/tags.ts';
import type { CallOptions, NetworkInterfaceDescription } from '#cloud/provider.ts';
import { withInterface, withoutInterface, withPhase } from '#warm-pool/ledger.ts';
import type { Action, NetworkInterface } from '#warm-pool/model.ts';
import { detachPause, withDetachment } from '#warm-pool/pauses.ts';
import { errorFields } from '../observe/log.ts';
import { DETACH_DEADLINE_MS, type ExecuteContext, LINK_DEADLINE_MS, toNetworkInterface } from './context.ts';
import { bookGrowthFailure, type BackOffs, prefixesOf } from './failures.ts';
import type { Run } from '../reconciler.ts';
import { knownInterface, storeInterface } from './known-interfaces.ts';

const FIRST_DELETE_PAUSE_MS = 500;
const LONGEST_DELETE_PAUSE_MS = 60_000;

type Create = Extract<Action, { kind: 'create-interface' }>;

/** Create, attach, mark for deletion with the instance, wait for the link, program the host, open for pods. */
export async function createInterface(
  action: Create,
  context: ExecuteContext,
  backOffs: BackOffs,
  { signal, settle }: Run,
): Promise<void> {
  const { journal, newId, now } = context;
  const intent = { id: newId(), action, at: now() };
  await journal.append({ kind: 'intent', intent });
  let created: NetworkInterfaceDescription | undefined;
  try {
    created = await create(action, intent.id, context, signal);
    const attached = await attach(created, action, context, signal);
    await bringUp(attached, context, { signal, settle });
    backOffs.succeed(context);
    backOffs.subnetGave(action.subnetId);
    if (action.mode === 'prefix') backOffs.subnetGave(prefixesOf(action.subnetId));
  } catch (error) {
    // The daemon stops: the next start finds the intent and what came of it.
    if (signal.aborted) return;
    const discarded = created === undefined ? certainlyNothing(error) : await abandon(created.id, action, context);
    bookGrowthFailure(error, action.subnetId, context, backOffs);
    if (!discarded) {
      context.leftovers.suspect(intent.id);
      return;
    }
  }
  await journal.append({ kind: 'intent-done', intentId: intent.id });
}

/** False for an answer that never came: it may still have made an interface. */
function certainlyNothing(error: unknown): boolean {
  return !(error instanceof CloudError && ['unavailable', 'aborted'].includes(error.code));
}

/** A new interface that could not be brought up leaves pool, kernel and cloud. Resolves to false where the cloud still has it. */
async function abandon(id: string, action: Create, context: ExecuteContext): Promise<boolean> {
  // While it goes, what lists it as attached must not take it up again.
  context.bringingUp.add(id);
  try {
    context.pool.update((ledger) => withoutInterface(ledger, id));
    await context.datapath.tearDownInterface(action.deviceIndex, action.networkCardIndex);
    return await discard(id, context);
  } finally {
    context.bringingUp.delete(id);
  }
}

function create(
  action: Create,
  clientToken: string,
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<NetworkInterfaceDescription> {
  const { provider, identity, securityGroups, tags } = context;
  return provider.createNetworkInterface(
    {
      subnetId: action.subnetId,
      securityGroupIds: securityGroups(),
      description: interfaceDescription(identity.instanceId),
      tags: tags(),
      clientToken,
      ...(action.mode === 'prefix' ? { ipv4PrefixCount: action.count } : { secondaryAddressCount: action.count }),
      ipv6PrefixCount: action.ipv6PrefixCount ?? 0,
    },
    { signal, cause: action.why.reason },
  );
}

async function attach(
  created: NetworkInterfaceDescription,
  action: Create,
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<NetworkInterfaceDescription> {
  const { provider, identity } = context;
  const options = { signal, cause: action.why.reason };
  const { deviceIndex, networkCardIndex } = action;
  const request = { networkInterfaceId: created.id, instanceId: identity.instanceId, deviceIndex, networkCardIndex };
  const { attachmentId } = await provider.attachNetworkInterface(request, options).catch(async (error: unknown) => {
    // A lost answer: the attachment may be there.
    const [found] = await provider.describeNetworkInterfaces({ ids: [created.id] }, { signal, cause: 'verify' });
    if (found?.attachment?.instanceId === identity.instanceId) return found.attachment;
    throw error;
  });
  await provider.modifyNetworkInterfaceAttribute(
    { networkInterfaceId: created.id, deleteOnTermination: { attachmentId, value: true } },
    options,
  );
  const attachment = {
    attachmentId,
    instanceId: identity.instanceId,
    deviceIndex,
    networkCardIndex,
    deleteOnTermination: true,
    status: 'attached',
  } as const;
  return { ...created, attachment };
}

/**
 * From attached to usable. Also used at start, for interfaces that were attached before and are in nobody's flight: then
 * `settle` is the pool's own update.
 */
export async function bringUp(
  description: NetworkInterfaceDescription,
  context: ExecuteContext,
  run: Run,
): Promise<void> {
  if (context.bringingUp.has(description.id)) return;
  context.bringingUp.add(description.id);
  try {
    await bringUpOnce(description, context, run);
  } finally {
    context.bringingUp.delete(description.id);
  }
}

async function bringUpOnce(
  description: NetworkInterfaceDescription,
  context: ExecuteContext,
  { signal, settle }: Run,
): Promise<void> {
  const { pool, datapath, now, subnets } = context;
  const attaching = toNetworkInterface(context.corrected(description), context, 'attaching', now());
  settle((ledger) => withInterface(ledger, attaching));
  if (subnets.get(description.subnetId) === undefined) await subnets.refresh({ signal, cause: 'new-subnet' });
  const subnetCidr = subnets.get(description.subnetId)?.cidr;
  if (subnetCidr === undefined)
    throw new Error(`subnet ${description.subnetId} of ${description.id} cannot be described`);
  try {
    await datapath.waitForLink(attaching.mac, AbortSignal.any([signal, context.clock.deadline(LINK_DEADLINE_MS)]));
    if (!attaching.isPrimary) await datapath.setUpInterface({ ...attaching, subnetCidr });
  } catch (error) {
    context.log.error(
      { eni: attaching.id, mac: attaching.mac, ...errorFields(error) },
      'the interface is attached but its link cannot be used',
    );
    throw error;
  }
  // Written down before pods are served from it: a new interface that cannot be is taken back, and nobody may have its addresses.
  await storeInterface(attaching.id, context, 'ready');
  pool.update((ledger) => withPhase(ledger, attaching.id, 'ready'));
}

/** Once begun it is carried on until the interface is gone: a half-deleted one serves nobody. */
export async function deleteInterface(
  action: Extract<Action, { kind: 'delete-interface' }>,
  context: ExecuteContext,
  { signal, settle }: Run,
): Promise<void> {
  const { pool, journal, log } = context;
  const known = knownInterface(context, action.interfaceId);
  if (known === undefined || known.isPrimary) return;
  pool.update((ledger) => withPhase(ledger, known.id, 'draining'));
  for (let pause = FIRST_DELETE_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_DELETE_PAUSE_MS)) {
    try {
      // A restart must not serve from what may be gone by then.
      await storeInterface(known.id, context);
      await detachAndDelete(known, action.why.reason, context, signal);
      break;
    } catch (error) {
      signal.throwIfAborted();
      log.error({ eni: known.id, retryInMs: pause, ...errorFields(error) }, 'the interface could not be deleted yet');
    }
    await context.clock.sleep(pause, signal);
    signal.throwIfAborted();
  }
  settle((ledger) => withoutInterface(ledger, known.id));
  await journal.append({ kind: 'interface-gone', interfaceId: known.id });
}

async function detachAndDelete(
  known: NetworkInterface,
  cause: string,
  context: ExecuteContext,
  signal: AbortSignal,
): Promise<void> {
  const exists = await detach(known.id, context, { signal, cause }, false);
  await context.datapath.tearDownInterface(known.deviceIndex, known.networkCardIndex);
  if (exists) await deleteWhenDetached(known.id, context, signal);
}

/**
 * Asks for the detachment of an interface, if it is attached. Resolves to false where it is gone, or somebody has attached
 * it to another instance since.
 */
async function detach(
  id: string,
  { provider, identity }: Pick<ExecuteContext, 'provider' | 'identity'>,
  options: CallOptions,
  force: boolean,
): Promise<boolean> {
  const [found] = await provider.describeNetworkInterfaces({ ids: [id] }, options).catch(noneIfNotFound);
  if (found?.attachment === undefined) return found !== undefined;
  const { attachmentId, instanceId, status } = found.attachment;
  if (instanceId !== identity.instanceId) return false;
  if (status !== 'detaching' || force)
    await provider.detachNetworkInterface({ attachmentId, force }, options).catch(noneIfNotFound);
  return true;
}

/** EC2 detaches in its own time; until then the deletion is refused as in use. */
async function deleteWhenDetached(id: string, context: ExecuteContext, signal: AbortSignal): Promise<void> {
  const since = context.now();
  for (let refusals = 0; ; refusals += 1) {
    await context.clock.sleep(detachPause(context.detaching.pace, refusals), signal);
    signal.throwIfAborted();
    try {
      await context.provider.deleteNetworkInterface({ networkInterfaceId: id }, { signal, cause: 'delete-interface' });
      context.detaching.pace = withDetachment(context.detaching.pace, context.now() - since, refusals);
      return;
    } catch (error) {
      if (error instanceof CloudError && error.code === 'not-found') return;
      const mayWait = context.now() - since < DETACH_DEADLINE_MS;
      const worthWaiting = error instanceof CloudError && error.code === 'in-use' && mayWait;
      if (!worthWaiting) throw error;
    }
  }
}

/** Deletes an interface that was created and could not be used. Resolves to false where that failed. */
async function discard(id: string, context: ExecuteContext): Promise<boolean> {
  const signal = context.clock.deadline(DETACH_DEADLINE_MS);
  try {
    const exists = await detach(id, context, { signal, cause: 'discard' }, true);
    if (exists) await deleteWhenDetached(id, context, signal);
    return true;
  } catch (error) {
    context.log.error({ eni: id, ...errorFields(error) }, 'an unused interface could not be deleted yet');
    return false;
  }
}

function noneIfNotFound(error: unknown): [] {
  if (error instanceof CloudError && error.code === 'not-found') return [];
  throw error;
}
