import { Address6 } from 'ip-address';
import type {
  CallOptions,
  CloudProvider,
  CreateNetworkInterfaceRequest,
  NetworkInterfaceDescription,
} from '#cloud/provider.ts';
import type { Region } from '#cloud/emulator/region.ts';

/** A provider under test, and the region behind it, in which the tests lay out their world and read state back. */
export interface Subject extends AsyncDisposable {
  readonly provider: CloudProvider;
  readonly region: Region;
}

export type MakeSubject = () => Promise<Subject>;

export const CAUSE: CallOptions = { cause: 'conformance' };
export const ANY_IMAGE = 'ami-0123456789abcdef0';

/** One VPC with two IPv4 blocks and IPv6, and the means to make subnets and instances in it. */
export interface World {
  readonly provider: CloudProvider;
  readonly region: Region;
  readonly vpcId: string;
  readonly groupId: string;
  /** A new subnet; `size` is the length of its IPv4 prefix. */
  readonly subnet: (size: number, options?: { readonly ipv6?: boolean }) => string;
  /** A new running instance whose primary interface is in the subnet. */
  readonly instance: (type: string, subnetId: string) => { readonly id: string; readonly primaryInterfaceId: string };
  /** Creates an interface through the provider. */
  readonly create: (
    subnetId: string,
    more?: Partial<CreateNetworkInterfaceRequest>,
  ) => Promise<NetworkInterfaceDescription>;
  /** Creates and attaches one through the provider; the interface as it is afterwards. */
  readonly attached: (
    subnetId: string,
    instanceId: string,
    deviceIndex: number,
    more?: Partial<CreateNetworkInterfaceRequest>,
  ) => Promise<NetworkInterfaceDescription>;
  /** The interface as the provider describes it now. */
  readonly look: (id: string) => Promise<NetworkInterfaceDescription>;
}

export function makeWorld({ provider, region }: Subject): World {
  const { Vpc } = region.execute('CreateVpc', { CidrBlock: '10.0.0.0/16', AmazonProvidedIpv6CidrBlock: true });
  const vpcId = given(Vpc?.VpcId);
  const groups = region.execute('DescribeSecurityGroups', { Filters: [{ Name: 'vpc-id', Values: [vpcId] }] });
  const groupId = given(groups.SecurityGroups?.[0]?.GroupId);
  const ipv6Cidr = given(
    region.execute('DescribeVpcs', { VpcIds: [vpcId] }).Vpcs?.[0]?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock,
  );
  // Each subnet gets a /20 of its own to lie in, and the IPv6 /64 of the same number.
  let subnets = 0;
  let tokens = 0;

  const subnet: World['subnet'] = (size, options = {}) => {
    const ipv6 = options.ipv6 === true ? { Ipv6CidrBlock: nthSubnet6(ipv6Cidr, subnets) } : {};
    const input = {
      VpcId: vpcId,
      CidrBlock: `10.0.${String(16 * subnets)}.0/${String(size)}`,
      AvailabilityZone: `${region.name}a`,
      ...ipv6,
    };
    subnets += 1;
    return given(region.execute('CreateSubnet', input).Subnet?.SubnetId);
  };
  const instance: World['instance'] = (type, subnetId) => {
    const input = {
      ImageId: ANY_IMAGE,
      MinCount: 1,
      MaxCount: 1,
      InstanceType: type as 'm5.large',
      SubnetId: subnetId,
    };
    const launched = region.execute('RunInstances', input).Instances?.[0];
    return {
      id: given(launched?.InstanceId),
      primaryInterfaceId: given(launched?.NetworkInterfaces?.[0]?.NetworkInterfaceId),
    };
  };
  const create: World['create'] = (subnetId, more = {}) => {
    tokens += 1;
    const request = {
      subnetId,
      securityGroupIds: [groupId],
      description: '',
      tags: {},
      clientToken: `token-${String(tokens)}`,
    };
    return provider.createNetworkInterface({ ...request, ...more }, CAUSE);
  };
  const look: World['look'] = async (id) => given((await provider.describeNetworkInterfaces({ ids: [id] }, CAUSE))[0]);
  const attached: World['attached'] = async (subnetId, instanceId, deviceIndex, more) => {
    const made = await create(subnetId, more);
    await provider.attachNetworkInterface(
      { networkInterfaceId: made.id, instanceId, deviceIndex, networkCardIndex: 0 },
      CAUSE,
    );
    return look(made.id);
  };
  return { provider, region, vpcId, groupId, subnet, instance, create, look, attached };
}

function nthSubnet6(cidr: string, n: number): string {
  const base = new Address6(cidr).bigInt();
  return `${Address6.fromBigInt(base + (BigInt(n) << 64n)).correctForm()}/64`;
}

/** What must be there for the test to mean anything. */
export function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the test world lacks something it was made with');
  return value;
}

/** Well-formed ids of which the region has none. */
export const ABSENT = {
  networkInterface: 'eni-00000000000000000',
  attachment: 'eni-attach-00000000000000000',
  subnet: 'subnet-00000000000000000',
  instance: 'i-00000000000000000',
} as const;
