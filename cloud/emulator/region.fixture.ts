import { formatCidr6, parseCidr6 } from './vpc/cidr.ts';
import type { InputOf } from './region.ts';
import { Ec2Error, Region } from './region.ts';
import type { RegionOptions } from './region.ts';

/** A region with one VPC (10.0.0.0/16 and an IPv6 /56) and what tests need to fill it. */
export function makeRegion(options: Partial<RegionOptions> = {}) {
  let now = Date.UTC(2026, 0, 1);
  const region = new Region({ region: 'us-west-2', clock: { now: () => now }, ...options });
  const vpc = region.execute('CreateVpc', { CidrBlock: '10.0.0.0/16', AmazonProvidedIpv6CidrBlock: true }).Vpc!;
  const ipv6 = vpc.Ipv6CidrBlockAssociationSet![0]!.Ipv6CidrBlock!;
  return {
    region,
    vpcId: vpc.VpcId!,
    advance: (ms: number): void => {
      now += ms;
    },
    subnet: (CidrBlock: string, more: Partial<InputOf<'CreateSubnet'>> = {}): string =>
      region.execute('CreateSubnet', { VpcId: vpc.VpcId!, CidrBlock, ...more }).Subnet!.SubnetId!,
    /** The n-th /64 of the VPC. */
    ipv6Cidr: (n: number): string => formatCidr6({ base: parseCidr6(ipv6)!.base + (BigInt(n) << 64n), length: 64 }),
    eni: (SubnetId: string, more: Partial<InputOf<'CreateNetworkInterface'>> = {}): string =>
      region.execute('CreateNetworkInterface', { SubnetId, ...more }).NetworkInterface!.NetworkInterfaceId!,
    instance: (SubnetId: string, InstanceType = 'm5.large'): string =>
      region.execute('RunInstances', { ...LAUNCH, InstanceType: InstanceType as 'm5.large', SubnetId }).Instances![0]!
        .InstanceId!,
    attach: (NetworkInterfaceId: string, InstanceId: string, DeviceIndex: number, NetworkCardIndex?: number): string =>
      region.execute('AttachNetworkInterface', { NetworkInterfaceId, InstanceId, DeviceIndex, NetworkCardIndex })
        .AttachmentId!,
    describe: (id: string) =>
      region.execute('DescribeNetworkInterfaces', { NetworkInterfaceIds: [id] }).NetworkInterfaces![0]!,
    available: (id: string): number =>
      region.execute('DescribeSubnets', { SubnetIds: [id] }).Subnets![0]!.AvailableIpAddressCount!,
  };
}

export const LAUNCH = { ImageId: 'ami-0123456789abcdef0', MinCount: 1, MaxCount: 1 };

/** The refusal that `act` ends in; fails where there is none, or something else is thrown. */
export function refusalOf(act: () => unknown): Ec2Error {
  try {
    act();
  } catch (error) {
    if (error instanceof Ec2Error) return error;
    throw error;
  }
  throw new Error('expected an Ec2Error, but the action succeeded');
}
