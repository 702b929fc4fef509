import type { Ec2Action } from '../ec2-actions.ts';

/**
 * Parameters (by their SDK names) that are taken and change nothing here: they are about what the emulator does not have
 * (disks, processors, markets, roles), or ask for what is so anyway. Every other parameter of EC2 has its effect or is in
 * `unsupported.data.ts`; a parameter that EC2 does not have is refused as UnknownParameter.
 */
export const WITHOUT_EFFECT: Readonly<Partial<Record<Ec2Action, readonly string[]>>> = {
  CreateVpc: ['Ipv6CidrBlockNetworkBorderGroup'],
  AssociateVpcCidrBlock: ['Ipv6CidrBlockNetworkBorderGroup'],
  RunInstances: [
    'AdditionalInfo',
    'BlockDeviceMappings',
    'CapacityReservationSpecification',
    'CpuOptions',
    'CreditSpecification',
    'DisableApiStop',
    'DisableApiTermination',
    'EbsOptimized',
    'ElasticGpuSpecification',
    'ElasticInferenceAccelerators',
    'EnclaveOptions',
    'HibernationOptions',
    'IamInstanceProfile',
    'InstanceInitiatedShutdownBehavior',
    'InstanceMarketOptions',
    'KernelId',
    'LicenseSpecifications',
    'MaintenanceOptions',
    'MetadataOptions',
    'Monitoring',
    'NetworkPerformanceOptions',
    'Operator',
    'RamdiskId',
  ],
  DescribeInstances: ['IncludeManagedResources'],
  TerminateInstances: ['Force', 'SkipOsShutdown'],
  DescribeImages: ['ExecutableUsers', 'IncludeDeprecated', 'IncludeDisabled'],
  DescribeInstanceTypes: ['IncludeUnsupportedInRegion'],
  DescribeAvailabilityZones: ['AllAvailabilityZones'],
  DescribeRegions: ['AllRegions'],
  DescribeNetworkInterfaces: ['IncludeManagedResources'],
  DetachNetworkInterface: ['Force'],
};
