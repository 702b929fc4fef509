/** An emulator, the real SDK's client for it, and a small VPC: what the emulator's tests stand on. */
import { EC2, type EC2ClientConfig } from '@aws-sdk/client-ec2';
import type { Cloud, CloudOptions } from '#cloud/emulator/cloud.ts';
import { startCloud } from '#cloud/emulator/cloud.ts';

export interface World extends AsyncDisposable {
  readonly cloud: Cloud;
  readonly ec2: EC2;
}

export function clientFor(endpoint: string, config: Partial<EC2ClientConfig> = {}): EC2 {
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' };
  return new EC2({ endpoint, region: 'eu-test-1', credentials, maxAttempts: 1, ...config });
}

export async function startWorld(options: CloudOptions = {}): Promise<World> {
  const cloud = await startCloud({ region: 'eu-test-1', ...options });
  const ec2 = clientFor(cloud.endpoint);
  return {
    cloud,
    ec2,
    [Symbol.asyncDispose]: async () => {
      ec2.destroy();
      await cloud[Symbol.asyncDispose]();
    },
  };
}

/** The value, or an error that says that it is missing. */
export function given<T>(value: T | null | undefined): T {
  if (value === undefined || value === null) throw new Error('a value is missing in an answer');
  return value;
}

export async function makeSubnet(ec2: EC2, cidr = '10.0.0.0/24'): Promise<{ vpcId: string; subnetId: string }> {
  const vpcId = given(
    (await ec2.createVpc({ CidrBlock: '10.0.0.0/16', AmazonProvidedIpv6CidrBlock: true })).Vpc?.VpcId,
  );
  const { Vpcs } = await ec2.describeVpcs({ VpcIds: [vpcId] });
  const ipv6 = given(Vpcs?.[0]?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock).replace(/\/\d+$/, '/64');
  const { Subnet } = await ec2.createSubnet({ VpcId: vpcId, CidrBlock: cidr, Ipv6CidrBlock: ipv6 });
  return { vpcId, subnetId: given(Subnet?.SubnetId) };
}

export async function runInstance(ec2: EC2, subnetId: string): Promise<string> {
  const { Instances } = await ec2.runInstances({
    ImageId: 'ami-12345678',
    InstanceType: 'm5.large',
    MinCount: 1,
    MaxCount: 1,
    SubnetId: subnetId,
  });
  return given(Instances?.[0]?.InstanceId);
}

/** The refusal of a call that must not succeed. */
export async function refusalOf(call: Promise<unknown>): Promise<Error & { $metadata?: { httpStatusCode?: number } }> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error)) throw new Error('the call was not refused');
  return outcome;
}
