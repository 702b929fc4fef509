import data from './instance-types.data.json' with { type: 'json' };
import type { InstanceTypeDescription } from './provider.ts';

/** One network card as DescribeInstanceTypes reports it (NetworkInfo.NetworkCards). */
export interface NetworkCardRecord {
  readonly index: number;
  readonly maxInterfaces: number;
  /** EC2's own words, e.g. `Up to 10 Gigabit`. */
  readonly performance: string;
}

/** What DescribeInstanceTypes says of one type, as far as networking and scheduling need it. Values are EC2's. */
export interface InstanceTypeRecord {
  readonly instanceType: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** `x86_64`, `arm64`, `i386`. */
  readonly architectures: readonly string[];
  /** `null` where EC2 names none: on bare metal. */
  readonly hypervisor: 'nitro' | 'xen' | null;
  readonly bareMetal: boolean;
  readonly currentGeneration: boolean;
  /** Interfaces of all cards together (NetworkInfo.MaximumNetworkInterfaces). */
  readonly maxInterfaces: number;
  /** The primary address included. */
  readonly ipv4PerInterface: number;
  readonly ipv6PerInterface: number;
  readonly ipv6Supported: boolean;
  readonly defaultNetworkCardIndex: number;
  readonly networkCards: readonly NetworkCardRecord[];
  readonly networkPerformance: string;
  readonly efaSupported: boolean;
  readonly enaSupport: 'required' | 'supported' | 'unsupported';
}

let records: ReadonlyMap<string, InstanceTypeRecord> | undefined;
let descriptions: ReadonlyMap<string, InstanceTypeDescription> | undefined;

/** The raw records by type name, in the order of the data file (sorted by name). */
export function instanceTypeRecords(): ReadonlyMap<string, InstanceTypeRecord> {
  records ??= new Map((data as InstanceTypeRecord[]).map((record) => [record.instanceType, record]));
  return records;
}

/**
 * The daemon's own table: the limits of the types it knows without asking the cloud. A type that is not in it must be
 * asked of DescribeInstanceTypes.
 */
export function instanceTypeTable(): ReadonlyMap<string, InstanceTypeDescription> {
  descriptions ??= new Map([...instanceTypeRecords()].map(([name, record]) => [name, describe(record)]));
  return descriptions;
}

function describe(record: InstanceTypeRecord): InstanceTypeDescription {
  return {
    instanceType: record.instanceType,
    hypervisor: record.hypervisor ?? 'unknown',
    bareMetal: record.bareMetal,
    ipv4PerInterface: record.ipv4PerInterface,
    ipv6PerInterface: record.ipv6PerInterface,
    ipv6Supported: record.ipv6Supported,
    defaultNetworkCardIndex: record.defaultNetworkCardIndex,
    networkCards: record.networkCards.map((card) => ({
      networkCardIndex: card.index,
      maximumInterfaces: card.maxInterfaces,
    })),
  };
}
