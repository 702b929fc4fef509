import { expect, it } from '@jest/globals';
import { CAUSE, given } from './subject.ts';
import type { World } from './subject.ts';

/** AssignPrivateIpAddresses and UnassignPrivateIpAddresses, and the limits of subnet and instance. */
export function addressTests(world: () => World): void {
  it('an assign answers only what is new, by count and by name', async () => {
    const { create, look, provider, subnet } = world();
    const made = await create(await subnet(24), { secondaryAddressCount: 2 });
    const networkInterfaceId = made.id;
    const counted = await provider.assignPrivateIpAddresses({ networkInterfaceId, addressCount: 3 }, CAUSE);
    expect(counted.prefixes).toEqual([]);
    expect(counted.addresses).toHaveLength(3);
    const known = [made.primaryAddress, ...made.secondaryAddresses];
    expect(counted.addresses.filter((address) => known.includes(address))).toEqual([]);

    const free = made.primaryAddress.replace(/\d+$/, '200');
    const named = await provider.assignPrivateIpAddresses({ networkInterfaceId, addresses: [free] }, CAUSE);
    expect(named).toEqual({ addresses: [free], prefixes: [] });
    const all = [...made.secondaryAddresses, ...counted.addresses, free];
    expect(new Set((await look(made.id)).secondaryAddresses)).toEqual(new Set(all));
  });

  it('prefixes likewise', async () => {
    const { create, look, provider, subnet } = world();
    const made = await create(await subnet(24), { ipv4PrefixCount: 1 });
    const networkInterfaceId = made.id;
    const counted = await provider.assignPrivateIpAddresses({ networkInterfaceId, prefixCount: 2 }, CAUSE);
    expect(counted.addresses).toEqual([]);
    expect(counted.prefixes).toHaveLength(2);
    expect(counted.prefixes).not.toContain(made.ipv4Prefixes[0]);
    const free = made.primaryAddress.replace(/\d+$/, '192/28');
    const named = await provider.assignPrivateIpAddresses({ networkInterfaceId, prefixes: [free] }, CAUSE);
    expect(named).toEqual({ addresses: [], prefixes: [free] });
    expect((await look(made.id)).ipv4Prefixes.toSorted()).toEqual(
      [...made.ipv4Prefixes, ...counted.prefixes, free].toSorted(),
    );
  });

  it('an unassign takes away exactly what is named, both kinds at once, and frees it in the subnet', async () => {
    const { create, look, provider, subnet } = world();
    const subnetId = await subnet(24);
    const free = async () => given((await provider.describeSubnets({ ids: [subnetId] }, CAUSE))[0]).availableAddresses;
    const before = await free();
    const made = await create(subnetId, { secondaryAddressCount: 3 });
    expect(await free()).toBe(before - 4);
    const networkInterfaceId = made.id;
    const { prefixes } = await provider.assignPrivateIpAddresses({ networkInterfaceId, prefixCount: 1 }, CAUSE);
    expect(await free()).toBe(before - 20);
    const [gone, ...kept] = made.secondaryAddresses;
    await provider.unassignPrivateIpAddresses({ networkInterfaceId, addresses: [given(gone)], prefixes }, CAUSE);
    expect(await look(made.id)).toMatchObject({
      secondaryAddresses: kept,
      ipv4Prefixes: [],
      primaryAddress: made.primaryAddress,
    });
    expect(await free()).toBe(before - 3);
    await provider.unassignPrivateIpAddresses({ networkInterfaceId }, CAUSE);
  });

  it('what is not on the interface cannot be taken from it, and nothing else is', async () => {
    const { create, look, provider, subnet } = world();
    const made = await create(await subnet(24), { secondaryAddressCount: 1 });
    const addresses = [...made.secondaryAddresses, made.primaryAddress.replace(/\d+$/, '201')];
    const wrong = provider.unassignPrivateIpAddresses({ networkInterfaceId: made.id, addresses }, CAUSE);
    await expect(wrong).rejects.toMatchObject({ code: 'not-found' });
    expect((await look(made.id)).secondaryAddresses).toEqual(made.secondaryAddresses);
  });

  it("an address of another interface is in use, and stays the other's", async () => {
    const { create, look, provider, subnet } = world();
    // LocalStack takes addresses at random: among so many the two are hardly ever given the same.
    const subnetId = await subnet(20);
    const [owner, other] = [await create(subnetId, { secondaryAddressCount: 1 }), await create(subnetId)];
    const taken = { networkInterfaceId: other.id, addresses: owner.secondaryAddresses };
    await expect(provider.assignPrivateIpAddresses(taken, CAUSE)).rejects.toMatchObject({ name: 'CloudError' });
    expect((await look(owner.id)).secondaryAddresses).toEqual(owner.secondaryAddresses);
    expect((await look(other.id)).secondaryAddresses).toEqual([]);
  });

  it("the instance type's addresses for each interface are its limit; a prefix takes the room of one", async () => {
    const { attached, instance, look, provider, subnet } = world();
    const subnetId = await subnet(22);
    const node = await instance('m5.large', subnetId);
    const made = await attached(subnetId, node.id, 1, { secondaryAddressCount: 8 });
    const networkInterfaceId = made.id;
    await provider.assignPrivateIpAddresses({ networkInterfaceId, prefixCount: 1 }, CAUSE);
    for (const request of [{ addressCount: 1 }, { prefixCount: 1 }]) {
      const over = provider.assignPrivateIpAddresses({ networkInterfaceId, ...request }, CAUSE);
      await expect(over).rejects.toMatchObject({ code: 'address-limit', ec2Code: 'PrivateIpAddressLimitExceeded' });
    }
    expect(await look(made.id)).toMatchObject({ secondaryAddresses: made.secondaryAddresses });
  });

  it("the instance type's interfaces are its limit", async () => {
    const { attached, create, instance, provider, subnet } = world();
    const subnetId = await subnet(24);
    const node = await instance('m5.large', subnetId);
    for (const deviceIndex of [1, 2]) await attached(subnetId, node.id, deviceIndex);
    const { id: networkInterfaceId } = await create(subnetId);
    const over = { networkInterfaceId, instanceId: node.id, deviceIndex: 3, networkCardIndex: 0 };
    await expect(provider.attachNetworkInterface(over, CAUSE)).rejects.toMatchObject({ code: 'interface-limit' });
  });

  it('a full subnet is exhausted for interfaces and addresses; a refused assign gives nothing', async () => {
    const { create, look, provider, subnet } = world();
    const subnetId = await subnet(28);
    const made = await create(subnetId, { secondaryAddressCount: 8 });
    const tooMany = provider.assignPrivateIpAddresses({ networkInterfaceId: made.id, addressCount: 3 }, CAUSE);
    await expect(tooMany).rejects.toMatchObject({ code: 'subnet-exhausted', retry: 'later' });
    expect((await look(made.id)).secondaryAddresses).toHaveLength(8);
    await provider.assignPrivateIpAddresses({ networkInterfaceId: made.id, addressCount: 2 }, CAUSE);
    await expect(create(subnetId)).rejects.toMatchObject({ code: 'subnet-exhausted' });
    expect((await provider.describeSubnets({ ids: [subnetId] }, CAUSE))[0]?.availableAddresses).toBe(0);
  });

  it('free addresses without a free aligned /28 are no prefix', async () => {
    const { create, provider, subnet } = world();
    const subnetId = await subnet(27);
    // The lower half holds EC2's own four, the upper half its last: with one address of ours in each, none is whole.
    const made = await create(subnetId);
    // LocalStack takes addresses at random, and so the primary one may be any.
    const upper = made.primaryAddress.replace(/\d+$/, made.primaryAddress.endsWith('.20') ? '21' : '20');
    await provider.assignPrivateIpAddresses({ networkInterfaceId: made.id, addresses: [upper] }, CAUSE);
    const { availableAddresses } = given((await provider.describeSubnets({ ids: [subnetId] }, CAUSE))[0]);
    expect(availableAddresses).toBeGreaterThan(16);
    const none = provider.assignPrivateIpAddresses({ networkInterfaceId: made.id, prefixCount: 1 }, CAUSE);
    await expect(none).rejects.toMatchObject({
      code: 'no-free-prefix',
      ec2Code: 'InsufficientCidrBlocks',
      retry: 'later',
    });
    await expect(create(subnetId, { ipv4PrefixCount: 1 })).rejects.toMatchObject({ code: 'no-free-prefix' });
  });
}
