import { readdirSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import fc from 'fast-check';
import type { FabricState } from '#cloud/emulator/fabric/fabric.ts';
import { Fabric } from '#cloud/emulator/fabric/fabric.ts';
import { readSysctls, ROUTER_SYSCTLS } from '#cloud/emulator/fabric/sysctl.ts';
import {
  comparableText,
  dualStack,
  endpoint,
  fabricBed,
  ip,
  kernelText,
  pings,
  reaches,
  uniquePrefix,
  until,
  vpc,
} from './fabric-bed.ts';

const range = (start: number, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `10.0.0.${start + index}`);

const RICH = vpc(
  endpoint('i-a', 0, 0, 10, { addresses: range(100, 5), prefixes: ['10.0.0.32/28'] }),
  endpoint('i-a', 1, 1, 11, { prefixes: ['10.0.1.64/28'] }),
  endpoint('i-b', 0, 1, 20),
);

const namespaces = (prefix: string): readonly string[] =>
  readdirSync('/run/netns').filter((name) => name.startsWith(prefix));

describeWith(['root', 'ip'], 'the state of the fabric', () => {
  it('stays exactly as it is when the same state is applied again', async () => {
    await using bed = await fabricBed();
    await bed.fabric.addNode('i-a', 'a');
    await bed.fabric.addNode('i-b', 'b');
    await bed.fabric.apply(RICH);
    const nodes = ['i-a', 'i-b'].map((id) => bed.fabric.nodeNamespace(id));
    // Duplicate address detection of IPv6 link-local addresses ends after a while, and shows.
    await until('IPv6 is settled', () => nodes.every((node) => !kernelText(node).includes('tentative')));
    const before = [bed.router, ...nodes].map(kernelText);
    await bed.fabric.apply(RICH);
    await bed.fabric.apply({ ...RICH, endpoints: RICH.endpoints.toReversed(), subnets: RICH.subnets.toReversed() });
    expect([bed.router, ...nodes].map(kernelText)).toEqual(before);
    expect(before[0]).toContain('10.0.1.64/28 via 10.0.1.11 dev');
    expect(before[0]).toContain('blackhole 10.0.0.0/16');
  });

  it('depends on the last state only, whatever came before', async () => {
    const held = fc.subarray(['10.0.0.50', '10.0.0.51', '10.0.1.52']);
    const some = fc
      .record({
        a: held,
        b: held,
        prefixes: fc.subarray(['10.0.1.64/28']),
        attached: fc.subarray([0, 1, 2, 3]),
        ipv6Prefixes: fc.subarray(['2600:1f13:0:101:2::/80']),
        swap: fc.boolean(),
        ipv6: fc.boolean(),
      })
      .map(({ a, b, prefixes, ipv6Prefixes, attached, swap, ipv6 }): FabricState => {
        const all = [
          endpoint('i-a', 0, 0, 10, { addresses: a }),
          endpoint('i-a', 1, 1, 11, { prefixes, ipv6Prefixes }),
          endpoint('i-b', 0, 1, 20, {
            ipv6Addresses: ['2600:1f13:0:101::20'],
            addresses: b.filter((address) => !a.includes(address)),
          }),
          endpoint(swap ? 'i-a' : 'i-b', 2, 0, 21),
        ];
        const chosen = attached.map((index) => all[index]).filter((each) => each !== undefined);
        const state = { ...vpc(...chosen), subnets: vpc().subnets.slice(0, swap ? 1 : 2) };
        return ipv6 ? dualStack(state) : state;
      });
    await fc.assert(
      fc.asyncProperty(fc.array(some, { minLength: 2, maxLength: 4 }), async (states) => {
        const last = states.at(-1) ?? vpc();
        const prefix = uniquePrefix();
        const text = async (history: readonly FabricState[]): Promise<readonly string[]> => {
          await using bed = await fabricBed({ prefix });
          await bed.fabric.addNode('i-a', 'a');
          for (const state of history) await bed.fabric.apply(state);
          await bed.fabric.addNode('i-b', 'b');
          for (const state of history) await bed.fabric.apply(state);
          // The kernel notices a carrier some time after the other end came up.
          const isUp = (line: string): boolean => !/,(eth0|internet),/.test(line) || line.includes(' state UP ');
          await until('carriers are noticed', () => comparableText(bed.router).every(isUp));
          return comparableText(bed.router);
        };
        expect(await text(states)).toEqual(await text([last]));
      }),
      { numRuns: 4 },
    );
  });

  it('takes the link, its routes and its neighbours away with a detached interface', async () => {
    await using bed = await fabricBed();
    await bed.fabric.addNode('i-a', 'a');
    await bed.fabric.apply(vpc(endpoint('i-a', 0, 0, 10)));
    const before = comparableText(bed.router);
    await bed.fabric.apply(vpc(endpoint('i-a', 0, 0, 10), endpoint('i-a', 1, 1, 11, { addresses: ['10.0.1.50'] })));
    expect(ip(['-o', 'link'], bed.fabric.nodeNamespace('i-a'))).toContain('02:aa:00:00:01:0b');
    expect(kernelText(bed.router)).toContain('10.0.1.50 via 10.0.1.11');
    await bed.fabric.apply(vpc(endpoint('i-a', 0, 0, 10)));
    expect(comparableText(bed.router)).toEqual(before);
    expect(ip(['-o', 'link'], bed.fabric.nodeNamespace('i-a'))).not.toContain('eth1');
  });

  it('gives an address that moves to another interface to that one', async () => {
    await using bed = await fabricBed();
    await bed.fabric.addNode('i-a', 'a');
    await bed.fabric.addNode('i-b', 'b');
    const [a, b] = [endpoint('i-a', 0, 0, 10), endpoint('i-b', 0, 1, 20)];
    const moved = { addresses: ['10.0.0.50'] };
    await bed.fabric.apply(vpc({ ...a, ...moved }, b));
    ip(['addr', 'add', '10.0.0.50/32', 'dev', 'lo'], bed.fabric.nodeNamespace('i-b'));
    expect(await pings(bed.router, '10.0.0.50')).toBe(false);
    await bed.fabric.apply(vpc(a, { ...b, ...moved }));
    expect(await reaches(bed.fabric.nodeNamespace('i-a'), '10.0.0.50')).toBe(true);
  });

  it('plugs in what was applied before its node was there, and mends what someone else took away', async () => {
    await using bed = await fabricBed();
    await bed.fabric.apply(RICH);
    await bed.fabric.addNode('i-b', 'b');
    await bed.fabric.addNode('i-a', 'a');
    expect(await reaches(bed.fabric.nodeNamespace('i-a'), '10.0.1.20')).toBe(true);
    const before = comparableText(bed.router);
    ip(['link', 'del', 'eth0'], bed.fabric.nodeNamespace('i-b'));
    ip(['route', 'flush', 'proto', '201'], bed.router);
    ip(['rule', 'del', 'pref', '33001'], bed.router);
    await bed.fabric.apply(RICH);
    expect(comparableText(bed.router)).toEqual(before);
    expect(await reaches(bed.fabric.nodeNamespace('i-a'), '10.0.1.20')).toBe(true);
    await bed.fabric.removeNode('i-b');
    expect(namespaces(`${bed.prefix}b`)).toEqual([]);
    expect(kernelText(bed.router)).not.toContain('10.0.1.20');
    expect(() => bed.fabric.nodeNamespace('i-b')).toThrow(RangeError);
  });

  it('shows the link of a secondary interface only after the delay, and never if it is detached before', async () => {
    const errors: Error[] = [];
    await using bed = await fabricBed({ attachLinkDelayMs: 300, onError: (error) => errors.push(error) });
    await bed.fabric.addNode('i-a', 'a');
    const node = bed.fabric.nodeNamespace('i-a');
    const [primary, second, third] = [endpoint('i-a', 0, 0, 10), endpoint('i-a', 1, 1, 11), endpoint('i-a', 2, 1, 12)];
    const start = performance.now();
    await bed.fabric.apply(vpc(primary, second, third));
    expect(ip(['-o', 'link'], node)).toContain('eth0');
    expect(ip(['-o', 'link'], node)).not.toMatch(/eth[12]/);
    await bed.fabric.apply(vpc(primary, second));
    await until('eth1 is there', () => ip(['-o', 'link'], node).includes('eth1'));
    expect(performance.now() - start).toBeGreaterThanOrEqual(300);
    expect(ip(['-o', 'link'], node)).not.toContain('eth2');
    expect(errors).toEqual([]);
  });

  it('leaves nothing behind, not even changed sysctls', async () => {
    const router = `router-${uniquePrefix()}`;
    const prefix = uniquePrefix();
    ip(['netns', 'add', router]);
    try {
      const keys = Object.keys(ROUTER_SYSCTLS);
      ip(['link', 'set', 'lo', 'up'], router);
      const before = { text: kernelText(router), sysctls: await readSysctls(router, keys) };
      const fabric = await Fabric.create({ prefix, routerNetns: router });
      await fabric.addNode('i-a', 'a');
      await fabric.addNode('i-b', 'b');
      await fabric.apply(RICH);
      expect(await readSysctls(router, keys)).toEqual(ROUTER_SYSCTLS);
      await fabric[Symbol.asyncDispose]();
      await fabric[Symbol.asyncDispose]();
      expect({ text: kernelText(router), sysctls: await readSysctls(router, keys) }).toEqual(before);
      expect(namespaces(prefix)).toEqual([]);
      await expect(fabric.apply(RICH)).rejects.toThrow('disposed');
    } finally {
      ip(['netns', 'del', router]);
    }
  });

  it('leaves nothing behind when it cannot be made', async () => {
    const prefix = uniquePrefix();
    await expect(Fabric.create({ prefix, routerNetns: `${prefix}nowhere` })).rejects.toThrow(`${prefix}nowhere`);
    await using bed = await fabricBed({ internet: false });
    ip(['link', 'add', `${prefix}inet`, 'type', 'veth', 'peer', 'name', 'other'], bed.router);
    const before = comparableText(bed.router);
    await expect(Fabric.create({ prefix, routerNetns: bed.router })).rejects.toThrow('link add');
    expect(namespaces(prefix)).toEqual([]);
    expect(comparableText(bed.router).filter((line) => line.includes(prefix))).toEqual(
      before.filter((line) => line.includes(prefix)),
    );
  });

  it('removes its namespaces even if the router has gone, and says that it has', async () => {
    const prefix = uniquePrefix();
    const router = `router-${prefix}`;
    ip(['netns', 'add', router]);
    const fabric = await Fabric.create({ prefix, routerNetns: router });
    await fabric.addNode('i-a', 'a');
    ip(['netns', 'del', router]);
    await expect(fabric[Symbol.asyncDispose]()).rejects.toThrow(router);
    expect(namespaces(prefix)).toEqual([]);
  });

  it('removes what a killed run with its prefix left', async () => {
    const prefix = uniquePrefix();
    const router = `router-${prefix}`;
    ip(['netns', 'add', router]);
    try {
      // A fabric that is never disposed of is, to the kernel, one whose process was killed.
      const killed = await Fabric.create({ prefix, routerNetns: router });
      await killed.addNode('i-a', 'a');
      await killed.apply(RICH);
      await using next = await Fabric.create({ prefix, routerNetns: router });
      expect(namespaces(prefix)).toEqual([`${prefix}inet`]);
      expect(kernelText(router)).not.toContain('10.0.');
      await next.addNode('i-a', 'a');
      await next.apply(RICH);
      expect(await reaches(next.nodeNamespace('i-a'), '203.0.113.10')).toBe(true);
    } finally {
      ip(['netns', 'del', router]);
    }
  });

  it('refuses what could be read as another command, and names that do not fit', async () => {
    await using bed = await fabricBed();
    await bed.fabric.addNode('i-a', 'a');
    const odd = { ...endpoint('i-a', 0, 0, 10), mac: '02:00:00:00:00:01\nlink del lo' };
    await expect(bed.fabric.apply(vpc(odd))).rejects.toThrow('refusing the line');
    await expect(bed.fabric.addNode('i-b', '../b')).rejects.toThrow(RangeError);
    await expect(bed.fabric.addNode('i-a', 'again')).rejects.toThrow(RangeError);
    await expect(Fabric.create({ prefix: 'much-too-long-a-prefix' })).rejects.toThrow(RangeError);
    await bed.fabric.apply(vpc(endpoint('i-a', 0, 0, 10)));
    expect(kernelText(bed.router)).toContain('10.0.0.10');
  });

  it('applies 2 nodes of 3 interfaces of 10 addresses at once', async () => {
    await using bed = await fabricBed();
    await bed.fabric.addNode('i-a', 'a');
    await bed.fabric.addNode('i-b', 'b');
    const interfaces = [0, 1].flatMap((node) =>
      [0, 1, 2].map((index) =>
        endpoint(node === 0 ? 'i-a' : 'i-b', index, node, 10 + index, { addresses: tenth(node, index) }),
      ),
    );
    await bed.fabric.apply(vpc(...interfaces));
    expect(ip(['route', 'show', 'proto', '201'], bed.router).trim().split('\n')).toHaveLength(1 + 2 * 3 * 10);
  });
});

/** Nine addresses beside the primary one. */
function tenth(subnet: number, index: number): readonly string[] {
  return Array.from({ length: 9 }, (_, host) => `10.0.${subnet}.${100 + 10 * index + host}`);
}
