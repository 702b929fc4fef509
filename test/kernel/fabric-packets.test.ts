import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import { EC2_ENDPOINT_ADDRESS, INTERNET_ADDRESS, METADATA_ADDRESS } from '#cloud/emulator/fabric/fabric.ts';
import type { FabricBed } from './fabric-bed.ts';
import {
  endpoint,
  fabricBed,
  ip,
  listenIn,
  pings,
  reaches,
  proxyDelays,
  runIn,
  sendTcp,
  sendUdp,
  vpc,
} from './fabric-bed.ts';

const POD = '10.0.1.50';
const POD_OF_PREFIX = '10.0.1.70';

describeWith(['root', 'ip'], 'packets in the fabric', () => {
  let bed: FabricBed;
  let a = '';
  let b = '';
  let c = '';
  let internet = '';

  beforeAll(async () => {
    bed = await fabricBed();
    await bed.fabric.addNode('i-a', 'a');
    await bed.fabric.addNode('i-b', 'b');
    await bed.fabric.addNode('i-c', 'c');
    await bed.fabric.apply(
      vpc(
        endpoint('i-a', 0, 0, 10, { addresses: ['10.0.0.60'] }),
        endpoint('i-a', 1, 1, 11, { addresses: [POD], prefixes: ['10.0.1.64/28'] }),
        endpoint('i-b', 0, 1, 20),
        endpoint('i-c', 0, 0, 30),
      ),
    );
    [a, b, c] = ['i-a', 'i-b', 'i-c'].map((id) => bed.fabric.nodeNamespace(id)) as [string, string, string];
    internet = bed.fabric.internet?.namespace ?? '';
    configureSecondaryInterface(a);
  });
  afterAll(async () => await bed[Symbol.asyncDispose]());

  /** What a CNI does with an ENI that has arrived: address, a table of its own, a rule per pod, pods' addresses local. */
  function configureSecondaryInterface(node: string): void {
    expect(ip(['-o', 'link', 'show', 'eth1'], node)).toContain('state DOWN');
    expect(ip(['-o', 'addr', 'show', 'dev', 'eth1'], node)).toBe('');
    ip(['link', 'set', 'eth1', 'up'], node);
    ip(['addr', 'add', '10.0.1.11/24', 'dev', 'eth1', 'noprefixroute'], node);
    ip(['route', 'add', 'default', 'via', '10.0.1.1', 'dev', 'eth1', 'onlink', 'table', '2'], node);
    for (const address of ['10.0.1.11', POD, POD_OF_PREFIX]) {
      if (address !== '10.0.1.11') ip(['addr', 'add', `${address}/32`, 'dev', 'lo'], node);
      ip(['rule', 'add', 'from', address, 'lookup', '2', 'pref', '1536'], node);
    }
  }

  it('lets nodes reach each other within a subnet and across', async () => {
    expect(await reaches(a, '10.0.1.20')).toBe(true);
    expect(await reaches(a, '10.0.0.30')).toBe(true);
    expect(await reaches(c, '10.0.1.20')).toBe(true);
    expect(await reaches(b, '10.0.0.10')).toBe(true);
  });

  it('answers for a neighbour in the subnet at once', async () => {
    ip(['neigh', 'flush', 'dev', 'eth0'], c);
    await runIn(c, 'ping', '-c1', '-W10', '10.0.0.10');
    expect(proxyDelays(bed.router).filter((each) => !each.endsWith(' 0'))).toEqual([]);
  });

  it('delivers secondary and prefix addresses, and the receiver sees them as they are', async () => {
    await using receiver = await listenIn(b);
    for (const source of [POD, POD_OF_PREFIX, '10.0.1.11']) {
      expect(await sendTcp(a, source, '10.0.1.20', 100_000)).toBe(`${source} 100000`);
      await sendUdp(a, source, '10.0.1.20', 'hello');
      await receiver.heard(`udp ${source} hello`);
    }
    await using pod = await listenIn(a);
    expect(await sendTcp(b, '10.0.1.20', POD, 10)).toBe('10.0.1.20 10');
    expect(await sendTcp(c, '10.0.0.30', POD_OF_PREFIX, 10)).toBe('10.0.0.30 10');
    expect(pod.lines).toEqual(['ready']);
  });

  it.each([
    ['an address nobody holds', '10.0.9.9'],
    ['an address outside the VPC', '8.8.8.8'],
    ["another node's address", '10.0.0.30'],
    ["an address of the node's other interface", POD],
    ["the internet's address", INTERNET_ADDRESS],
    ["the router's address", '10.0.0.1'],
  ])('drops a packet that claims %s', async (_, source) => {
    await using receiver = await listenIn(b);
    const mine = source === POD;
    if (mine) ip(['rule', 'del', 'from', POD, 'lookup', '2'], a);
    else ip(['addr', 'add', `${source}/32`, 'dev', 'lo'], a);
    try {
      expect(ip(['route', 'get', '10.0.1.20', 'from', source], a)).toContain('dev eth0');
      await sendUdp(a, source, '10.0.1.20', 'forged');
    } finally {
      if (mine) ip(['rule', 'add', 'from', POD, 'lookup', '2', 'pref', '1536'], a);
      else ip(['addr', 'del', `${source}/32`, 'dev', 'lo'], a);
    }
    // Same path, later: once it is there, the forged one would have been.
    await sendUdp(a, '10.0.0.10', '10.0.1.20', 'genuine');
    await receiver.heard('genuine');
    expect(receiver.lines).toEqual(['ready', 'udp 10.0.0.10 genuine']);
  });

  it("shows the internet a node's primary address and nothing else", async () => {
    await using host = await listenIn(internet);
    await sendUdp(a, POD, INTERNET_ADDRESS, 'pod');
    await sendUdp(a, '10.0.1.11', INTERNET_ADDRESS, 'secondary-interface');
    await sendUdp(b, '10.0.1.20', INTERNET_ADDRESS, 'node');
    expect(await sendTcp(a, '10.0.0.10', INTERNET_ADDRESS, 300_000)).toBe('10.0.0.10 300000');
    await host.heard('node');
    expect(host.lines).toEqual(['ready', 'udp 10.0.1.20 node']);
  });

  it('lets the internet reach primary addresses only', async () => {
    expect(await reaches(internet, '10.0.0.10')).toBe(true);
    expect(await pings(internet, POD)).toBe(false);
    expect(await pings(internet, '10.0.1.11')).toBe(false);
  });

  it('keeps what nobody in the VPC holds inside the VPC', async () => {
    ip(['addr', 'add', '10.0.0.99/32', 'dev', 'lo'], internet);
    expect(await pings(a, '10.0.0.99')).toBe(false);
    expect(await pings(b, '10.0.0.99')).toBe(false);
    expect(await pings(b, '10.0.77.1')).toBe(false);
  });

  it('answers on the metadata and endpoint addresses, and sees which node asks', async () => {
    await using router = await listenIn(bed.router);
    for (const address of [METADATA_ADDRESS, EC2_ENDPOINT_ADDRESS]) {
      expect(await sendTcp(a, '10.0.0.10', address, 1)).toBe('10.0.0.10 1');
      expect(await sendTcp(b, '10.0.1.20', address, 1)).toBe('10.0.1.20 1');
    }
    await sendUdp(c, '10.0.0.30', METADATA_ADDRESS, 'c');
    await router.heard('udp 10.0.0.30 c');
  });
});
