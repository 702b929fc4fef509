/** The settings that shape NAT, beside kube-proxy: ipamd of one node is started anew with each. */
import { afterAll, describe, expect, it } from '@jest/globals';
import { INTERNET_ADDRESS } from '#cloud/emulator/fabric/state.ts';
import { PROBE_PORT } from '#test/support/probe.ts';
import { until } from '#test/support/until.ts';
import { backend, inNode, type ProxyBed, seenBy } from './bed.ts';

const CIDR_DEADLINE_MS = 15_000;

/** Tests for a bed whose daemons run with the defaults, as they do afterwards. */
export function settings(get: () => ProxyBed): void {
  const startWith = async (env: Readonly<Record<string, string>>): Promise<void> => {
    const { node } = get().a;
    await node.stopDaemon('SIGTERM');
    await node.startDaemon(env);
  };

  /** What the connection tracking has of the pod of the second ENI, after one datagram to that address. */
  const entryOf = async (to: string): Promise<string> => {
    const { a } = get();
    await a.second.probe.ask({ op: 'udp', to, port: PROBE_PORT, timeoutMs: 300 });
    return inNode(a.node, 'conntrack', '-L', '-p', 'udp', '-s', a.second.ipv4, '-d', to);
  };

  /** The same for a Service whose endpoint is out there. */
  const entryByService = async (): Promise<string> => {
    const { clusterIp } = await get().serve({ backends: [{ address: INTERNET_ADDRESS }] });
    return entryOf(clusterIp);
  };

  describe('with settings', () => {
    afterAll(() => startWith({}));

    it.each([
      ['none', /snat ip to \S+$/m],
      ['hashrandom', /snat ip to \S+ random$/m],
      ['prng', /snat ip to \S+ fully-random$/m],
    ])('AWS_VPC_K8S_CNI_RANDOMIZESNAT=%s', async (value, rule) => {
      await startWith({ AWS_VPC_K8S_CNI_RANDOMIZESNAT: value });
      const { a } = get();
      expect(await inNode(a.node, 'nft', 'list', 'chain', 'inet', 'wellspring', 'source-nat')).toMatch(rule);
      expect(await seenBy(a.second.probe, INTERNET_ADDRESS, PROBE_PORT)).toBe(a.ipv4);
      const entry = await entryByService();
      expect(entry).toContain(`src=${INTERNET_ADDRESS} dst=${a.ipv4}`);
      const [, sent, answered] = /sport=(\d+) .*dport=(\d+)/.exec(entry) ?? [];
      if (value === 'none') expect(answered).toBe(sent);
    });

    it.each([
      ['AWS_VPC_K8S_CNI_EXTERNALSNAT', 'true'],
      ['AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS', '203.0.113.0/24'],
    ])('%s=%s: no address is hidden, by a Service neither, and NodePorts are answered', async (name, value) => {
      await startWith({ [name]: value });
      const { a, outside, serve, nodePort } = get();
      const entry = await entryByService();
      expect(entry).toContain(`src=${INTERNET_ADDRESS} dst=${a.second.ipv4}`);
      expect(entry).toMatch(/ mark=0 /);
      const port = nodePort();
      await serve({ backends: [backend(a.second)], nodePort: port, externalTrafficPolicy: 'Local' });
      expect(await seenBy(outside, a.ipv4, port)).toBe(INTERNET_ADDRESS);
    });

    it('AWS_VPC_CNI_NODE_PORT_SUPPORT=false: answers of the second ENI’s pods leave by it, and the VPC drops them', async () => {
      await startWith({ AWS_VPC_CNI_NODE_PORT_SUPPORT: 'false', AWS_VPC_K8S_CNI_EXTERNALSNAT: 'true' });
      const { a, outside, serve, nodePort } = get();
      const [local, near, cluster] = [nodePort(), nodePort(), nodePort()];
      const [first, second] = [[backend(a.first)], [backend(a.second)]];
      await serve({ backends: second, nodePort: local, externalTrafficPolicy: 'Local' });
      await serve({ backends: first, nodePort: near, externalTrafficPolicy: 'Local' });
      await serve({ backends: second, nodePort: cluster, externalTrafficPolicy: 'Cluster' });
      expect(await seenBy(outside, a.ipv4, local, 500)).toBe('no answer');
      expect(await seenBy(outside, a.ipv4, near)).toBe(INTERNET_ADDRESS);
      // The answer has the client's address again before it is routed, whoever the pod saw.
      expect(await seenBy(outside, a.ipv4, cluster, 500)).toBe('no answer');
    });

    it('a CIDR that the VPC gets is not translated any more, and open connections lose nothing meanwhile', async () => {
      await startWith({ WELLSPRING_METADATA_INTERVAL: '1' });
      const { a, cluster, serve } = get();
      const { clusterIp: to } = await serve({ backends: [{ address: INTERNET_ADDRESS }] });
      const cidr = '10.77.0.0/16';
      const { clusterIp: inCidr } = await serve({ backends: [{ address: '10.77.0.9' }] });
      const entry = () => entryOf(inCidr);
      expect(await entry()).toContain(`src=10.77.0.9 dst=${a.ipv4}`);
      const isKnown = async () =>
        (await inNode(a.node, 'nft', 'list', 'set', 'inet', 'wellspring', 'no-snat')).includes(cidr);
      const { probe } = a.second;
      expect(await probe.ask({ op: 'stream-start', to, port: PROBE_PORT, everyMs: 10 })).toEqual({});
      cluster.cloud.region.execute('AssociateVpcCidrBlock', {
        VpcId: cluster.vpcId,
        CidrBlock: cidr,
      });
      await until('the kernel knows', CIDR_DEADLINE_MS, isKnown);
      expect(await entry()).toContain(`src=10.77.0.9 dst=${a.second.ipv4}`);
      const { sent = 0, answered } = await probe.ask({ op: 'stream-stop' });
      expect(sent).toBeGreaterThan(10);
      expect(answered).toBe(sent);
    });
  });
}
