/** What carrying out an action needs. Everything with an effect is a port; time and identifiers are passed in. */
import type {
  CallOptions,
  CloudProvider,
  InstanceIdentity,
  NetworkInterfaceDescription,
  SubnetDescription,
  Tags,
} from '#cloud/provider.ts';
import type { AddressBlock, NetworkInterface } from '#warm-pool/model.ts';
import type { Datapath } from '../datapath/datapath.ts';
import type { Log } from '../observe/log.ts';
import type { Pool } from '../pool.ts';
import type { Journal } from '../store/journal.ts';
import type { SecondLooks } from './second-looks.ts';

export interface ExecuteContext {
  readonly provider: CloudProvider;
  readonly datapath: Datapath;
  readonly journal: Journal;
  readonly pool: Pool;
  readonly identity: InstanceIdentity;
  /** Tags for an interface that is created at this time. */
  readonly tags: (now: number) => Tags;
  readonly isManaged: (description: NetworkInterfaceDescription) => boolean;
  readonly subnets: SubnetCache;
  /** Told of creates of which it is not known whether they left an interface behind. */
  readonly leftovers: { suspect(intentId: string): void };
  readonly now: () => number;
  readonly newId: () => string;
  /** For interfaces whose description may be behind our own writes. */
  readonly secondLooks: SecondLooks;
  readonly log: Log;
}

/** Subnets as last described. */
export interface SubnetCache {
  /** Also of subnets that the journal remembers; these have no tags until the cloud has answered. */
  get(id: string): SubnetDescription | undefined;
  /** Whether interfaces in it host no new pods; undefined until the cloud has answered. */
  isExcluded(id: string): boolean | undefined;
  /** Whether the cloud ever described the subnets. */
  readonly answered: boolean;
  /**
   * Describes the subnets anew and tells the pool which may be used. Never rejects: false where the cloud did not answer;
   * then what was known stays, and where nothing was, the primary subnet alone is used.
   */
  refresh(options: CallOptions): Promise<boolean>;
}

/** How long a new interface may take to appear as a link on the host, and a detached one to become free. */
export const LINK_DEADLINE_MS = 60_000;
export const DETACH_DEADLINE_MS = 60_000;

export function blocksOf(description: NetworkInterfaceDescription): readonly AddressBlock[] {
  return [
    ...description.secondaryAddresses.map((address): AddressBlock => ({ cidr: `${address}/32`, kind: 'address' })),
    ...description.ipv4Prefixes.map((cidr): AddressBlock => ({ cidr, kind: 'prefix' })),
  ];
}

/** An attached interface as the pool knows it. */
export function toNetworkInterface(
  description: NetworkInterfaceDescription,
  context: Pick<ExecuteContext, 'identity' | 'isManaged'> & {
    readonly subnets?: Pick<SubnetCache, 'isExcluded'>;
  },
  phase: NetworkInterface['phase'],
  since: number,
): NetworkInterface {
  const { attachment } = description;
  const excluded = context.subnets?.isExcluded(description.subnetId);
  return {
    id: description.id,
    subnetId: description.subnetId,
    mac: description.mac.toLowerCase(),
    primaryAddress: description.primaryAddress,
    isPrimary: description.id === context.identity.primaryInterfaceId,
    deviceIndex: attachment?.deviceIndex ?? 0,
    networkCardIndex: attachment?.networkCardIndex ?? 0,
    attachmentId: attachment?.attachmentId ?? '',
    phase,
    managed: description.id === context.identity.primaryInterfaceId || context.isManaged(description),
    since,
    ...(excluded === undefined ? {} : { excludedFromPods: excluded }),
    blocks: blocksOf(description),
  };
}
