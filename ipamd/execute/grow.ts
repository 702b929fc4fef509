/** The `assign` action: more addresses or prefixes for an interface that is there. */
import { CloudError, type CloudErrorCode } from '#cloud/errors.ts';
import { withBlocks, withIpv6Prefixes } from '#warm-pool/ledger.ts';
import type { Action, AddressBlock } from '#warm-pool/model.ts';
import type { ExecuteContext } from './context.ts';
import type { Run } from '../reconciler.ts';
import { type BackOffs, bookFull, bookGrowthFailure, bookIpv6Failure, fullOf, ipv6Of, prefixesOf } from './failures.ts';
import { knownInterface, refreshInterface, storeInterface } from './known-interfaces.ts';

/** Whether the call took effect is unknown, or our picture is wrong: the cloud's answer replaces it. */
const IN_DOUBT: ReadonlySet<CloudErrorCode> = new Set(['unavailable', 'aborted', 'address-limit', 'not-found']);

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
    backOffs.subnetGave(known?.subnetId ?? '');
    backOffs.subnetGave(fullOf(action.interfaceId));
    if (action.mode === 'prefix') backOffs.subnetGave(prefixesOf(known?.subnetId ?? ''));
  } catch (error) {
    if (error instanceof CloudError && IN_DOUBT.has(error.code)) {
      await refreshInterface(action.interfaceId, context, { signal, cause: 'verify' });
    }
    if (error instanceof CloudError && error.code === 'address-limit')
      bookFull(error, action.interfaceId, context, backOffs);
    else bookGrowthFailure(error, known?.subnetId ?? '', context, backOffs);
  }
  await storeInterface(action.interfaceId, context);
}

/** The `assign-ipv6-prefix` action: the /80 from which the pods of an interface get their IPv6 addresses. */
export async function assignIpv6Prefix(
  action: Extract<Action, { kind: 'assign-ipv6-prefix' }>,
  context: ExecuteContext,
  backOffs: BackOffs,
  { signal, settle }: Run,
): Promise<void> {
  const { provider } = context;
  const options = { signal, cause: action.why.reason };
  const known = knownInterface(context, action.interfaceId);
  try {
    const request = { networkInterfaceId: action.interfaceId, prefixCount: 1 };
    const { prefixes } = await provider.assignIpv6Addresses(request, options);
    settle((ledger) => withIpv6Prefixes(ledger, action.interfaceId, prefixes));
    backOffs.succeed(context);
    backOffs.subnetGave(ipv6Of(known?.subnetId ?? ''));
  } catch (error) {
    if (error instanceof CloudError && IN_DOUBT.has(error.code)) {
      await refreshInterface(action.interfaceId, context, { signal, cause: 'verify' });
    }
    bookIpv6Failure(error, known?.subnetId ?? '', context, backOffs);
  }
  await storeInterface(action.interfaceId, context);
}
