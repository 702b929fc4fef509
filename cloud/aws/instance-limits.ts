import { CloudError } from '../errors.ts';
import { instanceTypeTable } from '../instance-types.ts';
import type { CallOptions, CloudProvider, InstanceTypeDescription } from '../provider.ts';

/**
 * The limits of an instance type: from our own table without a call, else from DescribeInstanceTypes, once.
 * A type that EC2 does not know, or of which it says nothing usable, is a `CloudError`.
 */
export async function describeInstanceType(
  provider: Pick<CloudProvider, 'describeInstanceTypes'>,
  instanceType: string,
  options: CallOptions,
): Promise<InstanceTypeDescription> {
  const known = instanceTypeTable().get(instanceType);
  if (known !== undefined) return known;
  const answer = await provider.describeInstanceTypes({ instanceTypes: [instanceType] }, options);
  const described = answer.find((type) => type.instanceType === instanceType);
  if (described === undefined) {
    throw new CloudError('not-found', 'DescribeInstanceTypes', `EC2 does not know the instance type ${instanceType}`);
  }
  const interfaces = described.networkCards.reduce((sum, card) => sum + card.maximumInterfaces, 0);
  if (interfaces < 1 || described.ipv4PerInterface < 1) {
    throw new CloudError('unavailable', 'DescribeInstanceTypes', `no network limits in the answer for ${instanceType}`);
  }
  return described;
}
