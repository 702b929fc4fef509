/** ADD: an address, a journal record and a plugged pod; or nothing of them and an error that says why. */
import { CniError } from '#cni/spec/errors.ts';
import type { NetworkConfig } from '#cni/spec/config.ts';
import type { PodLinks } from '../../datapath/datapath.ts';
import { hostIfName } from '../../datapath/names.ts';
import { furtherIfName, furtherOf, wantsEveryCard } from '../../cards/pod-interfaces.ts';
import { errorFields } from '../../observe/log.ts';
import type { Given, Request } from '../../pool.ts';
import { addressesOf, attachmentKey } from '#warm-pool/ledger.ts';
import type { Attachment } from '#warm-pool/model.ts';
import type { StoredAssignment } from '../../store/records.ts';
import type { RequestContext } from '../socket-server.ts';
import { addBranch } from './add-branch.ts';
import { attachmentOf, type HandlerContext, podAttachment, type PodCall, podOf, storedFor } from './context.ts';
import { resultOf } from './addresses.ts';
import { releaseAttachment } from './release.ts';
import { askedFor, checkHostPorts, checkRuntimeConfig } from './runtime-config.ts';
import { takeAll } from './take.ts';

/** One interface of the pod that is attached; a multi-NIC pod has several, the runtime's first. */
interface Part {
  readonly stored: StoredAssignment;
  /** It had its address before: the runtime repeats an ADD. */
  readonly again: boolean;
}

type AddCall = Extract<PodCall, { command: 'ADD' | 'CHECK' }>;

export async function cmdAdd(
  call: AddCall,
  conf: NetworkConfig,
  request: RequestContext,
  context: HandlerContext,
): Promise<unknown> {
  const attachment = attachmentOf(call, conf);
  const key = attachmentKey(attachment);
  return context.locks.run(key, async () => {
    request.signal.throwIfAborted();
    const existing = storedFor(attachment, context);
    // One that was adopted from the kernel does not know its namespace.
    if (existing !== undefined && existing.netns !== '' && existing.netns !== call.netns) {
      throw new CniError(
        'attachment-conflict',
        `${call.ifName} of container ${call.containerId} is attached in ${existing.netns} already, not in ${call.netns}`,
      );
    }
    const branch = existing === undefined ? await countedBranch(call, attachment, conf, request, context) : undefined;
    if (branch !== undefined) return branch;
    checkRuntimeConfig(conf, existing?.attachment ?? attachment, context);
    const waitFrom = performance.now();
    const wanted = wantedBy(call, existing?.attachment ?? attachment, conf, context);
    const given = await takeAll(wanted, request, context);
    context.metrics.cniLatency.observe({ method: 'Add', phase: 'queue' }, (performance.now() - waitFrom) / 1000);
    const parts = given.map((one, index) => partOf(one, index, call, conf, context));
    const links = await context.lull.during(() => plug(parts, conf, request, context));
    context.lull.soon(() => {
      for (const { stored } of parts) request.log.info(attachedFields(stored), 'pod attached');
    });
    context.news.attached(
      podOf(call),
      parts.flatMap(({ stored }) => addressesOf(stored)),
    );
    const made = parts.flatMap(({ stored }, index) => {
      const link = links[index];
      return link === undefined ? [] : [{ stored, link }];
    });
    return resultOf(made, conf, context.podMtu);
  });
}

async function countedBranch(...from: Parameters<typeof addBranch>): Promise<unknown> {
  try {
    return await addBranch(...from);
  } catch (error) {
    const context = from[4];
    if (error instanceof CniError) context.metrics.peer.podEniErrors.inc({ fn: 'AddNetwork' });
    throw error;
  }
}

/**
 * An address for the interface that the runtime names, and one for each further network card if the pod asks for that; those
 * that it has already stay its own, whatever was said since.
 */
function wantedBy(
  call: PodCall,
  attachment: Attachment,
  conf: NetworkConfig,
  context: HandlerContext,
): readonly [Request, ...Request[]] {
  const pod = podOf(call);
  const first = { attachment, pod };
  const { cards } = context.pool;
  const has = furtherOf(attachment, context.attachments.values());
  const isMulti = cards.length > 1 && wantsEveryCard(conf, pod, context.cluster);
  if (!isMulti) return [first, ...has.map((stored) => ({ attachment: stored.attachment, pod }))];
  const further = cards.slice(1).map((networkCardIndex, index): Request => {
    const ifName = furtherIfName(index + 1);
    const known = has.find(({ attachment: each }) => each.ifName === ifName)?.attachment;
    return { attachment: known ?? { ...attachment, ifName }, pod, networkCardIndex };
  });
  return [first, ...further];
}

function partOf(given: Given, index: number, call: AddCall, conf: NetworkConfig, context: HandlerContext): Part {
  const { ifName } = given.assignment.attachment;
  const stored: StoredAssignment = {
    ...given.assignment,
    ...(index === 0 ? askedFor(conf) : { parent: call.ifName }),
    netns: call.netns,
    hostIfName: hostIfName(conf.vethPrefix ?? context.vethPrefix, call.containerId, ifName),
  };
  return { stored, again: given.again };
}

function attachedFields(stored: StoredAssignment): object {
  return {
    pod: `${stored.pod.namespace}/${stored.pod.name}`,
    address: stored.address,
    ...(stored.ipv6Address === undefined ? {} : { ipv6Address: stored.ipv6Address }),
    ...(stored.parent === undefined ? {} : { ifName: stored.attachment.ifName }),
    eni: stored.interfaceId,
  };
}

/**
 * The records become durable while the kernel works; the pod is reported only when both are done. After a crash in
 * between, the kernel's links (which name their attachment) or the records alone are enough to set things right.
 */
async function plug(
  parts: readonly Part[],
  conf: NetworkConfig,
  request: RequestContext,
  context: HandlerContext,
): Promise<readonly PodLinks[]> {
  const { journal, datapath, attachments, metrics } = context;
  const all = parts.map(({ stored }) => stored);
  try {
    for (const stored of all) checkHostPorts(stored, context);
  } catch (error) {
    await undo(parts, context, request);
    throw error;
  }
  for (const stored of all) attachments.set(attachmentKey(stored.attachment), stored);
  const from = performance.now();
  const journalled = journal.append(...all.map((assignment) => ({ kind: 'assign', assignment }) as const));
  const plugged = plugAll(all, (stored) => datapath.addPod(podAttachment(stored, conf, context)));
  const [record, links] = await Promise.allSettled([journalled, plugged]);
  metrics.cniLatency.observe({ method: 'Add', phase: 'kernel-and-journal' }, (performance.now() - from) / 1000);
  if (record.status === 'fulfilled' && links.status === 'fulfilled' && !request.signal.aborted) return links.value;
  await undo(parts, context, request);
  if (links.status === 'rejected') throw links.reason;
  if (record.status === 'rejected') throw record.reason;
  throw request.signal.reason;
}

/** Settles when every one has: what is undone must not be made afterwards. */
async function plugAll(
  all: readonly StoredAssignment[],
  addPod: (stored: StoredAssignment) => Promise<PodLinks>,
): Promise<readonly PodLinks[]> {
  const outcomes = await Promise.allSettled(all.map(addPod));
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

/**
 * A repeated ADD that fails must not take the pod down that the first one made; the runtime's DEL will. So what the pod had
 * before stays.
 */
async function undo(parts: readonly Part[], context: HandlerContext, request: RequestContext): Promise<void> {
  for (const { stored, again } of parts.toReversed()) {
    if (again) continue;
    try {
      await releaseAttachment(stored, context, request.log);
    } catch (error) {
      const fields = { address: stored.address, ...errorFields(error) };
      request.log.error(fields, 'a failed ADD could not be undone in full; DEL or the next start will');
    }
  }
}
