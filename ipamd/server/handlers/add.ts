/** ADD: an address, a journal record and a plugged pod; or nothing of them and an error that says why. */
import { CniError } from '#cni/spec/errors.ts';
import type { NetworkConfig } from '#cni/spec/config.ts';
import { formatResult } from '#cni/spec/result.ts';
import type { PodLinks } from '../../datapath/datapath.ts';
import { hostIfName } from '../../datapath/names.ts';
import { errorFields } from '../../observe/log.ts';
import type { Given } from '../../pool.ts';
import { attachmentKey } from '#warm-pool/ledger.ts';
import type { Attachment } from '#warm-pool/model.ts';
import type { StoredAssignment } from '../../store/records.ts';
import { whyNoAddress } from '../no-address.ts';
import type { RequestContext } from '../socket-server.ts';
import { attachmentOf, type HandlerContext, podAttachment, type PodCall, podOf, storedFor } from './context.ts';
import { releaseAttachment } from './release.ts';

export async function cmdAdd(
  call: Extract<PodCall, { command: 'ADD' | 'CHECK' }>,
  conf: NetworkConfig,
  request: RequestContext,
  context: HandlerContext,
): Promise<unknown> {
  if (conf.portMappings.length > 0)
    throw new CniError(
      'unsupported-field',
      `runtimeConfig.portMappings is not supported by this version: ${JSON.stringify(conf.portMappings)}`,
    );
  if (conf.bandwidth !== undefined)
    throw new CniError(
      'unsupported-field',
      `runtimeConfig.bandwidth is not supported by this version: ${JSON.stringify(conf.bandwidth)}`,
    );
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
    const waitFrom = performance.now();
    const given = await takeAddress(existing?.attachment ?? attachment, call, request, context);
    context.metrics.cniLatency.observe({ method: 'Add', phase: 'queue' }, (performance.now() - waitFrom) / 1000);
    const stored: StoredAssignment = {
      ...given.assignment,
      netns: call.netns,
      hostIfName: hostIfName(conf.vethPrefix ?? context.vethPrefix, call.containerId, call.ifName),
    };
    const links = await plug(stored, given.again, conf, request, context);
    request.log.info(
      { pod: `${stored.pod.namespace}/${stored.pod.name}`, address: stored.address, eni: stored.interfaceId },
      'pod attached',
    );
    return resultOf(stored, links, conf, context);
  });
}

async function takeAddress(
  attachment: Attachment,
  call: PodCall,
  request: RequestContext,
  context: HandlerContext,
): Promise<Given> {
  const wanted = { attachment, pod: podOf(call) };
  const given = context.pool.tryTake(wanted);
  if (given !== undefined) return given;
  context.metrics.noAddress.inc();
  try {
    return await context.pool.take(wanted, request.signal);
  } catch (error) {
    throw error instanceof DOMException && error.name === 'TimeoutError' ? whyNoAddress(context) : error;
  }
}

/**
 * The record becomes durable while the kernel works; the pod is reported only when both are done. After a crash in
 * between, the kernel's link (which names its attachment) or the record alone is enough to set things right.
 */
async function plug(
  stored: StoredAssignment,
  again: boolean,
  conf: NetworkConfig,
  request: RequestContext,
  context: HandlerContext,
): Promise<PodLinks> {
  const { journal, datapath, attachments, metrics } = context;
  const key = attachmentKey(stored.attachment);
  attachments.set(key, stored);
  const from = performance.now();
  const journalled = journal.append({ kind: 'assign', assignment: stored });
  const plugged = datapath.addPod(podAttachment(stored, conf, context));
  const [record, links] = await Promise.allSettled([journalled, plugged]);
  metrics.cniLatency.observe({ method: 'Add', phase: 'kernel-and-journal' }, (performance.now() - from) / 1000);
  if (record.status === 'fulfilled' && links.status === 'fulfilled' && !request.signal.aborted) return links.value;
  // A repeated ADD that fails must not take the pod down that the first one made; the runtime's DEL will.
  if (!again) await undo(stored, context, request);
  if (links.status === 'rejected') throw links.reason;
  if (record.status === 'rejected') throw record.reason;
  throw request.signal.reason;
}

async function undo(stored: StoredAssignment, context: HandlerContext, request: RequestContext): Promise<void> {
  try {
    await releaseAttachment(stored, context, request.log);
  } catch (error) {
    const fields = { address: stored.address, ...errorFields(error) };
    request.log.error(fields, 'a failed ADD could not be undone in full; DEL or the next start will');
  }
}

function resultOf(stored: StoredAssignment, links: PodLinks, conf: NetworkConfig, context: HandlerContext): unknown {
  const mtu = conf.mtu ?? context.podMtu;
  const earlier = conf.prevResult;
  const offset = earlier?.interfaces.length ?? 0;
  return formatResult(
    {
      interfaces: [
        ...(earlier?.interfaces ?? []),
        { name: links.hostIfName, mac: links.hostMac, mtu },
        { name: stored.attachment.ifName, mac: links.containerMac, sandbox: stored.netns, mtu },
      ],
      ips: [...(earlier?.ips ?? []), { address: `${stored.address}/32`, interface: offset + 1 }],
      routes: [...(earlier?.routes ?? []), { dst: '0.0.0.0/0', gw: '169.254.1.1' }],
      dns: conf.prevResult?.dns ?? {},
    },
    conf.cniVersion,
  );
}
