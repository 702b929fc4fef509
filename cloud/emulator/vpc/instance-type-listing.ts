import type { InstanceTypeInfo, NetworkInfo } from '@aws-sdk/client-ec2';
import type { InstanceTypeRecord } from '#cloud/instance-types.ts';
import { Ec2Error } from '../ec2-error.ts';
import type { FilterTable } from './filters.ts';
import { applyFilters } from './filters.ts';
import { pageOf } from './paging.ts';
import type { Query } from './transition.ts';

const LARGEST_PAGE = 100;

export const describeInstanceTypes: Query<'DescribeInstanceTypes'> = (_state, input, context) => {
  const names = input.InstanceTypes ?? [];
  if (names.length > LARGEST_PAGE) {
    throw new Ec2Error(
      'InvalidParameterValue',
      `At most ${LARGEST_PAGE} instance types can be specified in one request`,
    );
  }
  const unknown = names.filter((name) => !context.types.has(name));
  if (unknown.length > 0) {
    throw new Ec2Error(
      'InvalidInstanceType',
      `The following supplied instance types do not exist: [${unknown.join(', ')}]`,
    );
  }
  const all = [...context.types.values()].map((record, order) => ({ record, order }));
  const named = names.length === 0 ? all : all.filter(({ record }) => names.includes(record.instanceType as never));
  const chosen = applyFilters(named, input.Filters, TYPE_FILTERS);
  const rules = { action: 'DescribeInstanceTypes', byId: names.length > 0, largest: LARGEST_PAGE };
  const page = pageOf(chosen, ({ order }) => order, input, rules);
  return { InstanceTypes: page.items.map(({ record }) => describeType(record)), NextToken: page.nextToken };
};

const TYPE_FILTERS: FilterTable<{ readonly record: InstanceTypeRecord }> = {
  'instance-type': ({ record }) => [record.instanceType],
  hypervisor: ({ record }) => [record.hypervisor ?? undefined],
  'bare-metal': ({ record }) => [record.bareMetal],
  'current-generation': ({ record }) => [record.currentGeneration],
  'processor-info.supported-architecture': ({ record }) => record.architectures,
  'memory-info.size-in-mib': ({ record }) => [record.memoryMiB],
  'vcpu-info.default-vcpus': ({ record }) => [record.vcpus],
  'network-info.maximum-network-interfaces': ({ record }) => [record.maxInterfaces],
  'network-info.maximum-network-cards': ({ record }) => [record.networkCards.length],
  'network-info.ipv4-addresses-per-interface': ({ record }) => [record.ipv4PerInterface],
  'network-info.ipv6-addresses-per-interface': ({ record }) => [record.ipv6PerInterface],
  'network-info.ipv6-supported': ({ record }) => [record.ipv6Supported],
  'network-info.efa-supported': ({ record }) => [record.efaSupported],
  'network-info.ena-support': ({ record }) => [record.enaSupport],
  'network-info.network-performance': ({ record }) => [record.networkPerformance],
};

function describeType(record: InstanceTypeRecord): InstanceTypeInfo {
  return {
    InstanceType: record.instanceType as InstanceTypeInfo['InstanceType'],
    CurrentGeneration: record.currentGeneration,
    BareMetal: record.bareMetal,
    ...(record.hypervisor === null ? {} : { Hypervisor: record.hypervisor }),
    SupportedUsageClasses: ['on-demand', 'spot'],
    SupportedRootDeviceTypes: ['ebs'],
    SupportedVirtualizationTypes: ['hvm'],
    ProcessorInfo: {
      SupportedArchitectures: record.architectures as NonNullable<
        InstanceTypeInfo['ProcessorInfo']
      >['SupportedArchitectures'],
    },
    VCpuInfo: { DefaultVCpus: record.vcpus },
    MemoryInfo: { SizeInMiB: record.memoryMiB },
    NetworkInfo: describeNetworkInfo(record),
  };
}

function describeNetworkInfo(record: InstanceTypeRecord): NetworkInfo {
  return {
    NetworkPerformance: record.networkPerformance,
    MaximumNetworkInterfaces: record.maxInterfaces,
    MaximumNetworkCards: record.networkCards.length,
    DefaultNetworkCardIndex: record.defaultNetworkCardIndex,
    NetworkCards: record.networkCards.map((card) => ({
      NetworkCardIndex: card.index,
      NetworkPerformance: card.performance,
      MaximumNetworkInterfaces: card.maxInterfaces,
    })),
    Ipv4AddressesPerInterface: record.ipv4PerInterface,
    Ipv6AddressesPerInterface: record.ipv6PerInterface,
    Ipv6Supported: record.ipv6Supported,
    EnaSupport: record.enaSupport,
    EfaSupported: record.efaSupported,
  };
}
