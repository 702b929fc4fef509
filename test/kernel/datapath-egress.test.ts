/** Egress of the other family: pods of one family reach out in the other by the node's address, and nobody reaches in. */
import { expect, it } from '@jest/globals';
import type { HostConfig } from '#ipamd/datapath/datapath.ts';
import { isEgressAddress } from '#ipamd/datapath/egress.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { OUTSIDE_ADDRESS, OUTSIDE_IPV6, PRIMARY_ADDRESS, PRIMARY_IPV6 } from './support/datapath-node.ts';

const PORT = 7000;

interface Case {
  readonly name: string;
  readonly settings: Partial<HostConfig>;
  /** Two pods' own addresses, one on each ENI. */
  readonly own: readonly [string, string];
  readonly flag: '-4' | '-6';
  readonly outside: string;
  readonly node: string;
  /** In the VPC, which does not know the helper addresses either. */
  readonly router: string;
}

const CASES: readonly Case[] = [
  {
    name: 'IPv4 for pods of IPv6',
    settings: { family: 'ipv6', primaryIpv6Address: PRIMARY_IPV6, ipv4Egress: true },
    own: ['2001:db8:0:1:1::21', '2001:db8:0:2:1::22'],
    flag: '-4',
    outside: OUTSIDE_ADDRESS,
    node: PRIMARY_ADDRESS,
    router: '10.0.0.1',
  },
  {
    name: 'IPv6 for pods of IPv4',
    settings: { family: 'ipv4', primaryIpv6Address: PRIMARY_IPV6, ipv6Egress: true },
    own: ['10.0.0.21', '10.0.1.22'],
    flag: '-6',
    outside: OUTSIDE_IPV6,
    node: PRIMARY_IPV6,
    router: '2001:db8:0:9::1',
  },
];

describeWith(['root', 'ip', 'nft'], 'datapath: egress of the other family', () => {
  const fixture = new DatapathFixture();
  const helperOf = (pod: string, flag: string): string => {
    const shown = fixture.node.ip(pod, `${flag} -o addr show dev eth0`);
    return /inet6? (\S+)\/(?:32|128) scope global/.exec(shown)?.[1] ?? '';
  };

  it.each(CASES)('$name: the outside and the VPC see the node, whoever else translates', async (one) => {
    for (const externalSnat of [false, true]) {
      await fixture.setUp({ ...one.settings, externalSnat, nodePortSupport: !externalSnat });
      const [a, b] = externalSnat ? (['c', 'd'] as const) : (['a', 'b'] as const);
      await fixture.addPod(a, one.own[0]);
      await fixture.addPod(b, one.own[1], 1);
      const { node } = fixture;
      for (const pod of [a, b]) expect(isEgressAddress(helperOf(pod, one.flag))).toBe(true);
      expect(helperOf(a, one.flag)).not.toBe(helperOf(b, one.flag));
      if (!externalSnat) for (const where of ['outside', 'fabric', 'node']) await node.echo(where, PORT);
      for (const pod of [a, b]) {
        expect(await node.probe(pod, one.outside, PORT)).toBe(one.node);
        expect(await node.probe(pod, one.router, PORT)).toBe(one.node);
        expect(await node.probe(pod, one.node, PORT)).toBe(helperOf(pod, one.flag));
      }
    }
  });

  it.each(CASES)('$name: neither neighbours nor the VPC reach a pod by its helper address', async (one) => {
    await fixture.setUp(one.settings);
    await fixture.addPod('a', one.own[0]);
    await fixture.addPod('b', one.own[1], 1);
    const { node } = fixture;
    const helper = helperOf('b', one.flag);
    const seen = await node.echo('b', PORT);
    node.ip(
      'fabric',
      `${one.flag} route add ${helper} via ${one.flag === '-4' ? PRIMARY_ADDRESS : 'fe80::57:ff:fe00:1'} dev f0`,
    );
    expect(await node.probeInVain('a', helper, PORT)).toBe('timeout');
    expect(await node.probeInVain('fabric', helper, PORT)).toBe('timeout');
    expect(seen).toEqual([]);
    // The host itself does.
    expect(await node.probe('node', helper, PORT)).toBe(one.node);
  });

  it.each(CASES)('$name: the pool does not see the helper address, CHECK does', async (one) => {
    await fixture.setUp(one.settings);
    const before = fixture.hostState();
    const pod = await fixture.addPod('a', one.own[0]);
    const helper = helperOf('a', one.flag);
    expect((await fixture.datapath.listPods()).map(({ addresses }) => addresses)).toEqual([[one.own[0]]]);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    // A restarted daemon knows as much.
    await fixture.open();
    await fixture.setUp(one.settings);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    fixture.node.ip('a', `addr del ${helper}/${one.flag === '-4' ? 32 : 128} dev eth0`);
    expect(await fixture.datapath.checkPod(pod)).toEqual(
      expect.arrayContaining([expect.objectContaining({ object: 'pod address', found: 'missing' })]),
    );
    await fixture.deletePod(pod);
    expect(fixture.hostState()).toEqual(before);
  });

  it('gives each of fifty pods made at once its own, and no dual-stack pod any', async () => {
    await fixture.setUp({ family: 'dual', primaryIpv6Address: PRIMARY_IPV6, ipv4Egress: true, ipv6Egress: true });
    const pods = Array.from({ length: 50 }, (_, index) =>
      fixture.attachment(`p${index}`, `2001:db8:0:1:1::${index + 1}`),
    );
    pods.forEach((_, index) => fixture.node.addNamespace(`p${index}`));
    await Promise.all(pods.map((pod) => fixture.datapath.addPod(pod)));
    expect(new Set(pods.map((_, index) => helperOf(`p${index}`, '-4'))).size).toBe(50);
    await fixture.addPod('both', ['10.0.0.99', '2001:db8:0:1:1::99']);
    expect(fixture.node.ip('both', '-o addr show dev eth0 scope global').trim().split('\n')).toHaveLength(2);
  });
});
