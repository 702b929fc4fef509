/** What packets do: who sees which source address, by which ENI they leave, which are dropped. */
import { expect, it } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { OUTSIDE_ADDRESS, PRIMARY_ADDRESS } from './support/datapath-node.ts';

const PORT = 7000;
const ON_PRIMARY = '10.0.0.21';
const ON_SECONDARY = '10.0.1.22';

describeWith(['root', 'ip', 'nft'], 'datapath: packets', () => {
  const fixture = new DatapathFixture();

  async function twoPods(): Promise<void> {
    await fixture.addPod('a', ON_PRIMARY);
    await fixture.addPod('b', ON_SECONDARY, 1);
  }

  /** Stands in for kube-proxy: what matches is translated to the pod of the second ENI, at its hook. */
  function translateToPod(match: string): void {
    const chain = 'add chain ip proxy pre { type nat hook prerouting priority -100; }';
    fixture.node.exec('node', 'nft', `add table ip proxy; ${chain}`);
    fixture.node.exec('node', 'nft', `add rule ip proxy pre ${match} dnat to ${ON_SECONDARY}:${PORT}`);
  }

  /** Packets that went into the fabric from one of the node's ENIs. */
  const arrivedBy = (link: string): number =>
    Number(/RX:.*\n\s+\d+\s+(\d+)/.exec(fixture.node.ip('fabric', `-s link show ${link}`))?.[1]);

  it('pods, node and VPC see each other by their own addresses', async () => {
    await fixture.setUp();
    await twoPods();
    await fixture.node.echo('a', PORT);
    await fixture.node.echo('b', PORT);
    await fixture.node.echo('fabric', PORT);
    expect(await fixture.node.probe('a', ON_SECONDARY, PORT)).toBe(ON_PRIMARY);
    expect(await fixture.node.probe('b', ON_PRIMARY, PORT)).toBe(ON_SECONDARY);
    expect(await fixture.node.probe('node', ON_SECONDARY, PORT)).toBe(PRIMARY_ADDRESS);
    expect(await fixture.node.probe('a', '10.0.0.1', PORT)).toBe(ON_PRIMARY);
    expect(await fixture.node.probe('b', '10.0.1.1', PORT)).toBe(ON_SECONDARY);
    expect(await fixture.node.probe('fabric', ON_SECONDARY, PORT)).toBe('10.0.1.1');
  });

  it('a pod of the second ENI leaves by the second ENI, and the fabric would drop it from the first', async () => {
    await fixture.setUp();
    await twoPods();
    await fixture.node.echo('fabric', PORT);
    const before = arrivedBy('f1');
    // The first ENI's router address: by the main table this would leave through eth0.
    expect(await fixture.node.probe('b', '10.0.0.1', PORT)).toBe(ON_SECONDARY);
    expect(arrivedBy('f1')).toBeGreaterThan(before);
    fixture.node.exec('node', 'nft', 'flush', 'chain', 'inet', 'wellspring', 'interface');
    expect(await fixture.node.probeInVain('b', '10.0.0.1', PORT)).toBe('timeout');
  });

  it.each(['prng', 'hashrandom', 'none'] as const)(
    "the outside sees the node's address (%s)",
    async (randomizeSnat) => {
      await fixture.setUp({ randomizeSnat });
      await twoPods();
      await fixture.node.echo('outside', PORT);
      expect(await fixture.node.probe('a', OUTSIDE_ADDRESS, PORT)).toBe(PRIMARY_ADDRESS);
      expect(await fixture.node.probe('b', OUTSIDE_ADDRESS, PORT)).toBe(PRIMARY_ADDRESS);
    },
  );

  it('with external SNAT, and for excluded destinations, the outside sees the pod', async () => {
    await fixture.setUp({ externalSnat: true, nodePortSupport: false });
    await twoPods();
    const seen = await fixture.node.echo('outside', PORT);
    await fixture.node.probe('b', OUTSIDE_ADDRESS, PORT, 'external');
    await fixture.setUp({ noSnatCidrs: ['10.0.0.0/16', '198.51.100.0/24'] });
    await fixture.node.probe('b', OUTSIDE_ADDRESS, PORT, 'excluded');
    await until('both seen', 3000, () => seen.length === 2);
    expect(seen).toEqual([`${ON_SECONDARY} external`, `${ON_SECONDARY} excluded`]);
  });

  it('a service address that leads to a pod is judged after its translation: no SNAT', async () => {
    await fixture.setUp();
    await twoPods();
    await fixture.node.echo('b', PORT);
    translateToPod('ip daddr 172.20.0.1 udp dport 53');
    expect(await fixture.node.probe('a', '172.20.0.1', 53)).toBe(ON_PRIMARY);
  });

  it('the reply to NodePort traffic leaves by the ENI that the request came in by', async () => {
    await fixture.setUp();
    await twoPods();
    await fixture.node.echo('b', PORT);
    translateToPod('fib daddr type local udp dport 30080');
    expect(await fixture.node.probe('outside', PRIMARY_ADDRESS, 30080)).toBe(OUTSIDE_ADDRESS);
    await fixture.setUp({ nodePortSupport: false, externalSnat: true });
    expect(await fixture.node.probeInVain('outside', PRIMARY_ADDRESS, 30080)).toBe('timeout');
  });

  it.each([
    ['strict rp_filter and nft', ''],
    ['nft alone, where the host has made rp_filter loose', 'echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter'],
    ['rp_filter alone, where somebody flushed the nft table', 'nft flush chain inet wellspring anti-spoof'],
  ])('a pod cannot send with another address: %s', async (_, weaken) => {
    await fixture.setUp();
    await twoPods();
    const seen = await fixture.node.echo('b', PORT);
    fixture.node.exec('node', 'sh', '-c', weaken);
    for (const forged of ['10.0.0.99', PRIMARY_ADDRESS, ON_SECONDARY, '198.51.100.7']) {
      fixture.node.ip('a', `addr add ${forged}/32 dev lo`);
      if (forged !== ON_SECONDARY) await fixture.node.probeInVain('a', ON_SECONDARY, PORT, 'forged', forged);
    }
    expect(await fixture.node.probeInVain('a', PRIMARY_ADDRESS, PORT, 'forged', ON_SECONDARY)).toBe('timeout');
    fixture.node.ip('a', `addr del ${ON_SECONDARY}/32 dev lo`);
    expect(await fixture.node.probe('a', ON_SECONDARY, PORT, 'honest')).toBe(ON_PRIMARY);
    expect(seen).toEqual([`${ON_PRIMARY} honest`]);
  });

  it('a change of the CIDRs breaks no connection that is under way, and holds for new ones', async () => {
    const excluded = { noSnatCidrs: ['10.0.0.0/16', '198.51.100.0/24'] };
    await fixture.setUp();
    await twoPods();
    fixture.node.ip('outside', `route add 10.0.0.0/8 via 198.51.100.1`);
    await fixture.node.echo('outside', PORT);
    const translated = fixture.node.converse('b', OUTSIDE_ADDRESS, PORT);
    expect(await translated()).toBe(PRIMARY_ADDRESS);
    await fixture.setUp(excluded);
    const direct = fixture.node.converse('b', OUTSIDE_ADDRESS, PORT);
    expect(await direct()).toBe(ON_SECONDARY);
    expect(await translated()).toBe(PRIMARY_ADDRESS);
    await fixture.setUp();
    expect(await direct()).toBe(ON_SECONDARY);
    expect(await translated()).toBe(PRIMARY_ADDRESS);
  });

  it('pods of every ENI keep their way while a restarted daemon still learns of the ENIs', async () => {
    await fixture.setUp();
    await twoPods();
    await fixture.node.echo('outside', PORT);
    expect(await fixture.node.probe('b', OUTSIDE_ADDRESS, PORT)).toBe(PRIMARY_ADDRESS);
    // A restarted daemon knows the primary ENI first: pods of the second must keep their way meanwhile.
    await fixture.open();
    await fixture.datapath.setUpHost({
      primaryMac: '02:57:00:00:00:01',
      primaryAddress: PRIMARY_ADDRESS,
      noSnatCidrs: ['10.0.0.0/16', '100.64.0.0/10'],
      externalSnat: false,
      randomizeSnat: 'prng',
      nodePortSupport: true,
      eniMtu: 1500,
    });
    await fixture.node.echo('fabric', PORT);
    expect(await fixture.node.probe('b', '10.0.0.1', PORT)).toBe(ON_SECONDARY);
    expect(await fixture.node.probe('b', OUTSIDE_ADDRESS, PORT)).toBe(PRIMARY_ADDRESS);
    expect((await fixture.datapath.listPods()).length).toBe(2);
  });
});
