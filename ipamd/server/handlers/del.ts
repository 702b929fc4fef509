/** DEL and GC. What is already gone is success; a DEL never looks at prevResult for what it may delete. */
import { CniError } from '#cni/spec/errors.ts';
import type { NetworkConfig } from '#cni/spec/config.ts';
import { furtherIfName, furtherOf, runtimeIfName } from '../../cards/pod-interfaces.ts';
import { hostIfName } from '../../datapath/names.ts';
import { addressesOf, attachmentKey } from '#warm-pool/ledger.ts';
import type { Log } from '../../observe/log.ts';
import type { StoredAssignment } from '../../store/records.ts';
import { attachmentOf, type HandlerContext, type PodCall, storedFor } from './context.ts';
import { releaseAttachment, releaseWhole } from './release.ts';

export async function cmdDel(
  call: PodCall,
  conf: NetworkConfig,
  log: Log,
  context: HandlerContext,
): Promise<Record<string, never>> {
  const attachment = attachmentOf(call, conf);
  return context.locks.run(attachmentKey(attachment), async () => {
    const stored = storedFor(attachment, context);
    const branch = context.branches.storedFor(attachment);
    if (branch !== undefined) {
      await context.branches.release(branch, log);
      log.info({ pod: `${branch.pod.namespace}/${branch.pod.name}`, address: branch.address }, 'pod detached');
      context.news.detached(branch.pod, addressesOf(branch));
      return {};
    }
    if (stored === undefined) {
      // A failed ADD of a multi-NIC pod may have been undone in part.
      for (const left of furtherOf(attachment, context.attachments.values()))
        await releaseAttachment(left, context, log);
      // The address of prevResult may belong to another pod by now; the name is derived from this container alone.
      for (const index of context.pool.cards.keys()) {
        const ifName = index === 0 ? call.ifName : furtherIfName(index);
        await context.datapath.deletePod({
          hostIfName: hostIfName(conf.vethPrefix ?? context.vethPrefix, call.containerId, ifName),
          addresses: [],
        });
      }
      log.debug({ containerId: call.containerId }, 'nothing is known of this attachment; deleted already');
      return {};
    }
    const addresses = addressesOfPod(stored, context);
    await releaseWhole(stored, context, log);
    context.lull.soon(() =>
      log.info({ pod: `${stored.pod.namespace}/${stored.pod.name}`, address: stored.address }, 'pod detached'),
    );
    context.news.detached(stored.pod, addresses);
    return {};
  });
}

function addressesOfPod(stored: StoredAssignment, { attachments }: HandlerContext): readonly string[] {
  return [stored, ...furtherOf(stored.attachment, attachments.values())].flatMap(addressesOf);
}

/** Frees every attachment of this network that the runtime does not list (SPEC.md, "GC"); one that was adopted has no network name. */
export async function cmdGc(conf: NetworkConfig, log: Log, context: HandlerContext): Promise<Record<string, never>> {
  const { validAttachments } = conf;
  if (validAttachments === undefined)
    throw new CniError('invalid-config', 'GC needs the key cni.dev/valid-attachments');
  const valid = new Set(validAttachments.map(({ containerId, ifName }) => `${containerId}/${ifName}`));
  // The runtime knows a multi-NIC pod by its first interface alone.
  const stale = [...context.attachments.values()].filter(
    (stored) =>
      ['', conf.name].includes(stored.attachment.networkName) &&
      !valid.has(`${stored.attachment.containerId}/${runtimeIfName(stored)}`),
  );
  for (const stored of stale) {
    const ofRuntime = { ...stored.attachment, ifName: runtimeIfName(stored) };
    await context.locks.run(attachmentKey(ofRuntime), async () => {
      if (context.attachments.get(attachmentKey(stored.attachment)) !== stored) return;
      const addresses = addressesOfPod(stored, context);
      await releaseWhole(stored, context, log);
      log.warn(
        { containerId: stored.attachment.containerId, address: stored.address },
        'freed an attachment that the runtime no longer knows',
      );
      context.news.detached(stored.pod, addresses);
    });
  }
  await freeBranches(valid, conf, log, context);
  return {};
}

async function freeBranches(
  valid: ReadonlySet<string>,
  conf: NetworkConfig,
  log: Log,
  { branches, locks, news }: HandlerContext,
): Promise<void> {
  const stale = [...branches.attachments.values()].filter(
    ({ attachment: { networkName, containerId, ifName } }) =>
      ['', conf.name].includes(networkName) && !valid.has(`${containerId}/${ifName}`),
  );
  for (const stored of stale) {
    const key = attachmentKey(stored.attachment);
    await locks.run(key, async () => {
      if (branches.attachments.get(key) !== stored) return;
      await branches.release(stored, log);
      log.warn(
        { containerId: stored.attachment.containerId, address: stored.address },
        'freed an attachment that the runtime no longer knows',
      );
      news.detached(stored.pod, addressesOf(stored));
    });
  }
}
