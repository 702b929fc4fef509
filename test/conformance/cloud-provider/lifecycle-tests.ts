import { expect, it } from '@jest/globals';
import { CAUSE, given } from './subject.ts';
import type { World } from './subject.ts';

/** Create, attach, modify, detach, delete, tag. */
export function lifecycleTests(world: () => World): void {
  it('a new interface is what was asked for, and so it is found', async () => {
    const { create, look, subnet, groupId, vpcId } = world();
    const subnetId = await subnet(24);
    const made = await create(subnetId, { description: 'aws-K8S-i-1', tags: { a: '1', 'b/c': 'x & <y>' } });
    expect(made).toMatchObject({
      subnetId,
      vpcId,
      description: 'aws-K8S-i-1',
      interfaceType: 'interface',
      secondaryAddresses: [],
      ipv4Prefixes: [],
      ipv6Addresses: [],
      ipv6Prefixes: [],
      securityGroupIds: [groupId],
      tags: { a: '1', 'b/c': 'x & <y>' },
      attachment: undefined,
    });
    expect(made.id).toMatch(/^eni-[0-9a-f]{17}$/);
    expect(made.mac).toMatch(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
    expect(made.primaryAddress).toMatch(/^10\.0\./);
    expect(await look(made.id)).toEqual({ ...made, status: 'available' });
  });

  it('counts of addresses and prefixes are met, and 0 is none', async () => {
    const { create, subnet } = world();
    const subnetId = await subnet(24);
    const withAddresses = await create(subnetId, { secondaryAddressCount: 3 });
    expect(new Set([withAddresses.primaryAddress, ...withAddresses.secondaryAddresses]).size).toBe(4);
    const withPrefixes = await create(subnetId, { ipv4PrefixCount: 2 });
    expect(withPrefixes.ipv4Prefixes).toHaveLength(2);
    expect(withPrefixes.ipv4Prefixes.every((prefix) => prefix.endsWith('/28'))).toBe(true);
    expect(withPrefixes.secondaryAddresses).toEqual([]);
    expect((await create(subnetId, { secondaryAddressCount: 0 })).secondaryAddresses).toEqual([]);
  });

  it('the same client token makes the same interface once; with another request it is refused', async () => {
    const { create, provider, subnet, vpcId } = world();
    const subnetId = await subnet(24);
    const clientToken = `once-${vpcId}`;
    const first = await create(subnetId, { clientToken, secondaryAddressCount: 2 });
    const second = await create(subnetId, { clientToken, secondaryAddressCount: 2 });
    expect(second.id).toBe(first.id);
    expect(await provider.describeNetworkInterfaces({ filters: { 'subnet-id': [subnetId] } }, CAUSE)).toHaveLength(1);
    await expect(create(subnetId, { clientToken, secondaryAddressCount: 3 })).rejects.toMatchObject({
      code: 'invalid',
    });
  });

  it('attached, kept on termination or not, detached and deleted', async () => {
    const { attached, create, instance, look, provider, subnet } = world();
    const subnetId = await subnet(24);
    const node = await instance('m5.large', subnetId);
    const made = await attached(subnetId, node.id, 1);
    expect(made).toMatchObject({
      status: 'in-use',
      attachment: {
        instanceId: node.id,
        deviceIndex: 1,
        networkCardIndex: 0,
        deleteOnTermination: false,
        status: 'attached',
      },
    });
    const attachmentId = given(made.attachment?.attachmentId);
    const networkInterfaceId = made.id;
    await provider.modifyNetworkInterfaceAttribute(
      { networkInterfaceId, deleteOnTermination: { attachmentId, value: true } },
      CAUSE,
    );
    expect((await look(made.id)).attachment?.deleteOnTermination).toBe(true);

    await expect(provider.deleteNetworkInterface({ networkInterfaceId }, CAUSE)).rejects.toMatchObject({
      code: 'in-use',
    });
    const again = { networkInterfaceId, instanceId: node.id, deviceIndex: 2, networkCardIndex: 0 };
    await expect(provider.attachNetworkInterface(again, CAUSE)).rejects.toMatchObject({ code: 'in-use' });
    const other = await create(subnetId);
    const sameIndex = { networkInterfaceId: other.id, instanceId: node.id, deviceIndex: 1, networkCardIndex: 0 };
    await expect(provider.attachNetworkInterface(sameIndex, CAUSE)).rejects.toMatchObject({
      name: 'CloudError',
      retry: 'never',
    });

    await provider.detachNetworkInterface({ attachmentId }, CAUSE);
    expect(await look(made.id)).toMatchObject({ status: 'available', attachment: undefined });
    await expect(provider.detachNetworkInterface({ attachmentId }, CAUSE)).rejects.toMatchObject({ code: 'not-found' });
    await provider.deleteNetworkInterface({ networkInterfaceId }, CAUSE);
    await expect(look(made.id)).rejects.toMatchObject({ code: 'not-found' });
    await expect(provider.deleteNetworkInterface({ networkInterfaceId }, CAUSE)).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('security groups are replaced, also together with DeleteOnTermination', async () => {
    const { attached, instance, look, place, provider, subnet, vpcId } = world();
    const subnetId = await subnet(24);
    const made = await attached(subnetId, (await instance('m5.large', subnetId)).id, 1);
    const asked = { GroupName: 'pods', Description: 'pods', VpcId: vpcId };
    const group = await place.execute('CreateSecurityGroup', asked);
    const securityGroupIds = [given(group.GroupId)];
    const deleteOnTermination = { attachmentId: given(made.attachment?.attachmentId), value: true };
    const request = { networkInterfaceId: made.id, securityGroupIds, deleteOnTermination };
    await provider.modifyNetworkInterfaceAttribute(request, CAUSE);
    expect(await look(made.id)).toMatchObject({ securityGroupIds, attachment: { deleteOnTermination: true } });
  });

  it('tags are added and replaced on several resources, and others stay', async () => {
    const { create, look, provider, subnet } = world();
    const subnetId = await subnet(24);
    const both = [await create(subnetId, { tags: { keep: 'k', change: 'old' } }), await create(subnetId)];
    const tags = { change: 'new', empty: '' };
    await provider.createTags({ resourceIds: [...both.map((made) => made.id), subnetId], tags }, CAUSE);
    expect((await look(given(both[0]).id)).tags).toEqual({ keep: 'k', change: 'new', empty: '' });
    expect((await look(given(both[1]).id)).tags).toEqual(tags);
    expect((await provider.describeSubnets({ ids: [subnetId] }, CAUSE))[0]?.tags).toEqual(tags);
    await provider.createTags({ resourceIds: [subnetId], tags: {} }, CAUSE);
  });
}
