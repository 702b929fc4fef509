/** DEL and GC. What is already gone is success; a DEL never looks at prevResult for what it may delete. */
import { CniError } from '#cni/spec/errors.ts';
import type { NetworkConfig } from '#cni/spec/config.ts';
import { hostIfName } from '../../datapath/names.ts';
import { attachmentKey } from '#warm-pool/ledger.ts';
import type { Log } from '../../observe/log.ts';
import { attachmentOf, type HandlerContext, type PodCall, storedFor } from './context.ts';
import { releaseAttachment } from './release.ts';

export async function cmdDel(
  call: PodCall,
  conf: NetworkConfig,
  log: Log,
  context: HandlerContext,
): Promise<Record<string, never>> {
  const attachment = attachmentOf(call, conf);
  return context.locks.run(attachmentKey(attachment), async () => {
    const stored = storedFor(attachment, context);
    if (stored === undefined) {
      // The address of prevResult may belong to another pod by now; the name is derived from this container alone.
      await context.datapath.deletePod({
        hostIfName: hostIfName(conf.vethPrefix ?? context.vethPrefix, call.containerId, call.ifName),
        addresses: [],
      });
      log.debug({ containerId: call.containerId }, 'nothing is known of this attachment; deleted already');
      return {};
    }
    await releaseAttachment(stored, context, log);
    log.info({ pod: `${stored.pod.namespace}/${stored.pod.name}`, address: stored.address }, 'pod detached');
    return {};
  });
}

/** Frees every attachment of this network that the runtime does not list (SPEC.md, "GC"); one that was adopted has no network name. */
export async function cmdGc(conf: NetworkConfig, log: Log, context: HandlerContext): Promise<Record<string, never>> {
  const { validAttachments } = conf;
  if (validAttachments === undefined)
    throw new CniError('invalid-config', 'GC needs the key cni.dev/valid-attachments');
  const valid = new Set(validAttachments.map(({ containerId, ifName }) => `${containerId}/${ifName}`));
  const stale = [...context.attachments.values()].filter(
    ({ attachment }) =>
      ['', conf.name].includes(attachment.networkName) && !valid.has(`${attachment.containerId}/${attachment.ifName}`),
  );
  for (const stored of stale) {
    await context.locks.run(attachmentKey(stored.attachment), async () => {
      if (context.attachments.get(attachmentKey(stored.attachment)) !== stored) return;
      await releaseAttachment(stored, context, log);
      log.warn(
        { containerId: stored.attachment.containerId, address: stored.address },
        'freed an attachment that the runtime no longer knows',
      );
    });
  }
  return {};
}
