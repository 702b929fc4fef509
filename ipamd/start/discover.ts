/** Who this node is and what it holds: from metadata and one look at the cloud, or from the journal of the same boot. */
import type { Clock } from '#cloud/decorate/clock.ts';
import { CloudError } from '#cloud/errors.ts';
import { describeInstanceType } from '#cloud/aws/instance-limits.ts';
import type {
  CloudProvider,
  InstanceIdentity,
  InstanceMetadata,
  InstanceTypeDescription,
  NetworkInterfaceDescription,
} from '#cloud/provider.ts';
import type { AllocationMode, InstanceLimits } from '#warm-pool/model.ts';
import { maxInterfacesOn } from '../cards/cards-of-node.ts';
import type { Config } from '../config/config.ts';
import { errorFields, type Log } from '../observe/log.ts';
import type { JournalState } from '../store/records.ts';

export interface Node {
  readonly identity: InstanceIdentity;
  readonly instanceType: InstanceTypeDescription;
}

/** The node as an earlier start of the same boot knew it; nothing of it can have changed since. */
export function nodeFromJournal(state: JournalState, bootId: string): Node | undefined {
  const { identity, instanceType } = state;
  return state.bootId === bootId && identity !== undefined && instanceType !== undefined
    ? { identity, instanceType }
    : undefined;
}

export interface Discovered {
  readonly node: Node;
  readonly attached: readonly NetworkInterfaceDescription[];
}

/** Asks until it gets an answer; a wrong answer that asking again cannot mend ends it. */
export async function discoverNode(
  metadata: InstanceMetadata,
  provider: (identity: InstanceIdentity) => CloudProvider,
  { clock, log, signal }: { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal },
): Promise<Discovered> {
  for (let pause = 500; ; pause = Math.min(pause * 2, 30_000)) {
    try {
      const identity = await metadata.identity({ signal });
      const cloud = provider(identity);
      const instanceType = await describeInstanceType(cloud, identity.instanceType, { signal, cause: 'start' });
      return { node: { identity, instanceType }, attached: await describeAttached(cloud, identity, signal) };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof CloudError && error.retry === 'never') throw error;
      log.error({ retryInMs: pause, ...errorFields(error) }, 'this node cannot be identified yet');
    }
    await clock.sleep(pause, signal);
    signal.throwIfAborted();
  }
}

/** Every interface attached to this instance: one call. */
export function describeAttached(
  provider: CloudProvider,
  identity: InstanceIdentity,
  signal: AbortSignal,
  cause = 'start',
): Promise<readonly NetworkInterfaceDescription[]> {
  return provider.describeNetworkInterfaces(
    { filters: { 'attachment.instance-id': [identity.instanceId] } },
    { signal, cause },
  );
}

/** EC2 gives prefixes to Nitro instances only (EC2 user guide, "Prefix delegation"); others use single addresses. */
export function allocationMode(
  type: InstanceTypeDescription,
  config: Pick<Config, 'prefixDelegation'>,
): AllocationMode {
  return config.prefixDelegation && (type.bareMetal || type.hypervisor === 'nitro') ? 'prefix' : 'address';
}

/** What the type allows on network card 0, lowered by MAX_ENI. */
export function instanceLimits(type: InstanceTypeDescription, config: Config): InstanceLimits {
  return {
    maxInterfaces: maxInterfacesOn(0, type, config),
    ipv4PerInterface: type.ipv4PerInterface,
    maxPods: config.maxPods ?? Number.MAX_SAFE_INTEGER,
  };
}
