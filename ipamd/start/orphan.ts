/** A pod that was found with an address which no interface of this node holds. */
import { type Ledger, withAssignment, withInterface, withoutInterface } from '#warm-pool/ledger.ts';
import type { Assignment } from '#warm-pool/model.ts';

/**
 * Puts the assignment into the ledger as what it would be, had its interface gone while the daemon ran: an orphan that
 * waits for its address to come back or for its DEL. The same ledger where the attachment has another address.
 */
export function withOrphan(ledger: Ledger, told: Assignment): Ledger {
  const id = `gone-with-${told.address}`;
  const blocks = [{ cidr: `${told.address}/32`, kind: 'address' }] as const;
  const place = { subnetId: '', mac: '', primaryAddress: '', deviceIndex: 0, networkCardIndex: 0, attachmentId: '' };
  const gone = {
    ...place,
    id,
    blocks,
    isPrimary: false,
    phase: 'draining',
    managed: false,
    since: told.assignedAt,
  } as const;
  const outcome = withAssignment(withInterface(ledger, gone), told);
  return outcome.kind === 'restored' ? withoutInterface(outcome.ledger, id) : ledger;
}
