import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { difference } from './difference.ts';
import type { ObservedRouter, RouterState } from './router.ts';
import { deviceOf, EMPTY_ROUTER } from './router.ts';
import type { FabricEndpoint, FabricState } from './state.ts';
import { linkLocalAddress } from './wanted-ipv6.ts';
import { wantedRouter } from './wanted.ts';

const INSTANCES = ['i-a', 'i-b'];
const AROUND = {
  prefix: 'wf-',
  nodes: new Map(INSTANCES.map((id) => [id, `wf-${id}`])),
  internet: { namespace: 'wf-inet', address: '203.0.113.10', ipv6Address: '2001:db8::a' },
};

const endpoint = (host: number): fc.Arbitrary<FabricEndpoint> =>
  fc
    .record({
      instanceId: fc.constantFrom(...INSTANCES, 'i-elsewhere'),
      deviceIndex: fc.nat(2),
      addresses: fc.subarray([`10.0.0.${host + 100}`, `10.0.0.${host + 150}`]),
      prefixes: fc.subarray([`10.0.1.${host * 16}/28`]),
      isPrimary: fc.boolean(),
      subnetIpv6Cidr: fc.constantFrom(undefined, '2600:1f13:0:1::/64'),
      ipv6Addresses: fc.subarray([`2600:1f13:0:1::${host}`]),
      ipv6Prefixes: fc.subarray([`2600:1f13:0:1:${host}::/80`]),
    })
    .map((drawn) => ({
      ...drawn,
      id: `eni-0000000000000000${host}`,
      mac: `02:00:00:00:00:0${host}`,
      primaryAddress: `10.0.0.${host + 10}`,
      subnetCidr: '10.0.0.0/24',
    }));

const state: fc.Arbitrary<FabricState> = fc
  .tuple(
    fc.subarray([1, 2, 3, 4]),
    fc.tuple(...[1, 2, 3, 4].map(endpoint)),
    fc.subarray(['10.0.0.0/24', '10.0.1.0/24']),
    fc.subarray(['2600:1f13::/56']),
  )
  .map(([chosen, endpoints, cidrs, vpcIpv6Cidrs]) => ({
    vpcCidrs: ['10.0.0.0/16'],
    vpcIpv6Cidrs,
    subnets: cidrs.map((cidr) => ({ id: cidr, cidr })),
    endpoints: endpoints.filter((_, index) => chosen.includes(index + 1)),
  }));

const sorted = (router: Omit<RouterState, 'links'>) => ({
  addresses: router.addresses.toSorted(),
  neighbours: router.neighbours.toSorted(),
  routes: router.routes.toSorted(),
  rules: router.rules.toSorted(),
  ipv6Rules: router.ipv6Rules.toSorted(),
});

/** What iproute2 does with the lines, as far as routes and neighbours go with their link. */
function enact(before: ObservedRouter, wanted: RouterState): ObservedRouter {
  const change = difference(before, wanted);
  const objects: Record<string, Set<string>> = {
    addr: new Set(before.addresses),
    neigh: new Set(before.neighbours),
    route: new Set(before.routes),
    rule: new Set(before.rules),
    'ipv6-rule': new Set(before.ipv6Rules),
  };
  const ipv6Rules = (lines: readonly string[]): readonly string[] => lines.map((line) => `ipv6-${line}`);
  const links = new Map(before.links.map((link) => [link.name, link]));
  const doomed: string[] = [];
  for (const line of [
    ...ipv6Rules(change.removeIpv6Rules),
    ...change.remove,
    ...change.add,
    ...ipv6Rules(change.addIpv6Rules),
  ]) {
    // A link's own address comes and goes with it.
    if (line.endsWith(' nodad')) continue;
    const [object = '', verb = '', ...rest] = line.split(' ');
    const text = rest.join(' ').replace(/ (proto(col)? 201|nud permanent|dev lo label \S+)$/, '');
    const set = objects[object];
    if (set !== undefined && verb === 'del') expect(set.delete(text)).toBe(true);
    else if (set !== undefined) {
      const device = deviceOf(text);
      if (device !== undefined) expect([...links.keys()]).toContain(device);
      set.add(text);
    } else if (line.startsWith('link set dev') && line.includes(' group ')) doomed.push(rest[1] ?? '');
    else if (line.startsWith('link del group')) {
      for (const name of doomed) links.delete(name);
      for (const each of Object.values(objects)) {
        for (const item of each) if (doomed.includes(deviceOf(item) ?? '')) each.delete(item);
      }
    } else if (verb === 'add') links.set(rest[1] ?? '', { name: rest[1] ?? '', alias: undefined });
    else if (rest[2] === 'alias') links.set(rest[1] ?? '', { name: rest[1] ?? '', alias: rest[3] });
  }
  const now = (object: string): readonly string[] => [...(objects[object] ?? [])];
  return {
    links: [...links.values()],
    addresses: now('addr'),
    neighbours: now('neigh'),
    routes: now('route'),
    rules: now('rule'),
    ipv6Rules: now('ipv6-rule'),
  };
}

const NOTHING: ObservedRouter = EMPTY_ROUTER;

describe('difference', () => {
  it('leads from any state to any other, and is empty once there', () => {
    fc.assert(
      fc.property(state, state, (from, to) => {
        const wanted = wantedRouter(to, AROUND);
        const reached = enact(enact(NOTHING, wantedRouter(from, AROUND)), wanted);
        expect(sorted(reached)).toEqual(sorted(wanted));
        expect(new Map(reached.links.map((link) => [link.name, link.alias]))).toEqual(
          new Map(wanted.links.map((link) => [link.name, link.alias])),
        );
        expect(difference(reached, wanted)).toEqual({
          removeIpv6Rules: [],
          remove: [],
          peers: new Map(),
          add: [],
          addIpv6Rules: [],
        });
      }),
    );
  });

  it('makes a half-made link anew', () => {
    const wanted = wantedRouter({ vpcCidrs: [], subnets: [], endpoints: [] }, AROUND);
    const half = { ...NOTHING, links: [{ name: 'wf-inet', alias: undefined }] };
    expect(difference(half, wanted).remove.join('\n')).toMatch(/link del group 4712[^]*link add name wf-inet/);
  });

  it('routes only primary addresses of primary interfaces to the internet', () => {
    fc.assert(
      fc.property(state, (drawn) => {
        const allowed = drawn.endpoints.filter((each) => each.isPrimary && AROUND.nodes.has(each.instanceId));
        const rules = wantedRouter(drawn, AROUND).rules.filter((rule) => rule.includes('lookup'));
        expect(rules.toSorted()).toEqual(
          allowed.map((each) => `from ${each.primaryAddress} lookup 2030 pref 33000`).toSorted(),
        );
      }),
    );
  });

  it('routes from an interface exactly the IPv6 addresses that it holds, once the VPC has IPv6', () => {
    fc.assert(
      fc.property(state, (drawn) => {
        const allowed = drawn.endpoints.filter(
          (each) => AROUND.nodes.has(each.instanceId) && each.subnetIpv6Cidr !== undefined,
        );
        const rules = wantedRouter(drawn, AROUND).ipv6Rules.filter((rule) => rule.includes('pref 31001'));
        expect(rules.toSorted()).toEqual(
          (drawn.vpcIpv6Cidrs ?? []).flatMap(() =>
            allowed
              .flatMap((each) =>
                [...(each.ipv6Addresses ?? []), ...(each.ipv6Prefixes ?? [])].map(
                  (block) => `from ${block} iif v${each.id.slice(-14)} lookup 2030 pref 31001`,
                ),
              )
              .toSorted(),
          ),
        );
      }),
    );
  });

  it.each([
    ['02:aa:00:00:01:0b', 'fe80::aa:ff:fe00:10b'],
    ['02:00:00:00:00:01', 'fe80::ff:fe00:1'],
    ['0E:01:02:00:00:00', 'fe80::c01:2ff:fe00:0'],
  ])('finds the link-local address of %s', (mac, address) => {
    expect(linkLocalAddress(mac)).toBe(address);
  });

  it('refuses two interfaces whose links would have the same name', () => {
    const one = {
      instanceId: 'i-a',
      mac: '02:00:00:00:00:01',
      addresses: [],
      prefixes: [],
      subnetCidr: '10.0.0.0/24',
      isPrimary: false,
    };
    const endpoints = ['eni-0a100000000000001', 'eni-0a200000000000001'].map((id, index) => ({
      ...one,
      id,
      deviceIndex: index,
      primaryAddress: `10.0.0.${10 + index}`,
    }));
    expect(() => wantedRouter({ vpcCidrs: [], subnets: [], endpoints }, AROUND)).toThrow(RangeError);
    expect(() => wantedRouter({ vpcCidrs: [], subnets: [{ id: 's', cidr: 'x' }], endpoints: [] }, AROUND)).toThrow(
      RangeError,
    );
  });
});
