/** What EC2 does beyond the port, and LocalStack is known not to do: each of these is a reason for care in a test on it. */
import * as Ec2 from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { given, makeWorld, type World } from '#test/conformance/cloud-provider/subject.ts';
import { makeSubject } from '../ec2-subject.ts';
import type { Ec2Subject } from '../ec2-subject.ts';

let subject: Ec2Subject;
let world: World;

describe('EC2 at the endpoint', () => {
  beforeAll(async () => {
    subject = await makeSubject();
    world = await makeWorld(subject);
  });
  afterAll(async () => {
    await subject?.[Symbol.asyncDispose]();
  });

  const interfaceIn = async (SubnetId: string): Promise<Ec2.NetworkInterface> => {
    const input = { SubnetId, Groups: [world.groupId] };
    return given((await world.place.execute('CreateNetworkInterface', input)).NetworkInterface);
  };

  it('the MAC of an interface is one', async () => {
    expect((await interfaceIn(await world.subnet(24))).MacAddress).toMatch(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
  });

  it('a page has no more than MaxResults, and says that there are more', async () => {
    const subnetId = await world.subnet(24);
    for (let made = 0; made < 6; made += 1) await interfaceIn(subnetId);
    const input = { Filters: [{ Name: 'subnet-id', Values: [subnetId] }], MaxResults: 5 };
    const page = await subject.send(new Ec2.DescribeNetworkInterfacesCommand(input));
    expect(page.NetworkInterfaces).toHaveLength(5);
    expect(page.NextToken).toBeTruthy();
  });

  it('addresses that are given at the same time are all different, and none is reserved', async () => {
    const subnetId = await world.subnet(26);
    const ids = await Promise.all(
      Array.from({ length: 8 }, async () => (await interfaceIn(subnetId)).NetworkInterfaceId),
    );
    const assign = (NetworkInterfaceId: string | undefined) => ({
      NetworkInterfaceId,
      SecondaryPrivateIpAddressCount: 6,
    });
    await Promise.all(ids.map((id) => subject.send(new Ec2.AssignPrivateIpAddressesCommand(assign(id)))));
    const found = await world.provider.describeNetworkInterfaces({ ids: ids.map(given) }, { cause: 'conformance' });
    const addresses = found.flatMap((each) => [each.primaryAddress, ...each.secondaryAddresses]);
    expect(new Set(addresses).size).toBe(56);
    expect(addresses.filter((address) => [0, 1, 2, 3, 63].includes(Number(address.split('.')[3])))).toEqual([]);
  });

  it('an instance takes its primary interface with it when it goes', async () => {
    const { primaryInterfaceId } = await world.instance('m5.large', await world.subnet(24));
    expect((await world.look(primaryInterfaceId)).attachment?.deleteOnTermination).toBe(true);
  });

  it('a subnet with an interface in it stays', async () => {
    const SubnetId = await world.subnet(24);
    await interfaceIn(SubnetId);
    const deleted = subject.send(new Ec2.DeleteSubnetCommand({ SubnetId }));
    await expect(deleted).rejects.toMatchObject({ name: 'DependencyViolation' });
  });
});
