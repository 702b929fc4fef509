import type { Ec2CallName, Ec2Input, Ec2Output, Ec2Send } from '../aws/ec2-send.ts';
import { abortedError, cloudErrorFrom } from '../aws/map-errors.ts';
import { Ec2Error } from './region.ts';
import type { Region } from './region.ts';

type Executors = { readonly [A in Ec2CallName]: (input: Ec2Input<A>) => Ec2Output<A> };

/**
 * The in-process face of the embedded cloud: the adapter's calls go to the region's rules without a wire. Refusals pass
 * through the same table as EC2's own.
 */
export function createRegionSend(region: Region): Ec2Send {
  const executors: Executors = {
    DescribeNetworkInterfaces: (input) => region.execute('DescribeNetworkInterfaces', input),
    DescribeSubnets: (input) => region.execute('DescribeSubnets', input),
    DescribeInstanceTypes: (input) => region.execute('DescribeInstanceTypes', input),
    CreateNetworkInterface: (input) => region.execute('CreateNetworkInterface', input),
    AttachNetworkInterface: (input) => region.execute('AttachNetworkInterface', input),
    ModifyNetworkInterfaceAttribute: (input) => region.execute('ModifyNetworkInterfaceAttribute', input),
    DetachNetworkInterface: (input) => region.execute('DetachNetworkInterface', input),
    DeleteNetworkInterface: (input) => region.execute('DeleteNetworkInterface', input),
    AssignPrivateIpAddresses: (input) => region.execute('AssignPrivateIpAddresses', input),
    UnassignPrivateIpAddresses: (input) => region.execute('UnassignPrivateIpAddresses', input),
    AssignIpv6Addresses: (input) => region.execute('AssignIpv6Addresses', input),
    UnassignIpv6Addresses: (input) => region.execute('UnassignIpv6Addresses', input),
    CreateTags: (input) => region.execute('CreateTags', input),
  };
  return async (action, input, { signal }) => {
    if (signal?.aborted) throw abortedError(action, signal);
    try {
      return executors[action](input);
    } catch (error) {
      if (!(error instanceof Ec2Error)) throw error;
      const { code: ec2Code, status, message } = error;
      throw cloudErrorFrom(action, { ec2Code, status, message, cause: error });
    }
  };
}
