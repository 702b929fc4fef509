/** The `release` action: free addresses and prefixes go back to the subnet. */
import { CloudError } from '#cloud/errors.ts';
import { withoutBlocks } from '#warm-pool/ledger.ts';
import type { Action } from '#warm-pool/model.ts';
import { errorFields } from '../observe/log.ts';
import type { ExecuteContext } from './context.ts';
import type { BackOffs } from './failures.ts';
import type { Run } from '../reconciler.ts';
import { knownInterface, refreshInterface, storeInterface } from './known-interfaces.ts';

/**
 * The blocks leave the pool before the call, so that no pod gets one meanwhile. When the call fails, the cloud is asked
 * what is still there and that returns to the pool.
 */
export async function releaseBlocks(
  action: Extract<Action, { kind: 'release' }>,
  context: ExecuteContext,
  backOffs: BackOffs,
  { signal, settle }: Run,
): Promise<void> {
  const { pool, provider, secondLooks, log } = context;
  const options = { signal, cause: action.why.reason };
  pool.update((ledger) => withoutBlocks(ledger, action.interfaceId, action.cidrs));
  const addresses = action.cidrs.filter((cidr) => cidr.endsWith('/32')).map((cidr) => cidr.slice(0, -'/32'.length));
  const prefixes = action.cidrs.filter((cidr) => !cidr.endsWith('/32'));
  try {
    // A restart must not serve from what may be gone by then.
    await storeInterface(action.interfaceId, context);
    const networkInterfaceId = action.interfaceId;
    if (addresses.length > 0) await provider.unassignPrivateIpAddresses({ networkInterfaceId, addresses }, options);
    if (prefixes.length > 0) await provider.unassignPrivateIpAddresses({ networkInterfaceId, prefixes }, options);
    // An old description may have brought them back, or a new assign: only a later look can tell.
    const isBack = knownInterface(context, action.interfaceId)?.blocks.some(({ cidr }) => action.cidrs.includes(cidr));
    if (isBack === true) secondLooks.at(action.interfaceId, context);
    settle((ledger) => withoutBlocks(ledger, action.interfaceId, action.cidrs));
    backOffs.succeed(context);
  } catch (error) {
    const gone = error instanceof CloudError && error.code === 'not-found';
    const delay = gone ? 0 : backOffs.fail(error, context);
    log.warn(
      { eni: action.interfaceId, cidrs: action.cidrs, backOffMs: delay, ...errorFields(error) },
      'addresses could not be given back',
    );
    await refreshInterface(action.interfaceId, context, { signal, cause: 'verify' });
  }
  await storeInterface(action.interfaceId, context);
}
