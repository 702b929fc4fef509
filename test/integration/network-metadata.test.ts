/** The network as instance metadata tells it, and the cloud port that stands on it, against the emulator over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createInstanceMetadata } from '#cloud/aws/instance-metadata.ts';
import { createMetadataProvider } from '#cloud/aws/metadata-provider.ts';
import { createNetworkMetadata } from '#cloud/aws/network-metadata.ts';
import { type Cloud, startCloud } from '#cloud/emulator/cloud.ts';
import { createRegionSend } from '#cloud/emulator/send.ts';
import { createEc2Provider } from '#cloud/aws/ec2-provider.ts';
import type { InstanceIdentity } from '#cloud/provider.ts';
import { startServer } from './aws-http-server.ts';

const CALL = { cause: 'test' };

describe('the network by metadata', () => {
  let cloud: Cloud;
  let environment: Readonly<Record<string, string>>;
  let instanceId: string;
  let subnetId: string;
  let identity: InstanceIdentity;

  beforeAll(async () => {
    cloud = await startCloud({ region: 'eu-test-1', seed: 3 });
    const { region } = cloud;
    const VpcId = region.execute('CreateVpc', { CidrBlock: '10.0.0.0/16' }).Vpc?.VpcId ?? '';
    region.execute('AssociateVpcCidrBlock', { VpcId, CidrBlock: '100.64.0.0/16' });
    subnetId = region.execute('CreateSubnet', { VpcId, CidrBlock: '10.0.1.0/24' }).Subnet?.SubnetId ?? '';
    const run = { ImageId: 'ami-12345678', InstanceType: 'm5.large', MinCount: 1, MaxCount: 1 } as const;
    const launched = region.execute('RunInstances', { ...run, SubnetId: subnetId });
    instanceId = launched.Instances?.[0]?.InstanceId ?? '';
    for (const [index, more] of [{ SecondaryPrivateIpAddressCount: 3 }, { Ipv4PrefixCount: 2 }].entries()) {
      const made = region.execute('CreateNetworkInterface', { SubnetId: subnetId, ...more });
      const NetworkInterfaceId = made.NetworkInterface?.NetworkInterfaceId ?? '';
      region.execute('AttachNetworkInterface', { NetworkInterfaceId, InstanceId: instanceId, DeviceIndex: index + 1 });
    }
    const { endpoint } = await cloud.serveMetadata({ host: '127.0.0.1', port: 0, instanceId });
    environment = { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint };
    identity = await createInstanceMetadata(environment).identity();
  });
  afterAll(async () => {
    await cloud?.[Symbol.asyncDispose]();
  });

  it('lists what EC2 describes, without what metadata does not know', async () => {
    using network = createNetworkMetadata(environment);
    const ec2 = createEc2Provider(createRegionSend(cloud.region));
    const filters = { 'attachment.instance-id': [instanceId] };
    const truth = await ec2.describeNetworkInterfaces({ filters }, CALL);
    const told = await createMetadataProvider(network, identity).describeNetworkInterfaces({ filters }, CALL);
    expect(told.length).toBe(3);
    const byId = (one: { readonly id: string }, other: { readonly id: string }) => (one.id < other.id ? -1 : 1);
    const shared = truth.toSorted(byId).map((each) => ({
      ...each,
      description: '',
      tags: {},
      attachment: { ...each.attachment, attachmentId: '', deleteOnTermination: true },
    }));
    expect(told.toSorted(byId)).toEqual(shared);
    const { mac } = truth[0] ?? { mac: '' };
    expect(await network.macs()).toContain(mac);
    expect(await network.facts(mac)).toMatchObject({ vpcCidrs: ['10.0.0.0/16', '100.64.0.0/16'] });
  });

  it('answers for subnets of this node, refuses every write, and does not know what is not attached', async () => {
    using network = createNetworkMetadata(environment);
    const provider = createMetadataProvider(network, identity);
    expect(await provider.describeSubnets({ filters: { 'vpc-id': ['any'] } }, CALL)).toMatchObject([
      { id: subnetId, cidr: '10.0.1.0/24' },
    ]);
    const unknown = provider.describeNetworkInterfaces({ ids: ['eni-0123456789abcdef0'] }, CALL);
    await expect(unknown).rejects.toMatchObject({ code: 'not-found' });
    const free = { filters: { status: ['available'] } };
    expect(await provider.describeNetworkInterfaces(free, CALL)).toEqual([]);
    const writes = [
      provider.assignPrivateIpAddresses({ networkInterfaceId: 'eni-1', addressCount: 1 }, CALL),
      provider.createTags({ resourceIds: ['eni-1'], tags: {} }, CALL),
      provider.detachNetworkInterface({ attachmentId: 'x' }, CALL),
    ];
    for (const write of writes)
      await expect(write).rejects.toMatchObject({ message: expect.stringContaining('ENABLE_IMDS_ONLY_MODE') });
    const type = provider.describeInstanceTypes({ instanceTypes: ['x1.unheard'] }, CALL);
    await expect(type).rejects.toMatchObject({ retry: 'never' });
  });

  it.each([
    ['macs that are none', '/latest/meta-data/network/interfaces/macs/', 'ami-id\nhostname'],
    ['no macs at all', '/latest/meta-data/network/interfaces/macs/', ''],
    [
      'security groups that are none',
      '/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/security-group-ids',
      'x',
    ],
    ['no security groups', '/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/security-group-ids', ''],
  ])('believes nothing that cannot be true: %s', async (_what, path, body) => {
    await using server = await startServer((request, response) => {
      if (request.method === 'PUT') response.end('token');
      else if (request.path === path) response.end(body);
      else response.writeHead(404).end();
    });
    using network = createNetworkMetadata({ AWS_EC2_METADATA_SERVICE_ENDPOINT: server.endpoint });
    const answer = path.endsWith('macs/') ? network.macs() : network.facts('02:00:00:00:00:01');
    await expect(answer).rejects.toMatchObject({ code: 'unavailable', operation: path });
  });
});
