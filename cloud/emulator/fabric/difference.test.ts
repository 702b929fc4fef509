import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { difference } from './difference.ts';
import type { ObservedRouter, RouterState } from './router.ts';
import { deviceOf } from './router.ts';
import type { FabricEndpoint, FabricState } from './state.ts';
import { wantedRouter } from './wanted.ts';

const INSTANCES = ['i-a', 'i-b'];
const AROUND = {
  prefix: 'wf-',
  nodes: new Map(INSTANCES.map((id) => [id, `wf-${id}`])),
  internet: { namespace: 'wf-inet', address: '203.0.113.10' },
};

const endpoint = (host: number): fc.Arbitrary<FabricEndpoint> =>
  fc
    .record({
      instanceId: fc.constantFrom(...INSTANCES, 'i-elsewhere'),
      deviceIndex: fc.nat(2),
      addresses: fc.subarray([`10.0.0.${host + 100}`, `10.0.0.${host + 150}`]),
      prefixes: fc.subarray([`10.0.1.${host * 16}/28`]),
      isPrimary: fc.boolean(),
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
  )
  .map(([chosen, endpoints, cidrs]) => ({
    vpcCidrs: ['10.0.0.0/16'],
    subnets: cidrs.map((cidr) => ({ id: cidr, cidr })),
    endpoints: endpoints.filter((_, index) => chosen.includes(index + 1)),
  }));

const sorted = (router: Omit<RouterState, 'links'>) => ({
  addresses: router.addresses.toSorted(),
  neighbours: router.neighbours.toSorted(),
  routes: router.routes.toSorted(),
  rules: router.rules.toSorted(),
});

/** What iproute2 does with the lines, as far as routes and neighbours go with their link. */
function enact(before: ObservedRouter, wanted: RouterState): ObservedRouter {
  const change = difference(before, wanted);
  const objects: Record<string, Set<string>> = {
    addr: new Set(before.addresses),
    neigh: new Set(before.neighbours),
    route: new Set(before.routes),
    rule: new Set(before.rules),
  };
  const links = new Map(before.links.map((link) => [link.name, link]));
  const doomed: string[] = [];
  for (const line of [...change.remove, ...change.add]) {
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
  };
}

const NOTHING: ObservedRouter = { links: [], addresses: [], neighbours: [], routes: [], rules: [] };

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
        expect(difference(reached, wanted)).toEqual({ remove: [], peers: new Map(), add: [] });
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
