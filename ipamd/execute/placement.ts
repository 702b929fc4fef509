/** Wires what decides where this node's interfaces are, which of them serve, and who may change them. */
import { decorate } from '#cloud/decorate/decorate.ts';
import { CloudError } from '#cloud/errors.ts';
import type { CloudProvider, InstanceIdentity, NetworkInterfaceDescription, NetworkMetadata } from '#cloud/provider.ts';
import type { Config } from '../config/config.ts';
import { type ClusterView, type EniConfig, WITHOUT_CLUSTER } from '../kubernetes/cluster-view.ts';
import { errorFields } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { CustomNetworking } from '../placement/custom-networking.ts';
import { isOfThePool } from '../cards/cards-of-node.ts';
import { isSameSet, type NodeFacts, nodeFactsOf } from '../placement/node-facts.ts';
import type { Node } from '../start/discover.ts';
import { hostConfigOf } from '../start/host-config.ts';
import type { PlacementSubnets } from '../start/subnets.ts';
import type { ExecuteContext } from './context.ts';
import { followSecurityGroups, tagAdopted } from './follow-node.ts';
import { LateTags } from './late-tags.ts';
import { NodeWatch } from './node-watch.ts';
import { PlacementWatch } from './placement-watch.ts';

/** With provisioning disabled, the longest pause between two comparisons of the pool with metadata. */
const LONGEST_METADATA_PAUSE_MS = 60_000;

/** As the first look for leaked interfaces: a twelfth to a sixth of its interval after the start. */
const FIRST_SLOW_LOOK = 12;

/** Ports beside those of the execution; each may be absent. */
export interface PlacementPorts {
  /** Absent: no API server. */
  readonly cluster?: ClusterView;
  /** Absent: changes of this node are seen only by comparing with EC2. */
  readonly network?: NetworkMetadata;
}

export interface Placement {
  readonly cluster: ClusterView;
  readonly custom: CustomNetworking | undefined;
  readonly facts: NodeFacts;
  readonly provisioningDisabledBy: string | undefined;
  readonly securityGroups: () => readonly string[];
  readonly isManaged: (description: NetworkInterfaceDescription) => boolean;
}

/** The setting that keeps the daemon from changing anything in the cloud, if one does. */
export function provisioningDisabledBy(config: Pick<Config, 'imdsOnly' | 'disableProvisioning'>): string | undefined {
  if (config.imdsOnly) return 'ENABLE_IMDS_ONLY_MODE';
  return config.disableProvisioning ? 'DISABLE_NETWORK_RESOURCE_PROVISIONING' : undefined;
}

/** `provider` without its writes, whoever asks for one: they fail with `invalid`. */
export function withoutWrites(provider: CloudProvider, setting: string): CloudProvider {
  return decorate(provider, ({ operation, options }, proceed) =>
    operation.startsWith('describe')
      ? proceed(options)
      : Promise.reject(
          new CloudError('invalid', operation, `nothing is changed in the cloud, because ${setting} is set`),
        ),
  );
}

export function placementOf(
  config: Config,
  identity: InstanceIdentity,
  { cluster = WITHOUT_CLUSTER }: PlacementPorts,
  remembered: EniConfig | undefined,
): Placement {
  const custom = config.customNetworking ? new CustomNetworking(cluster, identity, remembered) : undefined;
  const facts = nodeFactsOf(identity);
  return {
    cluster,
    custom,
    facts,
    provisioningDisabledBy: provisioningDisabledBy(config),
    securityGroups: () => {
      const place = custom?.place;
      const named = place?.kind === 'usable' ? place.eniConfig.securityGroupIds : [];
      return named.length > 0 ? named : facts.securityGroupIds;
    },
    isManaged: (description) => isOfThePool(description, identity.instanceId, config),
  };
}

export interface PlacementWatches {
  /** To be told of what is attached when the cloud was compared at start; what it lacks is set in the background, tags some minutes later. */
  readonly onAttached: (attached: readonly NetworkInterfaceDescription[]) => void;
  /** Calls the listener with what EC2 says is attached, whenever it was asked. */
  onEachLook(listener: (attached: readonly NetworkInterfaceDescription[]) => void): void;
  /** Sees changes from here on. */
  begin(): AsyncDisposable;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface WatchFrom {
  readonly config: Config;
  readonly node: Node;
  readonly context: ExecuteContext;
  readonly subnets: PlacementSubnets;
  readonly network: NetworkMetadata | undefined;
  readonly metrics: Pick<Metrics, 'interfaceUpdateFailures'>;
  readonly random: () => number;
}

/** The pool's constraints hold from here on, so this comes before the first pod is served. */
export function watchPlacement(placement: Placement, from: WatchFrom): PlacementWatches {
  const { config, node, context, subnets, network, metrics, random } = from;
  const { cluster, custom, facts } = placement;
  const { clusterName, additionalEniTags: additional } = config;
  const options = {
    tags: { instanceId: node.identity.instanceId, clusterName, additional },
    countFailure: (what: string) => metrics.interfaceUpdateFailures.inc({ what }),
  };
  const lateTags = new LateTags(
    context,
    (config.leakedEniIntervalSeconds * 1000 * (1 + random())) / FIRST_SLOW_LOOK,
    (attached, signal) => tagAdopted(attached, context, options, signal),
  );
  const listeners: ((attached: readonly NetworkInterfaceDescription[]) => void)[] = [];
  const follow = async (attached: readonly NetworkInterfaceDescription[], signal: AbortSignal): Promise<boolean> => {
    for (const tell of listeners) tell(attached);
    lateTags.forget();
    await tagAdopted(attached, context, options, signal);
    return followSecurityGroups(attached, context, options, signal);
  };
  const store = (known: NodeFacts) =>
    context.journal.append({ kind: 'node', ...node, identity: { ...node.identity, ...known } });
  let nodeWatch: NodeWatch | undefined;
  const stop = new AbortController();
  let atStart = Promise.resolve();
  const followAtStart = async (attached: readonly NetworkInterfaceDescription[]): Promise<void> => {
    const primary = attached.find(({ id }) => id === node.identity.primaryInterfaceId);
    if (primary !== undefined && !isSameSet(primary.securityGroupIds, facts.securityGroupIds)) {
      facts.securityGroupIds = primary.securityGroupIds;
      await store(facts);
    }
    for (const tell of listeners) tell(attached);
    lateTags.found(attached);
    if (!(await followSecurityGroups(attached, context, options, stop.signal)))
      nodeWatch?.compareSoon('security-groups');
  };
  const placementWatch = new PlacementWatch({
    context,
    subnets,
    cluster,
    custom,
    provisioningDisabledBy: placement.provisioningDisabledBy,
    manageNonSchedulable: config.manageEnisNonSchedulable,
    onEniConfig: () => {
      // Those of the primary interface stay: a node that has no other yet asks nothing.
      const { interfaces, inFlight } = context.pool.snapshot();
      if (interfaces.some(({ networkInterface }) => !networkInterface.isPrimary) || inFlight.length > 0)
        nodeWatch?.compareSoon('eniconfig');
    },
  });
  return {
    onEachLook: (listener) => void listeners.push(listener),
    onAttached: (attached) => {
      atStart = followAtStart(attached).catch((error: unknown) => {
        context.log.error(errorFields(error), 'what interfaces should carry could not be set at start');
      });
    },
    begin: () => {
      const compareByMetadata = placement.provisioningDisabledBy !== undefined;
      const longest = compareByMetadata ? LONGEST_METADATA_PAUSE_MS : Infinity;
      nodeWatch = new NodeWatch({
        context,
        facts,
        network,
        metadataIntervalMs: Math.min(config.metadataIntervalSeconds * 1000, longest),
        reconcileIntervalMs: config.reconcileIntervalSeconds * 1000,
        compareByMetadata,
        random,
        onVpcCidrs: (vpcCidrs) =>
          context.datapath.setUpHost(
            hostConfigOf(config, { ...node.identity, ...facts, vpcCidrs }, context.pool.ledger),
          ),
        store,
        follow,
      });
      return nodeWatch;
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the daemon stops'));
      await atStart;
      await lateTags[Symbol.asyncDispose]();
      await placementWatch[Symbol.asyncDispose]();
    },
  };
}
