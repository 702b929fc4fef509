/** The interfaces as pool and journal know them, and a second look where that is in doubt. */
import { withInterface } from '#warm-pool/ledger.ts';
import type { NetworkInterface } from '#warm-pool/model.ts';
import { blocksOf, type ExecuteContext } from './context.ts';

/** Writes the interface, as the pool knows it now, into the journal. */
export async function storeInterface(id: string, context: ExecuteContext): Promise<void> {
  const networkInterface = knownInterface(context, id);
  if (networkInterface === undefined) return;
  const subnetCidr = context.subnets.get(networkInterface.subnetId)?.cidr ?? context.identity.subnetCidr;
  await context.journal.append({ kind: 'interface', networkInterface, subnetCidr });
}

/** Replaces what the pool thinks the interface holds by what the cloud says; a failed look changes nothing. */
export async function refreshInterface(
  id: string,
  context: ExecuteContext,
  options: { readonly signal: AbortSignal; readonly cause: string },
): Promise<void> {
  const { provider, pool, log } = context;
  try {
    const [description] = await provider.describeNetworkInterfaces({ ids: [id] }, options);
    if (description === undefined) return;
    pool.update((ledger) => {
      const known = knownInterface(context, id);
      return known === undefined ? ledger : withInterface(ledger, { ...known, blocks: blocksOf(description) });
    });
  } catch (error) {
    log.warn(
      { eni: id, error: String(error) },
      'the interface could not be described; its addresses stay as they are known',
    );
  }
}

/** The interface as the pool knows it now. */
export function knownInterface(context: Pick<ExecuteContext, 'pool'>, id: string): NetworkInterface | undefined {
  return context.pool.ledger.interfaces.get(id)?.networkInterface;
}
