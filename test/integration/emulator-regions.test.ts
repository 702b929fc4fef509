/** Any SDK client finds an empty region of its own name, whatever the emulator's default is. */
import { CreateSubnetCommand, CreateVpcCommand, DescribeVpcsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Cloud, startCloud } from '#cloud/emulator/cloud.ts';

let cloud: Cloud;
beforeAll(async () => {
  cloud = await startCloud();
});
afterAll(async () => {
  await cloud[Symbol.asyncDispose]();
});

function client(region: string): EC2Client {
  return new EC2Client({
    region,
    endpoint: cloud.endpoint,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
  });
}

it.each(['us-east-1', 'eu-west-3', 'ap-southeast-4'])(
  '%s has zones of its own name and its own VPCs',
  async (region) => {
    const ec2 = client(region);
    expect((await ec2.send(new DescribeVpcsCommand({}))).Vpcs).toEqual([]);
    const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: '10.7.0.0/16' }));
    for (const [index, zone] of ['a', 'b', 'c'].entries()) {
      const { Subnet } = await ec2.send(
        new CreateSubnetCommand({
          VpcId: Vpc?.VpcId,
          CidrBlock: `10.7.${index}.0/24`,
          AvailabilityZone: `${region}${zone}`,
        }),
      );
      expect(Subnet?.AvailabilityZone).toBe(`${region}${zone}`);
    }
    expect((await ec2.send(new DescribeVpcsCommand({}))).Vpcs).toHaveLength(1);
    ec2.destroy();
  },
);

it('does not know the ids of another region', async () => {
  const [one, other] = [client('us-east-1'), client('eu-west-3')];
  const { Vpcs } = await one.send(new DescribeVpcsCommand({}));
  const asked = other.send(new DescribeVpcsCommand({ VpcIds: [Vpcs?.[0]?.VpcId ?? ''] }));
  await expect(asked).rejects.toMatchObject({ name: 'InvalidVpcID.NotFound' });
  one.destroy();
  other.destroy();
});

it('the metadata face and the fabric see the default region, which clients that sign for it fill', () => {
  expect(cloud.region.name).toBe('us-east-1');
  expect(cloud.region.vpcs()).toHaveLength(1);
});

it('does not open regions without end', async () => {
  for (let index = 0; index < 70; index += 1) {
    const ec2 = client(`xx-nowhere-${index}`);
    const outcome = await ec2.send(new DescribeVpcsCommand({})).catch((error: Error) => error.name);
    if (index === 69) expect(outcome).toBe('AuthFailure');
    ec2.destroy();
  }
});
