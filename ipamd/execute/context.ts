/** What carrying out an action needs. Everything with an effect is a port; time and identifiers are passed in. */
import type {
  CallOptions,
  CloudProvider,
  InstanceIdentity,
  NetworkInterfaceDescription,
  SubnetDescription,
  Tags,
} from '#cloud/provider.ts';
import type { Clock } from '#cloud/decorate/clock.ts';
import { canonicalIpv6, formatIpv6Prefix, parseIpv6Prefix } from '#warm-pool/ipv6.ts';
import type { AddressBlock, NetworkInterface } from '#warm-pool/model.ts';
import type { DetachPace } from '#warm-pool/pauses.ts';
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
  /** Tags for an interface that is created now. */
  readonly tags: () => Tags;
  readonly isManaged: (description: NetworkInterfaceDescription) => boolean;
  /** Those of new interfaces, and of the managed ones that are there. */
  readonly securityGroups: () => readonly string[];
  /** The setting that keeps this daemon from changing anything in the cloud; undefined where none does. */
  readonly provisioningDisabledBy: string | undefined;
  /** Interfaces that are being brought up, by id. */
  readonly bringingUp: Set<string>;
  /** What detachments took lately. */
  readonly detaching: { pace: DetachPace };
  readonly subnets: SubnetCache;
  /** A description as what was told to the cloud since it was asked for corrects it. */
  readonly corrected: (description: NetworkInterfaceDescription) => NetworkInterfaceDescription;
  /** Told of creates of which it is not known whether they left an interface behind. */
  readonly leftovers: { suspect(intentId: string): void };
  readonly clock: Clock;
  /** The node's time (node-time.ts); so is the clock's wall time. */
  readonly now: () => number;
  readonly newId: () => string;
  /** When each of our releases on an interface stops outranking reads that list what it gave back; the node's time. */
  readonly releasesEnd: (interfaceId: string) => readonly number[];
  /** For interfaces whose description may be behind our own writes. */
  readonly secondLooks: SecondLooks;
  readonly log: Log;
}

/** Subnets as last described. */
export interface SubnetCache {
  /** Also of subnets that the journal remembers; these have no tags until the cloud has answered. */
  get(id: string): SubnetDescription | undefined;
  /** Whether an interface hosts no new pods, because of its place; undefined where that is not known yet. */
  isExcluded(networkInterface: { readonly isPrimary: boolean; readonly subnetId: string }): boolean | undefined;
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
  const isPrimary = description.id === context.identity.primaryInterfaceId;
  const excluded = context.subnets?.isExcluded({ isPrimary, subnetId: description.subnetId });
  return {
    id: description.id,
    subnetId: description.subnetId,
    mac: description.mac.toLowerCase(),
    primaryAddress: description.primaryAddress,
    isPrimary,
    deviceIndex: attachment?.deviceIndex ?? 0,
    networkCardIndex: attachment?.networkCardIndex ?? 0,
    attachmentId: attachment?.attachmentId ?? '',
    phase,
    managed: isPrimary || context.isManaged(description),
    ...(description.interfaceType === 'efa-only' ? { efaOnly: true } : {}),
    since,
    ...(excluded === undefined ? {} : { excludedFromPods: excluded }),
    blocks: blocksOf(description),
    ...ipv6Of(description),
  };
}

/** What the pool keeps of an interface's IPv6 side; prefixes of another size than /80 are none of ours. */
export function ipv6Of({
  ipv6Addresses,
  ipv6Prefixes,
}: NetworkInterfaceDescription): Pick<NetworkInterface, 'ipv6Prefixes' | 'ipv6Address'> {
  const prefixes = ipv6Prefixes.flatMap((text) => {
    const prefix = parseIpv6Prefix(text);
    return prefix === undefined ? [] : [formatIpv6Prefix(prefix)];
  });
  const [own] = ipv6Addresses;
  return {
    ...(prefixes.length === 0 ? {} : { ipv6Prefixes: prefixes }),
    ...(own === undefined ? {} : { ipv6Address: canonicalIpv6(own) }),
  };
}
