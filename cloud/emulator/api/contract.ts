/**
 * What `wellspring-cloud` promises to those who import it. This file stands alone, so that its types need nothing else to
 * be installed; a test holds it to the emulator.
 */

/** The EC2 actions that are served, and that faults and delays can be set for. */
export type Ec2Action =
  | 'AssignIpv6Addresses'
  | 'AssignPrivateIpAddresses'
  | 'AssociateVpcCidrBlock'
  | 'AttachNetworkInterface'
  | 'CreateNetworkInterface'
  | 'CreateSecurityGroup'
  | 'CreateSubnet'
  | 'CreateSubnetCidrReservation'
  | 'CreateTags'
  | 'CreateVpc'
  | 'DeleteNetworkInterface'
  | 'DeleteSecurityGroup'
  | 'DeleteSubnet'
  | 'DeleteSubnetCidrReservation'
  | 'DeleteTags'
  | 'DeleteVpc'
  | 'DescribeAvailabilityZones'
  | 'DescribeImages'
  | 'DescribeInstanceTypes'
  | 'DescribeInstances'
  | 'DescribeNetworkInterfaces'
  | 'DescribeRegions'
  | 'DescribeSecurityGroups'
  | 'DescribeSubnets'
  | 'DescribeTags'
  | 'DescribeVpcs'
  | 'DetachNetworkInterface'
  | 'GetSubnetCidrReservations'
  | 'ModifyNetworkInterfaceAttribute'
  | 'RunInstances'
  | 'TerminateInstances'
  | 'UnassignIpv6Addresses'
  | 'UnassignPrivateIpAddresses';

export type Tags = Readonly<Record<string, string>>;

/** A VPC with what is in it. Names are yours; they stand for the ids that EC2 gives. */
export interface VpcDescription {
  readonly name: string;
  /** IPv4, /16 to /28. */
  readonly cidr: string;
  /** IPv4 blocks that are associated as well. */
  readonly additionalCidrs?: readonly string[];
  /** An IPv6 /56 of Amazon's. */
  readonly ipv6?: boolean;
  readonly tags?: Tags;
  readonly subnets?: readonly SubnetDescription[];
  readonly securityGroups?: readonly SecurityGroupDescription[];
  readonly nodes?: readonly NodeDescription[];
}

export interface SubnetDescription {
  readonly name: string;
  readonly cidr: string;
  /** A letter (`b`) or a whole name (`us-east-1b`); the region's first zone where it is absent. */
  readonly zone?: string;
  /** A /64 of the VPC's IPv6 block. */
  readonly ipv6?: boolean;
  readonly tags?: Tags;
  readonly reservations?: readonly { readonly cidr: string; readonly type: 'prefix' | 'explicit' }[];
}

export interface SecurityGroupDescription {
  readonly name: string;
  readonly tags?: Tags;
}

/** An instance that runs from the start. */
export interface NodeDescription {
  readonly name: string;
  /** The name of a subnet of the same VPC. */
  readonly subnet: string;
  readonly instanceType: string;
  /** An IPv6 address, in a subnet that has them. */
  readonly ipv6?: boolean;
  /** Names of security groups of the same VPC; its default group where none is named. */
  readonly securityGroups?: readonly string[];
  readonly tags?: Tags;
}

/** Milliseconds: always the same, or evenly spread. */
export type Delay = number | { readonly minMs: number; readonly maxMs: number };

export interface Bucket {
  readonly capacity: number;
  readonly refillPerSecond: number;
}

/** What is off to begin with. */
export interface Switches {
  /** How long answers are held back. */
  readonly latency?: number | { readonly default?: Delay; readonly actions?: { readonly [A in Ec2Action]?: Delay } };
  /** `ec2`: the figures of EC2's guide; null: none. */
  readonly throttling?:
    | 'ec2'
    | null
    | {
        readonly classes?: {
          readonly [C in 'read' | 'unfiltered-read' | 'write' | 'resource-intensive']?: Bucket;
        };
        readonly actions?: { readonly [A in Ec2Action]?: Bucket };
      };
  /** Describes answer from the state of so many milliseconds ago. */
  readonly staleReadsMs?: number;
  /** Instance metadata shows the state of so many milliseconds ago. */
  readonly metadataLagMs?: number;
  readonly credentials?: {
    readonly required?: boolean;
    readonly instanceRole?: string;
    readonly lifetimeSeconds?: number;
  };
}

/** What the wire does to one call; what EC2 itself refuses needs no fault. */
export type Fault =
  /** EC2's error document with this code, without the call being executed. `status` is 400 where it is left out. */
  | { readonly kind: 'error'; readonly code: string; readonly status?: number; readonly message?: string }
  /** Status 200 with a body that is not XML, without the call being executed. */
  | { readonly kind: 'garbage' }
  /** Status 503 with an HTML body, without the call being executed. */
  | { readonly kind: 'http-503' }
  /** The connection is reset before the call is executed. */
  | { readonly kind: 'drop' }
  /** The call is executed, then the connection is reset. */
  | { readonly kind: 'lost-answer' }
  /** The call is executed, its answer held back. */
  | { readonly kind: 'delay'; readonly delayMs: number };

/** How often a fault strikes; once where it is absent. */
export interface FaultTimes {
  readonly times?: number | 'always';
}

export type ArmedFault = Fault & FaultTimes & { readonly action: string };

/** What the cloud is to be, as the YAML of `wellspring-cloud up --file` says it. */
export interface CloudDescription extends Switches {
  /** `us-east-1` where it is absent. */
  readonly region?: string;
  /** The same seed and calls give the same ids and addresses. */
  readonly seed?: number;
  readonly vpcs?: readonly VpcDescription[];
  readonly faults?: readonly (Fault & FaultTimes & { readonly action: Ec2Action | '*' })[];
}

export interface Address {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

export interface StartOptions extends CloudDescription {
  /** The EC2 API; a free port of 127.0.0.1 where it is absent. */
  readonly listen?: Address;
  /** Instance metadata; instances are told apart by their source address. */
  readonly metadata?: Address;
  /** Stands in front of this EC2 endpoint, e.g. a LocalStack. What is described is then made there, too. */
  readonly behind?: string | URL;
}

/** Names of the description to ids of EC2. */
export interface Names {
  readonly vpcs: Readonly<Record<string, string>>;
  readonly subnets: Readonly<Record<string, string>>;
  readonly securityGroups: Readonly<Record<string, string>>;
  readonly nodes: Readonly<Record<string, string>>;
}

export interface StateOfVpc {
  readonly id: string;
  readonly cidrs: readonly string[];
  readonly ipv6Cidrs: readonly string[];
  readonly tags: Tags;
}

export interface StateOfSubnet {
  readonly id: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly cidr: string;
  readonly ipv6Cidrs: readonly string[];
  readonly availableAddresses: number;
  readonly tags: Tags;
}

export interface StateOfInstance {
  readonly id: string;
  readonly instanceType: string;
  readonly vpcId: string;
  readonly subnetId: string;
  readonly availabilityZone: string;
  readonly networkInterfaceIds: readonly string[];
  readonly tags: Tags;
}

export interface StateOfInterface {
  readonly id: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly mac: string;
  readonly status: string;
  readonly primaryAddress: string;
  readonly secondaryAddresses: readonly string[];
  readonly ipv4Prefixes: readonly string[];
  readonly ipv6Addresses: readonly string[];
  readonly ipv6Prefixes: readonly string[];
  readonly securityGroupIds: readonly string[];
  readonly tags: Tags;
  readonly attachment:
    | {
        readonly attachmentId: string;
        readonly instanceId: string;
        readonly deviceIndex: number;
        readonly networkCardIndex: number;
        readonly deleteOnTermination: boolean;
      }
    | undefined;
}

export interface CloudState {
  readonly vpcs: readonly StateOfVpc[];
  readonly subnets: readonly StateOfSubnet[];
  readonly securityGroups: readonly { readonly id: string; readonly name: string; readonly vpcId: string }[];
  readonly instances: readonly StateOfInstance[];
  readonly networkInterfaces: readonly StateOfInterface[];
}

/** One request as the cloud saw it. */
export interface Call {
  readonly kind: 'ec2' | 'metadata' | 'sts' | 'pod-identity';
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly action: string;
  readonly source: string;
  /** 0 where the connection was cut. */
  readonly status: number;
  readonly durationMs: number;
  readonly errorCode?: string;
  readonly fault?: string;
}

/** What one request has changed. */
export interface Change {
  readonly number: number;
  readonly at: number;
  /** Null for what was taken over from the EC2 behind. */
  readonly action: string | null;
  readonly resources: readonly {
    readonly kind: 'vpc' | 'subnet' | 'security-group' | 'instance' | 'network-interface';
    readonly id: string;
    /** Null where it was not there. */
    readonly before: object | null;
    readonly after: object | null;
  }[];
}

/** A cloud in this process. Disposing of it closes its listeners. */
export interface RunningCloud extends AsyncDisposable {
  /** For `AWS_ENDPOINT_URL_EC2`. */
  readonly endpoint: string;
  readonly metadataEndpoint: string | undefined;
  readonly region: string;
  readonly names: Names;
  /** For a client of the AWS SDK: `new EC2Client(cloud.client)`. */
  readonly client: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
  /** For the environment of a program under test: endpoints, region and keys of the AWS SDKs. */
  readonly environment: Readonly<Record<string, string>>;
  /** Arms a fault for the next call of the action, or so many of them; `*` is any action. */
  failNext(action: Ec2Action | '*', fault: Fault & FaultTimes): Promise<void>;
  pendingFaults(): Promise<readonly ArmedFault[]>;
  clearFaults(): Promise<void>;
  /** Changes what is named. Rejects with an `Error` that names what is wrong. */
  set(switches: Switches): Promise<void>;
  state(): Promise<CloudState>;
  /** The latest requests, oldest first. */
  calls(): Promise<readonly Call[]>;
  /** What has changed, oldest first; `after` leaves out the changes up to that number. */
  changes(after?: number): Promise<readonly Change[]>;
  /** Instance metadata for clients on this machine, all of whom are that instance (an id, or the name of a node). */
  metadataOf(node: string): Promise<string>;
  close(): Promise<void>;
}
