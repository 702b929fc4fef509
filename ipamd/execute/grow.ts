/** The `assign` action: more addresses or prefixes for an interface that is there. */
import { CloudError } from '#cloud/errors.ts';
import { withBlocks } from '#warm-pool/ledger.ts';
import type { Action, AddressBlock } from '#warm-pool/model.ts';
import type { ExecuteContext } from './context.ts';
import type { Run } from '../reconciler.ts';
import { bookGrowthFailure, type BackOffs } from './failures.ts';
import { knownInterface, refreshInterface, storeInterface } from './known-interfaces.ts';

export async function assignBlocks(
  action: Extract<Action, { kind: 'assign' }>,
  context: ExecuteContext,
  backOffs: BackOffs,
  { signal, settle }: Run,
): Promise<void> {
  const { provider } = context;
  const options = { signal, cause: action.why.reason };
  const request = { networkInterfaceId: action.interfaceId };
  const known = knownInterface(context, action.interfaceId);
  try {
    const assigned = await provider.assignPrivateIpAddresses(
      action.mode === 'prefix' ? { ...request, prefixCount: action.count } : { ...request, addressCount: action.count },
      options,
    );
    const blocks = [
      ...assigned.addresses.map((address): AddressBlock => ({ cidr: `${address}/32`, kind: 'address' })),
      ...assigned.prefixes.map((cidr): AddressBlock => ({ cidr, kind: 'prefix' })),
    ];
    settle((ledger) => withBlocks(ledger, action.interfaceId, blocks));
    backOffs.succeed(context);
    if (known !== undefined) backOffs.subnetGave(known.subnetId);
  } catch (error) {
    // Whether the call took effect is unknown, or our picture is wrong: the cloud's answer replaces it.
    if (error instanceof CloudError && ['unavailable', 'aborted', 'address-limit', 'not-found'].includes(error.code)) {
      await refreshInterface(action.interfaceId, context, { signal, cause: 'verify' });
    }
    bookGrowthFailure(error, known?.subnetId ?? '', context, backOffs);
  }
  await storeInterface(action.interfaceId, context);
}
