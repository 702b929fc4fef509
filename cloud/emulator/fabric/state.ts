/** What the fabric realises: a VPC as any EC2 endpoint describes it, cut down to what decides where a packet goes. */

/** Instance metadata (EC2 User Guide, "Use the Instance Metadata Service"); the fabric puts it on the router. */
export const METADATA_ADDRESS = '169.254.169.254';

/** Where nodes reach the emulator's EC2 face; the fabric puts it on the router. Not an address of real EC2. */
export const EC2_ENDPOINT_ADDRESS = '169.254.169.250';

/** The internet's one host where nothing else is asked for (TEST-NET-3, RFC 5737). */
export const INTERNET_ADDRESS = '203.0.113.10';

/** An attached elastic network interface. Addresses and CIDRs are canonical IPv4 text. */
export interface FabricEndpoint {
  /** `eni-...` */
  readonly id: string;
  readonly instanceId: string;
  readonly mac: string;
  readonly deviceIndex: number;
  readonly primaryAddress: string;
  /** Secondary addresses, without the primary one. */
  readonly addresses: readonly string[];
  /** Delegated /28 prefixes. */
  readonly prefixes: readonly string[];
  readonly subnetCidr: string;
  /** True for the interface that came with the instance; the fabric configures it as DHCP would. */
  readonly isPrimary: boolean;
}

export interface FabricSubnet {
  readonly id: string;
  readonly cidr: string;
}

/** One VPC with its attached interfaces. */
export interface FabricState {
  readonly vpcCidrs: readonly string[];
  readonly subnets: readonly FabricSubnet[];
  readonly endpoints: readonly FabricEndpoint[];
}

export const EMPTY_STATE: FabricState = { vpcCidrs: [], subnets: [], endpoints: [] };
