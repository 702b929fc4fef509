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
  readonly log: Log;
}

/** Subnets as last described. */
export interface SubnetCache {
  get(id: string): SubnetDescription | undefined;
  /** Describes the subnets anew and tells the pool. */
  refresh(options: CallOptions): Promise<void>;
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
  context: Pick<ExecuteContext, 'identity' | 'isManaged'>,
  phase: NetworkInterface['phase'],
  since: number,
): NetworkInterface {
  const { attachment } = description;
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
    blocks: blocksOf(description),
  };
}
