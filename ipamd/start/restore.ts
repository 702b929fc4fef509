/** From journal, kernel and, where they do not suffice, metadata and the cloud, to a pool that can serve. */
import {
  addressesOf,
  emptyLedger,
  type Ledger,
  withAssignment,
  withCoolDown,
  withInterface,
  withLostAssignment,
} from '#warm-pool/ledger.ts';
import type { InterfacePhase } from '#warm-pool/model.ts';
import type { Clock } from '#cloud/decorate/clock.ts';
import type {
  CloudProvider,
  InstanceIdentity,
  InstanceMetadata,
  NetworkInterfaceDescription,
} from '#cloud/provider.ts';
import { checkMarks, furtherCards, isOfThePool, withoutFurtherCards } from '../cards/cards-of-node.ts';
import type { Config } from '../config/config.ts';
import type { Datapath, KeptPod } from '../datapath/datapath.ts';
import { type ExecuteContext, toNetworkInterface } from '../execute/context.ts';
import { errorFields, type Log } from '../observe/log.ts';
import type { Journal } from '../store/journal.ts';
import type { JournalState } from '../store/records.ts';
import { allocationMode, discoverNode, instanceLimits, type Node, nodeFromJournal } from './discover.ts';
import { checkInstanceType, familyOf } from './family.ts';
import { hostConfigOf } from './host-config.ts';
import { type PeerNode, withPeerPods } from './peer-pods.ts';
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
  readonly clock: Clock;
  /** What the CNI that ran here before left behind; absent where there can be none. */
  readonly peer?: PeerNode;
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
  const { config, log, bootId, datapath, clock } = options;
  const now = () => clock.wallTime();
  const { state, links } = await withPeerPods(options);
  const { node, attached } = await identify(options);
  const coolDownMs = config.coolDownSeconds * 1000;
  const isManaged = (one: NetworkInterfaceDescription) => isOfThePool(one, node.identity.instanceId, config);
  const context = { identity: node.identity, isManaged };
  const interfaces =
    attached?.map((description) =>
      toNetworkInterface(
        description,
        context,
        description.id === node.identity.primaryInterfaceId ? 'ready' : phaseOf(description.id, state),
        now(),
      ),
    ) ?? [...state.interfaces.values()].map(({ networkInterface }) => networkInterface);
  const recovery = recover({
    journal: state,
    bootId,
    links,
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
  const family = familyOf(config);
  checkInstanceType(family, node.instanceType);
  checkMarks(node.instanceType, config);
  const note = withoutFurtherCards(node.instanceType, config);
  if (note !== undefined) log.info({ setting: 'ENABLE_MULTI_NIC' }, note);
  let ledger = emptyLedger({
    mode,
    family,
    limits: instanceLimits(node.instanceType, config),
    cards: furtherCards(node.instanceType, config),
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
    if (outcome.reason === 'address-unknown') ledger = withLostAssignment(ledger, stored);
  }
  for (const [address, { interfaceId, pod }] of ledger.ipv6Orphans) {
    log.error(
      { address, eni: interfaceId, pod: `${pod.namespace}/${pod.name}`, reason: 'address-unknown' },
      'a pod runs with an address that this node does not hold',
    );
  }
  return { node, ledger, recovery, attached };
}

/** Of an interface that is attached: what was being removed before a reboot still is. */
function phaseOf(id: string, { interfaces }: JournalState): InterfacePhase {
  return interfaces.get(id)?.networkInterface.phase === 'draining' ? 'draining' : 'attaching';
}

async function identify({
  metadata,
  log,
  bootId,
  signal,
  state,
  provider,
  clock,
}: RestoreOptions): Promise<Pick<Restored, 'node' | 'attached'>> {
  const remembered = nodeFromJournal(state, bootId);
  if (remembered !== undefined) return { node: remembered, attached: undefined };
  return discoverNode(metadata, provider, { clock, log, signal });
}

export async function storeRecovery(recovery: Recovery, journal: Journal, log: Log): Promise<void> {
  for (const finding of recovery.findings) log.warn(finding, 'journal and kernel disagree');
  // A void attachment whose record stayed would rest anew at every start.
  await journal.append(
    ...recovery.voided.map((each) => ({ kind: 'unassign', ...each }) as const),
    ...recovery.coolDowns.map((coolDown) => ({ kind: 'cool-down', coolDown }) as const),
    ...recovery.assignments.map((assignment) => ({ kind: 'assign', assignment }) as const),
  );
}

/** The kernel of a node that starts: host tables, known interfaces, no halves of interrupted ADDs. */
export async function setUpKernel(
  { config, node, state, recovery }: Pick<RestoreOptions, 'config' | 'state'> & Pick<Restored, 'node' | 'recovery'>,
  { datapath, pool, log }: Pick<ExecuteContext, 'datapath' | 'pool' | 'log'>,
): Promise<void> {
  // Branch pods that are no more are taken away with what is left of them.
  const publishing = [...recovery.assignments, ...state.branches.values()]
    .filter(({ portMappings }) => portMappings !== undefined)
    .map((stored) => ({ ...stored, addresses: addressesOf(stored) }));
  await datapath.setUpHost({ ...hostConfigOf(config, node.identity, pool.ledger), publishing });
  for (const { networkInterface } of pool.snapshot().interfaces) {
    const subnetCidr = state.interfaces.get(networkInterface.id)?.subnetCidr;
    if (networkInterface.isPrimary || networkInterface.phase !== 'ready' || subnetCidr === undefined) continue;
    await datapath
      .setUpInterface({ ...networkInterface, subnetCidr })
      .catch((error: unknown) =>
        log.error({ eni: networkInterface.id, ...errorFields(error) }, 'a known interface cannot be set up'),
      );
  }
  await datapath.keepPods?.(keptPods(recovery, pool));
  for (const orphan of recovery.orphans)
    await datapath.deletePod({ hostIfName: orphan.hostIfName, addresses: orphan.addresses });
}

/** Pods that this daemon's CNI plumbed, as they are known; those of another CNI are not ours to repair. */
function keptPods({ assignments }: Recovery, pool: ExecuteContext['pool']): readonly KeptPod[] {
  const own = assignments.filter(({ plumbedBy, hostIfName }) => plumbedBy === undefined && hostIfName !== '');
  return own.map((stored) => {
    const { containerId, ifName } = stored.attachment;
    const place = pool.ledger.interfaces.get(stored.interfaceId)?.networkInterface;
    const { hostIfName, portMappings, macs } = stored;
    const named = { containerId, ifName, hostIfName, addresses: addressesOf(stored), place, macs };
    return portMappings === undefined ? named : { ...named, portMappings };
  });
}
