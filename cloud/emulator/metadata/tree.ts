import type { IssuedKeys } from '../credentials/authority.ts';
import type { Subject, SubjectInterface } from './subject.ts';

/** Instance metadata as it is addressed: directories of directories and values. */
export interface Directory {
  readonly [name: string]: Directory | string;
}

/** The role of an instance and what it may sign with. */
export interface RoleKeys {
  readonly role: string;
  readonly keys: IssuedKeys;
}

/** All that the metadata service says to one instance (EC2 user guide, "Instance metadata categories"). */
export function metadataTree(subject: Subject, roleKeys?: RoleKeys): Directory {
  const { instance } = subject;
  const primary = subject.interfaces[0]?.description;
  const hostname = instance.PrivateDnsName ?? '';
  return {
    latest: {
      dynamic: { 'instance-identity': { document: JSON.stringify(identityDocument(subject), undefined, 2) } },
      'meta-data': present({
        'ami-id': instance.ImageId,
        hostname,
        iam: roleKeys && iam(roleKeys, primary?.OwnerId ?? ''),
        'instance-id': instance.InstanceId,
        'instance-type': instance.InstanceType,
        'local-hostname': hostname,
        'local-ipv4': instance.PrivateIpAddress,
        ipv6: primary?.Ipv6Addresses?.[0]?.Ipv6Address,
        mac: primary?.MacAddress,
        network: { interfaces: { macs: macs(subject) } },
        placement: present({
          'availability-zone': instance.Placement?.AvailabilityZone,
          'availability-zone-id': subject.zoneId,
          region: subject.region,
        }),
        'security-groups': lines((primary?.Groups ?? []).map((group) => group.GroupName)),
        services: { domain: 'amazonaws.com', partition: 'aws' },
      }),
    },
  };
}

function iam({ role, keys }: RoleKeys, account: string): Directory {
  const lastUpdated = new Date(keys.issuedAt).toISOString().replace(/\.\d+Z$/, 'Z');
  const profile = {
    InstanceProfileArn: `arn:aws:iam::${account}:instance-profile/${role}`,
    InstanceProfileId: 'AIPAEMULATOR',
  };
  const credentials = {
    Code: 'Success',
    LastUpdated: lastUpdated,
    Type: 'AWS-HMAC',
    AccessKeyId: keys.accessKeyId,
    SecretAccessKey: keys.secretAccessKey,
    Token: keys.sessionToken,
    Expiration: new Date(keys.expiresAt).toISOString().replace(/\.\d+Z$/, 'Z'),
  };
  return {
    info: JSON.stringify({ Code: 'Success', LastUpdated: lastUpdated, ...profile }, undefined, 2),
    'security-credentials': { [role]: JSON.stringify(credentials, undefined, 2) },
  };
}

function macs(subject: Subject): Directory {
  return Object.fromEntries(
    subject.interfaces.map((entry) => [entry.description.MacAddress ?? '', interfaceDirectory(entry)]),
  );
}

function interfaceDirectory({ description, subnet, vpc }: SubjectInterface): Directory {
  const vpcCidrs = (vpc?.CidrBlockAssociationSet ?? []).map((entry) => entry.CidrBlock);
  const groups = description.Groups ?? [];
  return present({
    'device-number': String(description.Attachment?.DeviceIndex ?? 0),
    'interface-id': description.NetworkInterfaceId,
    'ipv4-prefix': lines((description.Ipv4Prefixes ?? []).map((entry) => entry.Ipv4Prefix)),
    'ipv6-prefix': lines((description.Ipv6Prefixes ?? []).map((entry) => entry.Ipv6Prefix)),
    ipv6s: lines((description.Ipv6Addresses ?? []).map((entry) => entry.Ipv6Address)),
    'local-hostname': description.PrivateDnsName,
    'local-ipv4s': lines(addressesOf(description)),
    mac: description.MacAddress,
    'network-card': String(description.Attachment?.NetworkCardIndex ?? 0),
    'owner-id': description.OwnerId,
    'security-group-ids': lines(groups.map((group) => group.GroupId)),
    'security-groups': lines(groups.map((group) => group.GroupName)),
    'subnet-id': description.SubnetId,
    'subnet-ipv4-cidr-block': subnet?.CidrBlock,
    'subnet-ipv6-cidr-blocks': lines((subnet?.Ipv6CidrBlockAssociationSet ?? []).map((entry) => entry.Ipv6CidrBlock)),
    'vpc-id': description.VpcId,
    'vpc-ipv4-cidr-block': vpc?.CidrBlock,
    'vpc-ipv4-cidr-blocks': lines(vpcCidrs),
    'vpc-ipv6-cidr-blocks': lines((vpc?.Ipv6CidrBlockAssociationSet ?? []).map((entry) => entry.Ipv6CidrBlock)),
  });
}

/** The primary address comes first; the VPC CNI of Amazon takes the first line for it. */
function addressesOf(description: SubjectInterface['description']): readonly (string | undefined)[] {
  return (description.PrivateIpAddresses ?? [])
    .toSorted((one, other) => Number(other.Primary ?? false) - Number(one.Primary ?? false))
    .map((entry) => entry.PrivateIpAddress);
}

function identityDocument({ instance, interfaces, region }: Subject): object {
  return {
    accountId: interfaces[0]?.description.OwnerId,
    architecture: instance.Architecture,
    availabilityZone: instance.Placement?.AvailabilityZone,
    billingProducts: null,
    devpayProductCodes: null,
    marketplaceProductCodes: null,
    imageId: instance.ImageId,
    instanceId: instance.InstanceId,
    instanceType: instance.InstanceType,
    kernelId: null,
    pendingTime: instance.LaunchTime?.toISOString().replace(/\.\d+Z$/, 'Z'),
    privateIp: instance.PrivateIpAddress,
    ramdiskId: null,
    region,
    version: '2017-09-30',
  };
}

function lines(values: readonly (string | undefined)[]): string | undefined {
  return values.length === 0 ? undefined : values.join('\n');
}

/** The metadata service answers 404 for what an instance or interface does not have, so such names are left out. */
function present(entries: Readonly<Record<string, Directory | string | undefined>>): Directory {
  return Object.fromEntries(
    Object.entries(entries).filter(
      (entry): entry is [string, Directory | string] => entry[1] !== undefined && entry[1] !== '',
    ),
  );
}

/**
 * What is at a path: a value, the listing of a directory, or `undefined` for 404. Sub-directories are listed with a slash
 * behind them, except at the top, where the service names its versions and trees without one.
 */
export function readPath(root: Directory, path: string): string | undefined {
  const segments = path.split('/').filter((segment) => segment !== '');
  let node: Directory | string = root;
  for (const segment of segments) {
    if (typeof node === 'string' || !Object.hasOwn(node, segment)) return undefined;
    node = node[segment] ?? '';
  }
  if (typeof node === 'string') return node;
  const slash = segments.length < 2 ? '' : '/';
  return Object.entries(node)
    .map(([name, child]) => (typeof child === 'string' ? name : name + slash))
    .join('\n');
}
