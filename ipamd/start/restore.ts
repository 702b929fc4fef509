/** From journal, kernel and, where they do not suffice, metadata and the cloud, to a pool that can serve. */
import { emptyLedger, type Ledger, withAssignment, withCoolDown, withInterface } from '#warm-pool/ledger.ts';
import type { CloudProvider, InstanceIdentity, InstanceMetadata } from '#cloud/provider.ts';
import type { Config } from '../config/config.ts';
import type { Datapath } from '../datapath/datapath.ts';
import { type ExecuteContext, toNetworkInterface } from '../execute/context.ts';
import { errorFields, type Log } from '../observe/log.ts';
import type { Journal } from '../store/journal.ts';
import type { JournalState } from '../store/records.ts';
import { allocationMode, discoverNode, instanceLimits, type Node, nodeFromJournal } from './discover.ts';
import { withOrphan } from './orphan.ts';
import { recover, type Recovery } from './recover.ts';
import type { Synchronisation } from './synchronise.ts';

/** The cloud as this instance reaches it. */
export type ProviderOf = (identity: InstanceIdentity) => CloudProvider;

export interface RestoreOptions {
  readonly config: Config;
  readonly metadata: InstanceMetadata;
  readonly log: Log;
  readonly bootId: string;
  readonly signal: AbortSignal;
  readonly state: JournalState;
  readonly provider: ProviderOf;
  readonly datapath: Datapath;
  readonly now: () => number;
}

export interface Restored {
  readonly node: Node;
  readonly ledger: Ledger;
  readonly recovery: Recovery;
  /** What the cloud said a moment ago, where the node had to be discovered. */
  readonly attached: Synchronisation['attached'];
}

/** The node and its pool as journal and kernel have them; a node that the journal does not know is discovered. */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const { config, log, bootId, state, datapath, now } = options;
  const { node, attached } = await identify(options);
  const coolDownMs = config.coolDownSeconds * 1000;
  const context = { identity: node.identity, isManaged: () => true };
  const interfaces =
    attached?.map((description) =>
      toNetworkInterface(
        description,
        context,
        description.id === node.identity.primaryInterfaceId ? 'ready' : 'attaching',
        now(),
      ),
    ) ?? [...state.interfaces.values()].map(({ networkInterface }) => networkInterface);
  const recovery = recover({
    journal: state,
    bootId,
    kernelPods: await datapath.listPods(),
    interfaces,
    now: now(),
    coolDownMs,
  });
  const mode = allocationMode(node.instanceType, config);
  if (config.prefixDelegation && mode !== 'prefix') {
    log.warn(
      { instanceType: node.instanceType.instanceType },
      'ENABLE_PREFIX_DELEGATION is set, but this instance type cannot hold prefixes; single addresses are used',
    );
  }
  let ledger = emptyLedger({
    mode,
    limits: instanceLimits(node.instanceType, config),
    coolDownMs,
  });
  for (const networkInterface of interfaces) ledger = withInterface(ledger, networkInterface);
  for (const coolDown of recovery.coolDowns) ledger = withCoolDown(ledger, coolDown);
  for (const stored of recovery.assignments) {
    const outcome = withAssignment(ledger, stored);
    if (outcome.kind === 'restored') {
      ledger = outcome.ledger;
      continue;
    }
    const { address, interfaceId, pod } = stored;
    log.error(
      { address, eni: interfaceId, pod: `${pod.namespace}/${pod.name}`, reason: outcome.reason },
      'a pod runs with an address that this node does not hold',
    );
    if (outcome.reason === 'address-unknown') ledger = withOrphan(ledger, stored);
  }
  return { node, ledger, recovery, attached };
}

async function identify({
  metadata,
  log,
  bootId,
  signal,
  state,
  provider,
}: RestoreOptions): Promise<Pick<Restored, 'node' | 'attached'>> {
  const remembered = nodeFromJournal(state, bootId);
  if (remembered !== undefined) return { node: remembered, attached: undefined };
  return discoverNode(metadata, provider, log, signal);
}

export async function storeRecovery(recovery: Recovery, journal: Journal, log: Log): Promise<void> {
  for (const finding of recovery.findings) log.warn(finding, 'journal and kernel disagree');
  for (const coolDown of recovery.coolDowns) await journal.append({ kind: 'cool-down', coolDown });
  for (const assignment of recovery.assignments) await journal.append({ kind: 'assign', assignment });
}

/** The kernel of a node that starts: host tables, known interfaces, no halves of interrupted ADDs. */
export async function setUpKernel(
  { config, node, state, recovery }: Pick<RestoreOptions, 'config' | 'state'> & Pick<Restored, 'node' | 'recovery'>,
  { datapath, pool, log }: Pick<ExecuteContext, 'datapath' | 'pool' | 'log'>,
): Promise<void> {
  await datapath.setUpHost({
    primaryMac: node.identity.primaryMac,
    primaryAddress: node.identity.primaryAddress,
    noSnatCidrs: [...node.identity.vpcCidrs, ...config.excludeSnatCidrs],
    externalSnat: config.externalSnat,
    randomizeSnat: config.randomizeSnat,
    nodePortSupport: config.nodePortSupport,
    eniMtu: config.eniMtu,
  });
  for (const { networkInterface } of pool.snapshot().interfaces) {
    const subnetCidr = state.interfaces.get(networkInterface.id)?.subnetCidr;
    if (networkInterface.isPrimary || networkInterface.phase !== 'ready' || subnetCidr === undefined) continue;
    await datapath
      .setUpInterface({ ...networkInterface, subnetCidr })
      .catch((error: unknown) =>
        log.error({ eni: networkInterface.id, ...errorFields(error) }, 'a known interface cannot be set up'),
      );
  }
  for (const orphan of recovery.orphans)
    await datapath.deletePod({ hostIfName: orphan.hostIfName, addresses: orphan.addresses });
}
