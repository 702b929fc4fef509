import { expect, it } from '@jest/globals';
import type { Ec2Action as KnownAction } from '../ec2-actions.ts';
import type { Ec2Action } from './contract.ts';
import { startCloud } from './index.ts';

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

const text = async (url: string, init?: RequestInit): Promise<string> => (await fetch(url, init)).text();

it('the contract has the actions of the emulator', () => {
  const same: Same<Ec2Action, KnownAction> = true;
  expect(same).toBe(true);
});

it('a described cloud is there with its names, tells what happens, and fails as it is told to', async () => {
  await using cloud = await startCloud({
    region: 'eu-test-1',
    vpcs: [
      {
        name: 'v',
        cidr: '10.0.0.0/16',
        ipv6: true,
        securityGroups: [{ name: 'g' }],
        subnets: [{ name: 'a', cidr: '10.0.0.0/28', zone: 'b', ipv6: true, tags: { team: 'x' } }],
        nodes: [{ name: 'n', subnet: 'a', instanceType: 'm5.large', ipv6: true, securityGroups: ['g', 'default'] }],
      },
    ],
    faults: [{ action: 'DescribeVpcs', kind: 'error', code: 'RequestLimitExceeded', times: 2 }],
  });
  const { names } = cloud;
  const { instances, subnets, networkInterfaces } = await cloud.state();
  expect(instances).toMatchObject([{ id: names.nodes['n'], tags: { Name: 'n' }, availabilityZone: 'eu-test-1b' }]);
  expect(subnets).toMatchObject([{ id: names.subnets['a'], ipv6Cidrs: ['2001:db8::/64'], tags: { team: 'x' } }]);
  expect(networkInterfaces[0]?.ipv6Addresses).toHaveLength(1);
  expect(networkInterfaces[0]?.securityGroupIds).toHaveLength(2);
  const ask = (query: string) => text(`${cloud.endpoint}/?Version=2016-11-15&${query}`);
  expect(await ask('Action=DescribeVpcs')).toContain('<Code>RequestLimitExceeded</Code>');
  expect(await cloud.pendingFaults()).toMatchObject([{ action: 'DescribeVpcs', times: 1 }]);
  await cloud.clearFaults();
  await cloud.failNext('DescribeSubnets', { kind: 'error', code: 'Mine' });
  expect(await ask('Action=DescribeSubnets')).toContain('<Code>Mine</Code>');
  expect((await cloud.calls()).map(({ errorCode }) => errorCode)).toEqual(['RequestLimitExceeded', 'Mine']);
  const before = (await cloud.changes()).at(-1)?.number ?? 0;
  await ask(`Action=CreateNetworkInterface&SubnetId=${String(names.subnets['a'])}`);
  expect(await cloud.changes(before)).toMatchObject([
    {
      action: 'CreateNetworkInterface',
      resources: [
        { kind: 'subnet', before: { availableAddresses: 10 }, after: { availableAddresses: 9 } },
        { kind: 'network-interface', before: null },
      ],
    },
  ]);
  await expect(cloud.set({ staleReadsMs: -1 })).rejects.toThrow('staleReadsMs must be a number');
  const metadata = await cloud.metadataOf('n');
  const put = { method: 'PUT', headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' } };
  const headers = { 'x-aws-ec2-metadata-token': await text(`${metadata}/latest/api/token`, put) };
  expect(await text(`${metadata}/latest/meta-data/instance-id`, { headers })).toBe(names.nodes['n']);
});

it('what is described is made in the EC2 behind, with interfaces of ours', async () => {
  await using other = await startCloud({ seed: 9 });
  const vpcs = [
    {
      name: 'v',
      cidr: '10.0.0.0/16',
      subnets: [{ name: 'a', cidr: '10.0.0.0/24' }],
      nodes: [{ name: 'n', subnet: 'a', instanceType: 't3.small' }],
    },
  ];
  await using cloud = await startCloud({ behind: other.endpoint, vpcs });
  const theirs = await other.state();
  expect(theirs.instances.map(({ id }) => id)).toEqual([cloud.names.nodes['n']]);
  const ours = await cloud.state();
  expect(ours.networkInterfaces[0]?.attachment?.instanceId).toBe(cloud.names.nodes['n']);
  expect(ours.networkInterfaces[0]?.id).not.toBe(theirs.networkInterfaces[0]?.id);
});

it('a description that cannot be is refused, and nothing is left open', async () => {
  await expect(startCloud({ vpcs: [{ name: 'v', cidr: '10.0.0.0/8' }] })).rejects.toMatchObject({
    name: 'DescriptionError',
    message: expect.stringContaining('VPC v cannot be made: InvalidVpc.Range'),
  });
  await expect(startCloud({ behind: 'nowhere' })).rejects.toMatchObject({ name: 'DescriptionError' });
});
