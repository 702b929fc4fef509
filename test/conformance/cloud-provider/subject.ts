import { Address6 } from 'ip-address';
import type {
  CallOptions,
  CloudProvider,
  CreateNetworkInterfaceRequest,
  NetworkInterfaceDescription,
} from '#cloud/provider.ts';
import type { InputOf, OutputOf } from '#cloud/emulator/ec2-actions.ts';
import type { Region } from '#cloud/emulator/region.ts';
import { until } from '#test/support/until.ts';

/** The EC2 actions, none of the port's, by which a world is laid out. */
export type LayoutAction =
  | 'CreateVpc'
  | 'DescribeVpcs'
  | 'CreateSubnet'
  | 'CreateSecurityGroup'
  | 'DescribeSecurityGroups'
  | 'CreateNetworkInterface'
  | 'RunInstances'
  | 'DescribeInstances';

export type Execute = <A extends LayoutAction>(action: A, input: InputOf<A>) => Promise<OutputOf<A>>;

/** Where the tests lay out their world and read state back: the emulator's region, LocalStack, EC2 itself. */
export interface Place {
  readonly region: string;
  readonly zone: string;
  /** An image that instances can be started from. */
  readonly imageId: string;
  readonly execute: Execute;
  /** All that calls could have changed: equal before and after means that nothing was. */
  readonly state: () => Promise<unknown>;
}

/** A provider under test, and the place behind it. */
export interface Subject extends AsyncDisposable {
  readonly provider: CloudProvider;
  readonly place: Place;
}

export type MakeSubject = () => Promise<Subject>;

export const CAUSE: CallOptions = { cause: 'conformance' };
const ANY_IMAGE = 'ami-0123456789abcdef0';
/** EC2 takes up to a minute to start an instance and some seconds to attach; the others do it at once. */
const SETTLES_WITHIN_MS = 120_000;

/** An emulated region in this process. */
export function emulatedPlace(region: Region): Place {
  return {
    region: region.name,
    zone: `${region.name}a`,
    imageId: ANY_IMAGE,
    execute: (action, input) => Promise.resolve().then(() => region.execute(action, input)),
    state: () => Promise.resolve(region.state),
  };
}

/** One VPC with two IPv4 blocks and IPv6, and the means to make subnets and instances in it. */
export interface World {
  readonly provider: CloudProvider;
  readonly place: Place;
  readonly vpcId: string;
  readonly groupId: string;
  /** A new subnet; `size` is the length of its IPv4 prefix. */
  readonly subnet: (size: number, options?: { readonly ipv6?: boolean }) => Promise<string>;
  /** A new running instance whose primary interface is in the subnet. */
  readonly instance: (
    type: string,
    subnetId: string,
  ) => Promise<{ readonly id: string; readonly primaryInterfaceId: string }>;
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

export async function makeWorld({ provider, place }: Pick<Subject, 'provider' | 'place'>): Promise<World> {
  const { execute } = place;
  const { Vpc } = await execute('CreateVpc', { CidrBlock: '10.0.0.0/16', AmazonProvidedIpv6CidrBlock: true });
  const vpcId = given(Vpc?.VpcId);
  const groups = await execute('DescribeSecurityGroups', { Filters: [{ Name: 'vpc-id', Values: [vpcId] }] });
  const groupId = given(groups.SecurityGroups?.[0]?.GroupId);
  const ipv6Cidr = await ipv6BlockOf(execute, vpcId);
  // Each subnet gets a /20 of its own to lie in, and the IPv6 /64 of the same number.
  let subnets = 0;
  let tokens = 0;

  const subnet: World['subnet'] = async (size, options = {}) => {
    const ipv6 = options.ipv6 === true ? { Ipv6CidrBlock: nthSubnet6(ipv6Cidr, subnets) } : {};
    const input = {
      VpcId: vpcId,
      CidrBlock: `10.0.${String(16 * subnets)}.0/${String(size)}`,
      AvailabilityZone: place.zone,
      ...ipv6,
    };
    subnets += 1;
    return given((await execute('CreateSubnet', input)).Subnet?.SubnetId);
  };
  const instance: World['instance'] = async (type, subnetId) => {
    const input = {
      ImageId: place.imageId,
      MinCount: 1,
      MaxCount: 1,
      InstanceType: type as 'm5.large',
      SubnetId: subnetId,
    };
    const launched = (await execute('RunInstances', input)).Instances?.[0];
    const id = given(launched?.InstanceId);
    await until(`${id} runs`, SETTLES_WITHIN_MS, async () => {
      const { Reservations } = await execute('DescribeInstances', { InstanceIds: [id] });
      return Reservations?.[0]?.Instances?.[0]?.State?.Name === 'running';
    });
    return {
      id,
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
      clientToken: `${vpcId}-${String(tokens)}`,
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
    let found = await look(made.id);
    await until(`${made.id} is attached`, SETTLES_WITHIN_MS, async () => {
      if (found.attachment?.status === 'attached') return true;
      found = await look(made.id);
      return false;
    });
    return found;
  };
  return { provider, place, vpcId, groupId, subnet, instance, create, look, attached };
}

/** EC2 associates Amazon's block some time after it made the VPC. */
async function ipv6BlockOf(execute: Execute, vpcId: string): Promise<string> {
  let block: string | undefined;
  await until(`${vpcId} has its IPv6 block`, SETTLES_WITHIN_MS, async () => {
    const { Vpcs } = await execute('DescribeVpcs', { VpcIds: [vpcId] });
    const association = Vpcs?.[0]?.Ipv6CidrBlockAssociationSet?.[0];
    block = association?.Ipv6CidrBlock;
    return block !== undefined && (association?.Ipv6CidrBlockState?.State ?? 'associated') === 'associated';
  });
  return given(block);
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
