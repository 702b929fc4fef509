/** The one way in which an attachment gives its address back: kernel, then journal, then pool. */
import { addressesOf, attachmentKey, unassign } from '#warm-pool/ledger.ts';
import { furtherOf } from '../../cards/pod-interfaces.ts';
import { errorFields, type Log } from '../../observe/log.ts';
import type { StoredAssignment } from '../../store/records.ts';
import type { HandlerContext } from './context.ts';

/**
 * The attachment with the further interfaces of its pod, which go first: as long as one of them is there, a repetition
 * finds it by the attachment. As `releaseAttachment`.
 */
export async function releaseWhole(
  stored: StoredAssignment,
  context: Parameters<typeof releaseAttachment>[1],
  log: Log,
): Promise<void> {
  for (const further of furtherOf(stored.attachment, context.attachments.values()))
    await releaseAttachment(further, context, log);
  await releaseAttachment(stored, context, log);
}

/**
 * Safe to repeat. When it rejects, the attachment still holds its address and a repetition finishes the work.
 *
 * A journal that cannot be written does not stop it: a restart finds the attachment without its link and lets the address
 * rest, and the record of whoever has the address next makes this one void. A full disk must not keep pods from going.
 */
export async function releaseAttachment(
  stored: StoredAssignment,
  context: Pick<HandlerContext, 'pool' | 'journal' | 'datapath' | 'attachments' | 'now'>,
  log: Log,
): Promise<void> {
  await context.datapath.deletePod({
    hostIfName: stored.hostIfName,
    addresses: addressesOf(stored),
    plumbedBy: stored.plumbedBy,
  });
  const outcome = unassign(context.pool.ledger, stored.attachment, context.now());
  if (outcome.kind === 'released') {
    const { coolDown, ipv6CoolDown } = outcome;
    const second = ipv6CoolDown === undefined ? {} : { ipv6CoolDown };
    const unwritten = await context.journal.appendOrOwe({
      kind: 'unassign',
      attachment: stored.attachment,
      coolDown,
      ...second,
    });
    if (unwritten !== undefined)
      log.error(
        { address: stored.address, ...errorFields(unwritten) },
        'a release could not be written down yet; the address is free all the same',
      );
  }
  context.attachments.delete(attachmentKey(stored.attachment));
  // Computed anew: other attachments came and went while the record was written.
  context.pool.update((ledger) => {
    const now = unassign(ledger, stored.attachment, context.now());
    return now.kind === 'released' ? now.ledger : ledger;
  });
}
