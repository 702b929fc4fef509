import { expect, it } from '@jest/globals';
import { CAUSE } from './subject.ts';
import type { World } from './subject.ts';

/** The Describes: selection, completeness, what they say of a thing. */
export function describeTests(world: () => World): void {
  it('more than a page of interfaces comes whole, and each once', async () => {
    const { groupId, place, provider, subnet } = world();
    const subnetId = await subnet(20);
    const made: (string | undefined)[] = [];
    const input = { SubnetId: subnetId, Groups: [groupId] };
    while (made.length < 1001) {
      const few = Array.from({ length: 13 }, () => place.execute('CreateNetworkInterface', input));
      made.push(...(await Promise.all(few)).map(({ NetworkInterface: one }) => one?.NetworkInterfaceId));
    }
    const found = await provider.describeNetworkInterfaces({ filters: { 'subnet-id': [subnetId] } }, CAUSE);
    expect(found).toHaveLength(made.length);
    expect(new Set(found.map((eni) => eni.id))).toEqual(new Set(made));
    const ids = made.filter((id) => id !== undefined);
    expect(await provider.describeNetworkInterfaces({ ids }, CAUSE)).toHaveLength(1001);
    const byFilter = await provider.describeNetworkInterfaces(
      { filters: { 'network-interface-id': ids.slice(0, 401) } },
      CAUSE,
    );
    expect(byFilter).toHaveLength(401);
  });

  it('filters are ANDed, their values ORed, with wildcards', async () => {
    const { attached, create, instance, provider, subnet, vpcId } = world();
    const subnetId = await subnet(24);
    const node = await instance('m5.large', subnetId);
    const description = 'aws-K8S-filtered';
    const used = await attached(subnetId, node.id, 1, { tags: { role: 'pods' }, description });
    const spare = await create(subnetId, { tags: { role: 'spare', extra: 'x' }, description });
    const find = async (filters: Readonly<Record<string, readonly string[]>>) =>
      new Set((await provider.describeNetworkInterfaces({ filters }, CAUSE)).map((eni) => eni.id));
    expect(await find({ 'attachment.instance-id': [node.id] })).toEqual(new Set([node.primaryInterfaceId, used.id]));
    expect(await find({ 'tag:role': ['pods', 'spare'], 'subnet-id': [subnetId] })).toEqual(
      new Set([used.id, spare.id]),
    );
    expect(await find({ 'tag:role': ['pods', 'spare'], status: ['available'] })).toEqual(new Set([spare.id]));
    expect(await find({ 'tag-key': ['extra'], 'vpc-id': [vpcId] })).toEqual(new Set([spare.id]));
    expect(await find({ description: ['aws-K8S-filt*'] })).toEqual(new Set([used.id, spare.id]));
    expect(await find({ 'tag:role': ['nobody'] })).toEqual(new Set());
    expect(await find({ 'tag:role': [] })).toEqual(new Set());
  });

  it('no ids at all is everything, an empty list is nothing', async () => {
    const { provider, subnet } = world();
    const subnetId = await subnet(24);
    expect((await provider.describeSubnets({}, CAUSE)).map((found) => found.id)).toContain(subnetId);
    expect(await provider.describeSubnets({ ids: [] }, CAUSE)).toEqual([]);
    expect(await provider.describeNetworkInterfaces({ ids: [] }, CAUSE)).toEqual([]);
    expect(await provider.describeInstanceTypes({ instanceTypes: [] }, CAUSE)).toEqual([]);
  });

  it('a subnet says where it is and what is free: all but five', async () => {
    const { place, provider, subnet, vpcId } = world();
    const subnetId = await subnet(24);
    const [found] = await provider.describeSubnets({ filters: { 'vpc-id': [vpcId], 'subnet-id': [subnetId] } }, CAUSE);
    expect(found).toMatchObject({
      id: subnetId,
      vpcId,
      availabilityZone: place.zone,
      availableAddresses: 251,
      tags: {},
    });
    expect(found?.cidr).toMatch(/^10\.0\.\d+\.0\/24$/);
  });

  it('instance types come with their limits, cards and hypervisor', async () => {
    const { provider } = world();
    const found = await provider.describeInstanceTypes(
      { instanceTypes: ['m5.large', 'm4.4xlarge', 'p4d.24xlarge'] },
      CAUSE,
    );
    const byName = new Map(found.map((type) => [type.instanceType, type]));
    expect(byName.get('m5.large')).toMatchObject({
      hypervisor: 'nitro',
      ipv4PerInterface: 10,
      networkCards: [{ networkCardIndex: 0, maximumInterfaces: 3 }],
    });
    expect(byName.get('m4.4xlarge')).toMatchObject({ hypervisor: 'xen', bareMetal: false });
    expect(byName.get('p4d.24xlarge')?.networkCards.map((card) => card.networkCardIndex)).toEqual([0, 1, 2, 3]);
  });
}
