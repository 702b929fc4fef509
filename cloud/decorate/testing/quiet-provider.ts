import { CloudError } from '../../errors.ts';
import type { CloudErrorCode } from '../../errors.ts';
import type { CloudProvider, NetworkInterfaceDescription } from '../../provider.ts';
import { decorate } from '../decorate.ts';
import type { Call, Operation } from '../decorate.ts';

const ENI: NetworkInterfaceDescription = {
  id: 'eni-1',
  subnetId: 'subnet-1',
  vpcId: 'vpc-1',
  availabilityZone: 'x-1a',
  mac: '02:00:00:00:00:01',
  description: '',
  interfaceType: 'interface',
  status: 'available',
  primaryAddress: '10.0.0.5',
  secondaryAddresses: [],
  ipv4Prefixes: [],
  ipv6Addresses: [],
  ipv6Prefixes: [],
  securityGroupIds: [],
  tags: {},
  attachment: undefined,
};

/** For tests of decorators: a cloud in which every call succeeds at once and nothing happens. */
export const quietProvider: CloudProvider = {
  describeNetworkInterfaces: () => Promise.resolve([]),
  describeSubnets: () => Promise.resolve([]),
  describeInstanceTypes: () => Promise.resolve([]),
  createNetworkInterface: () => Promise.resolve(ENI),
  attachNetworkInterface: () => Promise.resolve({ attachmentId: 'eni-attach-1' }),
  modifyNetworkInterfaceAttribute: () => Promise.resolve(),
  detachNetworkInterface: () => Promise.resolve(),
  deleteNetworkInterface: () => Promise.resolve(),
  assignPrivateIpAddresses: () => Promise.resolve({ addresses: ['10.0.0.6'], prefixes: [] }),
  unassignPrivateIpAddresses: () => Promise.resolve(),
  assignIpv6Addresses: () => Promise.resolve({ addresses: [], prefixes: [] }),
  unassignIpv6Addresses: () => Promise.resolve(),
  createTags: () => Promise.resolve(),
};

/** A quiet cloud whose first calls fail with these codes, in turn; `calls` holds every call that reached it. */
export function failingProvider(codes: readonly CloudErrorCode[]): {
  readonly provider: CloudProvider;
  readonly calls: Call[];
} {
  const calls: Call[] = [];
  const provider = decorate(quietProvider, (call, proceed) => {
    const code = codes[calls.length];
    calls.push(call);
    return code === undefined ? proceed(call.options) : Promise.reject(new CloudError(code, call.operation, 'as told'));
  });
  return { provider, calls };
}

/** Each operation called with a request that fits it. */
export function callEach(
  provider: CloudProvider,
  signal?: AbortSignal,
  cause = 'test',
): Readonly<Record<Operation, () => Promise<unknown>>> {
  const options = { cause, signal };
  const networkInterfaceId = 'eni-1';
  const attach = { networkInterfaceId, instanceId: 'i-1', deviceIndex: 1, networkCardIndex: 0 };
  const create = { subnetId: 'subnet-1', securityGroupIds: [], description: '', tags: {}, clientToken: 'token' };
  return {
    describeNetworkInterfaces: () => provider.describeNetworkInterfaces({}, options),
    describeSubnets: () => provider.describeSubnets({}, options),
    describeInstanceTypes: () => provider.describeInstanceTypes({ instanceTypes: ['m5.large'] }, options),
    createNetworkInterface: () => provider.createNetworkInterface(create, options),
    attachNetworkInterface: () => provider.attachNetworkInterface(attach, options),
    modifyNetworkInterfaceAttribute: () => provider.modifyNetworkInterfaceAttribute({ networkInterfaceId }, options),
    detachNetworkInterface: () => provider.detachNetworkInterface({ attachmentId: 'eni-attach-1' }, options),
    deleteNetworkInterface: () => provider.deleteNetworkInterface({ networkInterfaceId }, options),
    assignPrivateIpAddresses: () => provider.assignPrivateIpAddresses({ networkInterfaceId, addressCount: 1 }, options),
    unassignPrivateIpAddresses: () => provider.unassignPrivateIpAddresses({ networkInterfaceId }, options),
    assignIpv6Addresses: () => provider.assignIpv6Addresses({ networkInterfaceId, prefixCount: 1 }, options),
    unassignIpv6Addresses: () => provider.unassignIpv6Addresses({ networkInterfaceId }, options),
    createTags: () => provider.createTags({ resourceIds: ['eni-1'], tags: { a: 'b' } }, options),
  };
}
