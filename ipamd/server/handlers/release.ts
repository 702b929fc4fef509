/** The one way in which an attachment gives its address back: kernel, then journal, then pool. */
import { attachmentKey, unassign } from '#warm-pool/ledger.ts';
import { errorFields, type Log } from '../../observe/log.ts';
import type { StoredAssignment } from '../../store/records.ts';
import type { HandlerContext } from './context.ts';

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
  await context.datapath.deletePod({ hostIfName: stored.hostIfName, addresses: [stored.address] });
  const outcome = unassign(context.pool.ledger, stored.attachment, context.now());
  if (outcome.kind === 'released') {
    await context.journal
      .append({ kind: 'unassign', attachment: stored.attachment, coolDown: outcome.coolDown })
      .catch((error: unknown) =>
        log.error(
          { address: stored.address, ...errorFields(error) },
          'a release could not be written down; the address is free all the same',
        ),
      );
  }
  context.attachments.delete(attachmentKey(stored.attachment));
  // Computed anew: other attachments came and went while the record was written.
  context.pool.update((ledger) => {
    const now = unassign(ledger, stored.attachment, context.now());
    return now.kind === 'released' ? now.ledger : ledger;
  });
}
