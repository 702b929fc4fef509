import { expect, it } from '@jest/globals';
import { CAUSE, given } from './subject.ts';
import type { World } from './subject.ts';

/** AssignIpv6Addresses and UnassignIpv6Addresses. */
export function ipv6Tests(world: () => World): void {
  it('the subnet tells its IPv6 block', async () => {
    const { provider, subnet } = world();
    const found = await provider.describeSubnets({ ids: [await subnet(24, { ipv6: true })] }, CAUSE);
    expect(found[0]?.ipv6Cidrs).toEqual([expect.stringMatching(/::\/64$/)]);
  });

  it('addresses and /80 prefixes come and go; an assign answers only what is new', async () => {
    const { create, look, provider, subnet } = world();
    const made = await create(await subnet(24, { ipv6: true }), { ipv6PrefixCount: 1 });
    expect(made.ipv6Prefixes).toEqual([expect.stringMatching(/\/80$/)]);
    const networkInterfaceId = made.id;
    const prefix = await provider.assignIpv6Addresses({ networkInterfaceId, prefixCount: 1 }, CAUSE);
    expect(prefix).toEqual({ addresses: [], prefixes: [expect.stringMatching(/\/80$/)] });
    expect(prefix.prefixes).not.toEqual(made.ipv6Prefixes);
    const first = await provider.assignIpv6Addresses({ networkInterfaceId, addressCount: 2 }, CAUSE);
    const second = await provider.assignIpv6Addresses({ networkInterfaceId, addressCount: 1 }, CAUSE);
    expect(first.addresses).toHaveLength(2);
    expect(first.addresses).not.toContain(second.addresses[0]);
    expect(new Set((await look(made.id)).ipv6Addresses)).toEqual(new Set([...first.addresses, ...second.addresses]));

    await provider.unassignIpv6Addresses(
      { networkInterfaceId, addresses: first.addresses, prefixes: prefix.prefixes },
      CAUSE,
    );
    expect(await look(made.id)).toMatchObject({ ipv6Addresses: second.addresses, ipv6Prefixes: made.ipv6Prefixes });
    const gone = provider.unassignIpv6Addresses({ networkInterfaceId, addresses: [given(first.addresses[0])] }, CAUSE);
    await expect(gone).rejects.toMatchObject({ code: 'not-found' });
  });

  it('an interface is made with a /80 beside IPv4 addresses or a /28, but not with both of those', async () => {
    const { create, subnet } = world();
    const subnetId = await subnet(24, { ipv6: true });
    const single = await create(subnetId, { secondaryAddressCount: 3, ipv4PrefixCount: 0, ipv6PrefixCount: 1 });
    expect([single.secondaryAddresses, single.ipv4Prefixes, single.ipv6Prefixes].map((each) => each.length)).toEqual([
      3, 0, 1,
    ]);
    const blocks = await create(subnetId, { ipv4PrefixCount: 2, ipv6PrefixCount: 1 });
    expect([blocks.secondaryAddresses, blocks.ipv4Prefixes, blocks.ipv6Prefixes].map((each) => each.length)).toEqual([
      0, 2, 1,
    ]);
    const none = await create(subnetId, { secondaryAddressCount: 0, ipv6PrefixCount: 0 });
    expect(none.ipv6Prefixes).toEqual([]);
    const both = create(subnetId, { secondaryAddressCount: 1, ipv4PrefixCount: 1, ipv6PrefixCount: 1 });
    await expect(both).rejects.toMatchObject({ name: 'CloudError', code: 'invalid' });
    const without = create(await subnet(24), { secondaryAddressCount: 1, ipv6PrefixCount: 1 });
    await expect(without).rejects.toMatchObject({ name: 'CloudError', retry: 'never' });
  });

  it('a subnet without IPv6 has none to give', async () => {
    const { create, provider, subnet } = world();
    const made = await create(await subnet(24));
    const none = provider.assignIpv6Addresses({ networkInterfaceId: made.id, addressCount: 1 }, CAUSE);
    await expect(none).rejects.toMatchObject({ name: 'CloudError', retry: 'never' });
  });
}
