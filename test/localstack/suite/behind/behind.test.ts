/** In front of a real LocalStack: what is passed through is the same byte for byte, and what LocalStack lacks is there. */
import { EC2, type EC2ClientConfig } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cloud } from '#cloud/emulator/cloud.ts';
import { startCloud } from '#cloud/emulator/cloud.ts';
import { exchange, messageOf, tee, type Tee } from '#test/support/http-bytes.ts';
import { laneSettings } from '../../lane.ts';

const CLIENT = { region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' }, maxAttempts: 1 };
const open = new AsyncDisposableStack();
let cloud: Cloud;
/** Between the emulator and LocalStack. */
let wire: Tee;
let ec2: EC2;

beforeAll(async () => {
  wire = open.use(await tee(new URL(laneSettings().behind ?? '')));
  cloud = open.use(await startCloud({ behind: wire.url, region: 'us-east-1' }));
  ec2 = clientOf({ endpoint: cloud.endpoint });
});
afterAll(() => open.disposeAsync());

function clientOf(config: EC2ClientConfig): EC2 {
  const client = new EC2({ ...CLIENT, ...config });
  open.defer(() => client.destroy());
  return client;
}

const refusalOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'accepted',
    (error: unknown) => (error instanceof Error ? error.name : String(error)),
  );

const SIGNED =
  'Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/SERVICE/aws4_request, SignedHeaders=host, Signature=0';

function request(method: string, path: string, service: string, body: string): Buffer {
  const head = [`${method} ${path} HTTP/1.1`, 'Host: localhost.localstack.cloud', SIGNED.replace('SERVICE', service)];
  const form = body === '' ? [] : ['content-type: application/x-www-form-urlencoded; charset=utf-8'];
  return Buffer.from([...head, ...form, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n'));
}

const ec2Request = (text: string): Buffer => request('POST', '/', 'ec2', `Version=2016-11-15&${text}`);

describe('what is passed through', () => {
  it.each([
    ['VPCs', ec2Request('Action=DescribeVpcs')],
    ['a VPC that is made', ec2Request('Action=CreateVpc&CidrBlock=10.77.0.0%2F16')],
    ['a refusal', ec2Request('Action=CreateVpc&CidrBlock=nonsense')],
    ['instance types', ec2Request('Action=DescribeInstanceTypes&InstanceType.1=m5.large')],
    ['a key pair', ec2Request(`Action=CreateKeyPair&KeyName=passed-${process.pid}`)],
    ['an action that there is not', ec2Request('Action=DescribeNothing')],
    ['another service', request('POST', '/', 'sts', 'Action=GetCallerIdentity&Version=2011-06-15')],
    ['a path', request('GET', '/_localstack/health?reload', 's3', '')],
    ['a bucket', request('PUT', '/bucket/key%20with%20space', 's3', '')],
  ])('%s', async (_, bytes) => {
    wire.take();
    const received = await exchange(new URL(cloud.endpoint), bytes);
    const { request: sent, answer } = wire.take();
    expect(messageOf(sent)).toEqual(messageOf(bytes));
    expect(messageOf(received)).toEqual(messageOf(answer));
    expect(messageOf(received).startLine).toMatch(/^HTTP\/1\.1 \d{3}/);
  });
});

describe('what LocalStack lacks', () => {
  it('limits, prefixes, pages and full subnets, on its own VPCs and instances', async () => {
    const direct = clientOf({ endpoint: wire.url.href });
    const VpcId = (await direct.createVpc({ CidrBlock: '10.78.0.0/16' })).Vpc?.VpcId;
    const SubnetId = (await direct.createSubnet({ VpcId, CidrBlock: '10.78.0.0/26' })).Subnet?.SubnetId;
    const run = { ImageId: 'ami-12345678', InstanceType: 't3.medium', MinCount: 1, MaxCount: 1, SubnetId } as const;
    const InstanceId = (await ec2.runInstances(run)).Instances?.[0]?.InstanceId;
    expect((await direct.describeInstances({ InstanceIds: [InstanceId ?? ''] })).Reservations).toHaveLength(1);
    const made = await ec2.createNetworkInterface({ SubnetId, Ipv4PrefixCount: 2 });
    expect(made.NetworkInterface?.Ipv4Prefixes).toHaveLength(2);
    const more = ec2.createNetworkInterface({ SubnetId, Ipv4PrefixCount: 1 });
    expect(await refusalOf(more)).toBe('InsufficientCidrBlocks');
    const NetworkInterfaceId = made.NetworkInterface?.NetworkInterfaceId;
    await ec2.attachNetworkInterface({ NetworkInterfaceId, InstanceId, DeviceIndex: 1 });
    const assign = ec2.assignPrivateIpAddresses({ NetworkInterfaceId, SecondaryPrivateIpAddressCount: 4 });
    expect(await refusalOf(assign)).toBe('PrivateIpAddressLimitExceeded');
    expect(await refusalOf(ec2.deleteSubnet({ SubnetId }))).toBe('DependencyViolation');
    const found = await ec2.describeInstances({
      Filters: [{ Name: 'network-interface.network-interface-id', Values: [NetworkInterfaceId ?? ''] }],
    });
    expect(found.Reservations?.[0]?.Instances?.[0]?.InstanceId).toBe(InstanceId);
    await ec2.terminateInstances({ InstanceIds: [InstanceId ?? ''] });
    await ec2.deleteNetworkInterface({ NetworkInterfaceId });
    await ec2.deleteSubnet({ SubnetId });
    await ec2.deleteVpc({ VpcId });
  });

  it('instances in the default VPC, and of a launch template', async () => {
    const image = { ImageId: 'ami-12345678', InstanceType: 't3.small' } as const;
    const alone = await ec2.runInstances({ ...image, MinCount: 1, MaxCount: 1 });
    const LaunchTemplateName = `passed-${process.pid}`;
    await ec2.createLaunchTemplate({ LaunchTemplateName, LaunchTemplateData: image });
    const templated = await ec2.runInstances({ LaunchTemplate: { LaunchTemplateName }, MinCount: 1, MaxCount: 1 });
    const ids = [alone, templated].map(({ Instances = [] }) => Instances[0]?.InstanceId ?? '');
    const Filters = [{ Name: 'attachment.instance-id', Values: ids }];
    const { NetworkInterfaces = [] } = await ec2.describeNetworkInterfaces({ Filters });
    expect(NetworkInterfaces.map((held) => held.Attachment?.InstanceId ?? '').toSorted()).toEqual(ids.toSorted());
    await ec2.terminateInstances({ InstanceIds: ids });
    expect((await ec2.describeNetworkInterfaces({ Filters })).NetworkInterfaces).toEqual([]);
    await ec2.deleteLaunchTemplate({ LaunchTemplateName });
  });
});
