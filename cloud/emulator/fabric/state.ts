/** What the fabric realises: a VPC as any EC2 endpoint describes it, cut down to what decides where a packet goes. */

/** Instance metadata (EC2 User Guide, "Use the Instance Metadata Service"); the fabric puts it on the router. */
export const METADATA_ADDRESS = '169.254.169.254';

/** Where nodes reach the emulator's EC2 face; the fabric puts it on the router. Not an address of real EC2. */
export const EC2_ENDPOINT_ADDRESS = '169.254.169.250';

/** The internet's one host where nothing else is asked for (TEST-NET-3, RFC 5737). */
export const INTERNET_ADDRESS = '203.0.113.10';

/** The same host's IPv6 address (documentation prefix of RFC 9637; that of RFC 3849 is the emulator's for VPCs). */
export const INTERNET_IPV6_ADDRESS = '3fff::cb00:710a';

/** An attached elastic network interface. Addresses and CIDRs are canonical text, IPv4 unless named otherwise. */
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
  /** The subnet's IPv6 block; a subnet without one has no IPv6 router. */
  readonly subnetIpv6Cidr?: string | undefined;
  /** Its own IPv6 addresses; those that a primary interface has when its link is made are configured as DHCPv6 would. */
  readonly ipv6Addresses?: readonly string[];
  /** Delegated /80 prefixes. */
  readonly ipv6Prefixes?: readonly string[];
}

export interface FabricSubnet {
  readonly id: string;
  readonly cidr: string;
}

/** One VPC with its attached interfaces. */
export interface FabricState {
  readonly vpcCidrs: readonly string[];
  readonly vpcIpv6Cidrs?: readonly string[];
  readonly subnets: readonly FabricSubnet[];
  readonly endpoints: readonly FabricEndpoint[];
}

export const EMPTY_STATE: FabricState = { vpcCidrs: [], subnets: [], endpoints: [] };
