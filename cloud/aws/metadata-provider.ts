/** The port to the cloud without EC2 (ENABLE_IMDS_ONLY_MODE): reads come from instance metadata, writes are refused. */
import { CloudError, type CloudErrorCode } from '../errors.ts';
import type {
  CallOptions,
  CloudProvider,
  Filters,
  InstanceIdentity,
  MetadataInterface,
  NetworkInterfaceDescription,
  NetworkMetadata,
  SubnetDescription,
} from '../provider.ts';

/**
 * Knows the interfaces attached to this instance and their subnets, and nothing else. What metadata does not say is
 * empty: no tags, no attachment id, no count of available addresses; every interface is of type `interface`. Writes, and
 * the limits of an instance type that our own table does not know, are refused.
 */
export function createMetadataProvider(network: NetworkMetadata, identity: InstanceIdentity): CloudProvider {
  const read = ({ signal }: CallOptions) => network.interfaces(signal === undefined ? {} : { signal });
  return {
    async describeNetworkInterfaces({ ids, filters = {} }, options) {
      const found = (await read(options)).map((each) => toDescription(each, identity));
      const missing = ids?.find((id) => !found.some((each) => each.id === id));
      if (missing !== undefined)
        throw new CloudError('not-found', 'DescribeNetworkInterfaces', `metadata lists no interface ${missing}`);
      return found.filter((each) => (ids === undefined || ids.includes(each.id)) && fits(each, filters, identity));
    },
    async describeSubnets({ ids }, options) {
      const subnets = new Map((await read(options)).map((each) => [each.subnetId, toSubnet(each, identity)]));
      return [...subnets.values()].filter(({ id }) => ids === undefined || ids.includes(id));
    },
    // Asking again cannot help, so it ends a start.
    describeInstanceTypes: () => refuse('DescribeInstanceTypes', 'invalid'),
    createNetworkInterface: () => refuse('CreateNetworkInterface'),
    attachNetworkInterface: () => refuse('AttachNetworkInterface'),
    modifyNetworkInterfaceAttribute: () => refuse('ModifyNetworkInterfaceAttribute'),
    detachNetworkInterface: () => refuse('DetachNetworkInterface'),
    deleteNetworkInterface: () => refuse('DeleteNetworkInterface'),
    assignPrivateIpAddresses: () => refuse('AssignPrivateIpAddresses'),
    unassignPrivateIpAddresses: () => refuse('UnassignPrivateIpAddresses'),
    assignIpv6Addresses: () => refuse('AssignIpv6Addresses'),
    unassignIpv6Addresses: () => refuse('UnassignIpv6Addresses'),
    createTags: () => refuse('CreateTags'),
  };
}

function refuse(operation: string, code: CloudErrorCode = 'denied'): Promise<never> {
  return Promise.reject(new CloudError(code, operation, 'no EC2 call is made, because ENABLE_IMDS_ONLY_MODE is set'));
}

function toDescription(each: MetadataInterface, identity: InstanceIdentity): NetworkInterfaceDescription {
  const { deviceIndex, networkCardIndex, subnetCidr: _cidr, subnetIpv6Cidrs: _ipv6, ...rest } = each;
  return {
    ...rest,
    availabilityZone: identity.availabilityZone,
    description: '',
    // Metadata does not tell types, but no other interface is without an address.
    interfaceType: hasAddress(each) ? 'interface' : 'efa-only',
    status: 'in-use',
    tags: {},
    attachment: {
      attachmentId: '',
      instanceId: identity.instanceId,
      deviceIndex,
      networkCardIndex,
      deleteOnTermination: true,
      status: 'attached',
    },
  };
}

function hasAddress({ primaryAddress, ipv6Addresses }: MetadataInterface): boolean {
  return primaryAddress !== '' || ipv6Addresses.length > 0;
}

function toSubnet(each: MetadataInterface, identity: InstanceIdentity): SubnetDescription {
  return {
    id: each.subnetId,
    vpcId: each.vpcId,
    availabilityZone: identity.availabilityZone,
    cidr: each.subnetCidr,
    ipv6Cidrs: each.subnetIpv6Cidrs,
    availableAddresses: 0,
    tags: {},
  };
}

/** Only what is attached here is known, so a filter for anything else finds nothing. */
function fits(each: NetworkInterfaceDescription, filters: Filters, { instanceId }: InstanceIdentity): boolean {
  const values: Readonly<Record<string, string>> = {
    'attachment.instance-id': instanceId,
    status: each.status,
    'vpc-id': each.vpcId,
    'subnet-id': each.subnetId,
  };
  return Object.entries(filters).every(([name, wanted]) => wanted.includes(values[name] ?? ''));
}
