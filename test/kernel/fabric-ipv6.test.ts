/** The fabric with IPv6: who is reached, whose packets are dropped, and that its state comes and goes as a whole. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import { Fabric, INTERNET_IPV6_ADDRESS } from '#cloud/emulator/fabric/fabric.ts';
import { readSysctls, ROUTER_IPV6_SYSCTLS, ROUTER_SYSCTLS } from '#cloud/emulator/fabric/sysctl.ts';
import type { FabricBed } from './fabric-bed.ts';
import {
  comparableText,
  dualStack,
  endpoint,
  fabricBed,
  ip,
  kernelText,
  listenIn,
  pings,
  reaches,
  sendTcp,
  sendUdp,
  uniquePrefix,
  until,
  vpc,
} from './fabric-bed.ts';

const NODE_A = '2600:1f13:0:100::a';
const NODE_B = '2600:1f13:0:101::b';
const PREFIX_A = '2600:1f13:0:100:1::/80';
const POD_A = '2600:1f13:0:100:1::5';
const ON_SECOND = '2600:1f13:0:101:2::5';

const DUAL = dualStack(
  vpc(
    endpoint('i-a', 0, 0, 10, { ipv6Addresses: [NODE_A], ipv6Prefixes: [PREFIX_A] }),
    endpoint('i-a', 1, 1, 11, { ipv6Prefixes: ['2600:1f13:0:101:2::/80'] }),
    endpoint('i-b', 0, 1, 20, { ipv6Addresses: [NODE_B] }),
  ),
);

describeWith(['root', 'ip', 'ping'], 'IPv6 packets in the fabric', () => {
  let bed: FabricBed;
  let a = '';
  let b = '';
  let internet = '';

  beforeAll(async () => {
    bed = await fabricBed();
    await bed.fabric.addNode('i-a', 'a');
    await bed.fabric.addNode('i-b', 'b');
    await bed.fabric.apply(DUAL);
    [a, b] = ['i-a', 'i-b'].map((id) => bed.fabric.nodeNamespace(id)) as [string, string];
    internet = bed.fabric.internet?.namespace ?? '';
    // What a CNI does: pods' addresses local, the second interface's by a table of its own.
    ip(['link', 'set', 'eth1', 'up'], a);
    for (const address of [POD_A, ON_SECOND]) ip(['addr', 'add', `${address}/128`, 'dev', 'lo'], a);
    ip(['addr', 'add', 'fe80::2/64', 'dev', 'eth1', 'nodad'], a);
    ip(['route', 'add', 'default', 'via', 'fe80:ec2::1', 'dev', 'eth1', 'table', '2'], a);
    ip(['-6', 'rule', 'add', 'from', ON_SECOND, 'lookup', '2', 'pref', '1536'], a);
  });
  afterAll(async () => await bed[Symbol.asyncDispose]());

  it('lets nodes reach each other and the internet, each seen by its own address', async () => {
    await using receiver = await listenIn(b);
    await using host = await listenIn(internet);
    for (const source of [NODE_A, POD_A, ON_SECOND]) {
      expect(await sendTcp(a, source, NODE_B, 100_000)).toBe(`${source} 100000`);
      expect(await sendTcp(a, source, INTERNET_IPV6_ADDRESS, 1000)).toBe(`${source} 1000`);
    }
    expect(await sendTcp(a, '10.0.0.10', '10.0.1.20', 1)).toBe('10.0.0.10 1');
    expect([receiver.lines, host.lines]).toEqual([['ready'], ['ready']]);
  });

  it('delivers what the internet sends to whoever holds the address', async () => {
    await using receiver = await listenIn(a);
    for (const address of [NODE_A, POD_A, ON_SECOND]) {
      expect(await sendTcp(internet, INTERNET_IPV6_ADDRESS, address, 10)).toBe(`${INTERNET_IPV6_ADDRESS} 10`);
    }
    expect(receiver.lines).toEqual(['ready']);
    expect(await pings(internet, '2600:1f13:0:100::99')).toBe(false);
    expect(await pings(a, '2600:1f13:0:1ff::1')).toBe(false);
  });

  it.each([
    ['an address nobody holds', '2600:1f13:0:100::99'],
    ["another node's address", NODE_B],
    ["an address of the node's other interface", ON_SECOND],
    ["the internet's address", INTERNET_IPV6_ADDRESS],
    ['an address outside of the VPC', '2001:db8:7::7'],
  ])('drops a packet that claims %s', async (_, source) => {
    const mine = source === ON_SECOND;
    await using receiver = await listenIn(internet);
    if (mine) ip(['-6', 'rule', 'del', 'from', source, 'lookup', '2'], a);
    else ip(['addr', 'add', `${source}/128`, 'dev', 'lo'], a);
    try {
      await sendUdp(a, source, INTERNET_IPV6_ADDRESS, 'forged');
    } finally {
      if (mine) ip(['-6', 'rule', 'add', 'from', source, 'lookup', '2', 'pref', '1536'], a);
      else ip(['addr', 'del', `${source}/128`, 'dev', 'lo'], a);
    }
    // Same path, later: once it is there, the forged one would have been.
    await sendUdp(a, NODE_A, INTERNET_IPV6_ADDRESS, 'genuine');
    await receiver.heard('genuine');
    expect(receiver.lines).toEqual(['ready', `udp ${NODE_A} genuine`]);
  });
});

describeWith(['root', 'ip', 'ping'], 'the state of a fabric with IPv6', () => {
  it('stays exactly as it is when applied again, and follows prefixes that come and go', async () => {
    await using bed = await fabricBed();
    await bed.fabric.addNode('i-a', 'a');
    await bed.fabric.addNode('i-b', 'b');
    await bed.fabric.apply(DUAL);
    const nodes = ['i-a', 'i-b'].map((id) => bed.fabric.nodeNamespace(id));
    // Duplicate address detection of what the kernel adds by itself ends after a while, and shows.
    await until('IPv6 is settled', () => nodes.every((node) => !kernelText(node).includes('tentative')));
    const before = [bed.router, ...nodes].map(kernelText);
    const comparable = comparableText(bed.router);
    await bed.fabric.apply(DUAL);
    expect([bed.router, ...nodes].map(kernelText)).toEqual(before);
    const [first, ...others] = DUAL.endpoints;
    if (first === undefined) throw new Error('there is one');
    await bed.fabric.apply({ ...DUAL, endpoints: [{ ...first, ipv6Prefixes: [] }, ...others] });
    expect(kernelText(bed.router)).not.toContain(PREFIX_A);
    expect(await reaches(nodes[0] ?? '', NODE_B)).toBe(true);
    await bed.fabric.apply(DUAL);
    expect(comparableText(bed.router)).toEqual(comparable);
    expect(kernelText(bed.router)).toContain(`${PREFIX_A} via fe80::aa:ff:fe00:a dev`);
  });

  it('leaves nothing behind, also of a run that was killed', async () => {
    const [prefix, router] = [uniquePrefix(), `router-${uniquePrefix()}`];
    ip(['netns', 'add', router]);
    let killed: Fabric | undefined;
    try {
      const keys = [...Object.keys(ROUTER_SYSCTLS), ...Object.keys(ROUTER_IPV6_SYSCTLS)];
      ip(['link', 'set', 'lo', 'up'], router);
      const before = { text: kernelText(router), sysctls: await readSysctls(router, keys) };
      killed = await Fabric.create({ prefix, routerNetns: router });
      await killed.addNode('i-a', 'a');
      await killed.apply(DUAL);
      expect(kernelText(router)).toContain(`from ${PREFIX_A} iif`);
      expect(await readSysctls(router, keys)).toEqual({ ...ROUTER_SYSCTLS, ...ROUTER_IPV6_SYSCTLS });
      const next = await Fabric.create({ prefix, routerNetns: router });
      await next[Symbol.asyncDispose]();
      expect(kernelText(router)).toBe(before.text);
      await killed[Symbol.asyncDispose]();
      expect({ text: kernelText(router), sysctls: await readSysctls(router, keys) }).toEqual(before);
    } finally {
      await killed?.[Symbol.asyncDispose]();
      ip(['netns', 'del', router]);
    }
  });
});
