/** The interfaces as pool and journal know them, and a second look where that is in doubt. */
import { CloudError } from '#cloud/errors.ts';
import type { CallOptions, NetworkInterfaceDescription } from '#cloud/provider.ts';
import { withInterface, withoutInterface } from '#warm-pool/ledger.ts';
import type { InterfaceUse, NetworkInterface } from '#warm-pool/model.ts';
import { errorFields } from '../observe/log.ts';
import { blocksOf, type ExecuteContext, ipv6Of } from './context.ts';

/** Between an answer that takes something from pods and the question whether it is meant. */
const CONFIRM_PAUSE_MS = 1000;

type Reader = Pick<ExecuteContext, 'provider' | 'pool' | 'log' | 'identity' | 'clock'>;

/** Writes the interface, as the pool knows it now, into the journal; with `phase` as it is about to be. */
export async function storeInterface(
  id: string,
  context: ExecuteContext,
  phase?: NetworkInterface['phase'],
): Promise<void> {
  const known = knownInterface(context, id);
  if (known === undefined) return;
  const networkInterface = phase === undefined ? known : { ...known, phase };
  const subnetCidr = context.subnets.get(networkInterface.subnetId)?.cidr ?? context.identity.subnetCidr;
  await context.journal.append({ kind: 'interface', networkInterface, subnetCidr });
}

/**
 * Replaces what the pool thinks the interface holds by what the cloud says; an interface that is gone leaves the pool.
 * What would take an address from a pod is asked twice. A failed look changes nothing and resolves to false. After a call
 * whose outcome is unknown (cause `verify`) it looks once more when no read can be behind that call any longer.
 */
export async function refreshInterface(id: string, context: ExecuteContext, options: CallOptions): Promise<boolean> {
  const { log, journal, secondLooks } = context;
  if (options.cause === 'verify') secondLooks.at(id, context);
  try {
    const description = await confirmed(id, await attachedHere(id, context, options), context, options);
    if (description === undefined) {
      const known = knownInterface(context, id);
      if (known === undefined || known.isPrimary || known.phase === 'draining') return true;
      forgetInterface(id, context);
      await journal.append({ kind: 'interface-gone', interfaceId: id });
      return true;
    }
    updateBlocks(description, context);
    return true;
  } catch (error) {
    log.warn(
      { eni: id, ...errorFields(error) },
      'the interface could not be described; its addresses stay as they are known',
    );
    return false;
  }
}

/** Puts in place what the cloud gives to the interface, and says loudly which pods that leaves without their address. */
export function updateBlocks(
  described: NetworkInterfaceDescription,
  { pool, log, corrected }: Pick<ExecuteContext, 'pool' | 'log' | 'corrected'>,
): void {
  const description = corrected(described);
  reportingOrphans({ pool, log }, () =>
    pool.update((ledger) => {
      const known = ledger.interfaces.get(description.id)?.networkInterface;
      if (known === undefined) return ledger;
      const { ipv6Prefixes = [], ...own } = ipv6Of(description);
      return withInterface(ledger, {
        ...known,
        ...own,
        ipv6Prefixes,
        blocks: blocksOf(description),
        fullUntil: undefined,
      });
    }),
  );
}

/** An interface that is not attached any more leaves the pool; pods that had their address from it are reported. */
export function forgetInterface(id: string, { pool, log }: Pick<ExecuteContext, 'pool' | 'log'>): void {
  log.error({ eni: id }, 'an interface that this node knows is no longer attached; its addresses are lost');
  reportingOrphans({ pool, log }, () => pool.update((ledger) => withoutInterface(ledger, id)));
}

/**
 * `first`, or where that would take the interface or addresses in use from the pool, what the cloud says when it is
 * asked again by the interface's id. Undefined where the interface is not attached to this instance.
 */
export async function confirmed(
  id: string,
  first: NetworkInterfaceDescription | undefined,
  context: Reader,
  options: CallOptions,
): Promise<NetworkInterfaceDescription | undefined> {
  const use = context.pool.snapshot().interfaces.find(({ networkInterface }) => networkInterface.id === id);
  if (use === undefined || use.networkInterface.phase === 'draining') return first;
  const missing =
    first === undefined
      ? [...use.blocks.map(({ block }) => block.cidr), ...(use.networkInterface.ipv6Prefixes ?? [])]
      : usedAndMissing(use, first);
  if (first !== undefined && missing.length === 0) return first;
  context.log.warn(
    { eni: id, cidrs: missing, attached: first !== undefined },
    'the cloud does not list what this node uses; asking again',
  );
  await context.clock.sleep(CONFIRM_PAUSE_MS, options.signal);
  options.signal?.throwIfAborted();
  return attachedHere(id, context, { ...options, cause: 'confirm' });
}

/** Blocks and /80 prefixes with pods in them that are not in the description. */
function usedAndMissing({ blocks, ipv6 = [] }: InterfaceUse, listed: NetworkInterfaceDescription): readonly string[] {
  const cidrs = new Set([...blocksOf(listed).map(({ cidr }) => cidr), ...(ipv6Of(listed).ipv6Prefixes ?? [])]);
  const used = [...blocks.map(({ block, assigned }) => ({ cidr: block.cidr, assigned })), ...ipv6];
  return used.flatMap(({ cidr, assigned }) => (assigned > 0 && !cidrs.has(cidr) ? [cidr] : []));
}

/** The interface as the pool knows it now. */
export function knownInterface(context: Pick<ExecuteContext, 'pool'>, id: string): NetworkInterface | undefined {
  return context.pool.ledger.interfaces.get(id)?.networkInterface;
}

async function attachedHere(
  id: string,
  { provider, identity }: Reader,
  options: CallOptions,
): Promise<NetworkInterfaceDescription | undefined> {
  try {
    const [found] = await provider.describeNetworkInterfaces({ ids: [id] }, options);
    return found?.attachment?.instanceId === identity.instanceId ? found : undefined;
  } catch (error) {
    if (error instanceof CloudError && error.code === 'not-found') return undefined;
    throw error;
  }
}

function reportingOrphans({ pool, log }: Pick<ExecuteContext, 'pool' | 'log'>, change: () => void): void {
  const before = pool.ledger;
  change();
  for (const [address, { pod, interfaceId, attachment }] of [...pool.ledger.orphans, ...pool.ledger.ipv6Orphans]) {
    if (before.orphans.has(address) || before.ipv6Orphans.has(address)) continue;
    log.error(
      { address, eni: interfaceId, pod: `${pod.namespace}/${pod.name}`, containerId: attachment.containerId },
      'a pod runs with an address that the cloud no longer gives to this node; its traffic is lost until the pod is made anew',
    );
  }
}
