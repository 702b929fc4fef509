/** Who sees whom by a Service or a NodePort. */
import { expect, it } from '@jest/globals';
import { INTERNET_ADDRESS, INTERNET_IPV6_ADDRESS } from '#cloud/emulator/fabric/state.ts';
import { PROBE_PORT } from '#test/support/probe.ts';
import { backend, inNode, type PlacedPod, type ProxyBed, seenBy } from './bed.ts';

const FAMILIES = ['ipv4', 'ipv6'] as const;
const INTERNET = { ipv4: INTERNET_ADDRESS, ipv6: INTERNET_IPV6_ADDRESS };

const pods = ({ a, b }: ProxyBed): readonly PlacedPod[] => [a.first, a.second, b.first, b.second];

async function serviceOfEach(bed: ProxyBed, family: 'ipv4' | 'ipv6'): Promise<readonly string[]> {
  const served = await Promise.all(pods(bed).map((pod) => bed.serve({ backends: [backend(pod, family)] })));
  return served.map(({ clusterIp }) => clusterIp);
}

/** Tests for a bed of both families. */
export function traffic(get: () => ProxyBed): void {
  // kube-proxy masquerades, for which the kernel chooses one of the node's addresses.
  const ofNode = (bed: ProxyBed, family: 'ipv4' | 'ipv6') =>
    family === 'ipv4' ? expect.stringMatching(bed.a.ipv4) : expect.stringMatching(/^2001:db8:/);

  it.each(FAMILIES)('a ClusterIP’s backend sees the pod’s own address, on every node and ENI (%s)', async (family) => {
    const bed = get();
    const ips = await serviceOfEach(bed, family);
    const asked = [bed.a.first, bed.a.second].flatMap((client) =>
      pods(bed).map((pod, at) => ({ client, pod, ip: ips[at] ?? '' })),
    );
    const others = asked.filter(({ client, pod }) => client !== pod);
    const seen = await Promise.all(others.map(({ client, ip }) => seenBy(client.probe, ip, PROBE_PORT)));
    expect(seen).toEqual(others.map(({ client }) => client[family]));
    // A pod that reaches itself sees its node, because its answer to itself would not pass the node.
    for (const { client, ip } of asked.filter(({ client, pod }) => client === pod)) {
      const itself = await seenBy(client.probe, ip, PROBE_PORT);
      expect(itself).toEqual(ofNode(bed, family));
      expect(itself).not.toBe(client[family]);
    }
  });

  it.each(FAMILIES)('the node reaches a ClusterIP with its own address (%s)', async (family) => {
    const bed = get();
    const ips = await serviceOfEach(bed, family);
    const seen = await Promise.all(ips.map((ip) => seenBy(bed.a.host, ip, PROBE_PORT)));
    expect(seen).toEqual(ips.map(() => bed.a[family]));
  });

  it.each(FAMILIES)('a NodePort reaches pods of the second ENI, who answer by the first (%s)', async (family) => {
    const bed = get();
    const { a, b, outside } = bed;
    const [local, cluster] = [bed.nodePort(), bed.nodePort()];
    const backends = [backend(a.second, family)];
    await bed.serve({ backends, nodePort: local, externalTrafficPolicy: 'Local' });
    await bed.serve({ backends, nodePort: cluster, externalTrafficPolicy: 'Cluster' });
    expect(await seenBy(outside, a[family], local)).toBe(INTERNET[family]);
    expect(await seenBy(outside, a[family], cluster)).toEqual(ofNode(bed, family));
    // From inside the VPC, too; and by the other node, where the policy allows it.
    expect(await seenBy(b.second.probe, a[family], local)).toBe(b.second[family]);
    expect(await seenBy(outside, b[family], cluster)).toBe(b[family]);
    expect(await seenBy(outside, b[family], local, 500)).toContain('no answer');
    // A pod by the port of its own node, with the backend there and elsewhere.
    expect(await seenBy(a.first.probe, a[family], local)).not.toContain('no answer');
    expect(await seenBy(b.second.probe, b[family], cluster)).not.toContain('no answer');
  });

  it('what leaves the VPC has the node’s address, by a Service too, and IPv6 has the pod’s', async () => {
    const bed = get();
    const { a } = bed;
    const { clusterIp: ipv4 } = await bed.serve({ backends: [{ address: INTERNET_ADDRESS }] });
    const { clusterIp: ipv6 } = await bed.serve({ backends: [{ address: INTERNET_IPV6_ADDRESS }] });
    for (const pod of [a.first, a.second]) {
      expect(await seenBy(pod.probe, ipv4, PROBE_PORT)).toBe(a.ipv4);
      expect(await seenBy(pod.probe, INTERNET_ADDRESS, PROBE_PORT)).toBe(a.ipv4);
      expect(await seenBy(pod.probe, ipv6, PROBE_PORT)).toBe(pod.ipv6);
    }
    expect(await seenBy(a.host, ipv4, PROBE_PORT)).toBe(a.ipv4);
    const entries = await inNode(a.node, 'conntrack', '-L', '-s', a.second.ipv4, '-d', ipv4);
    expect(entries.match(/ mark=\d+/g)).toEqual([' mark=128', ' mark=128']);
  });

  it('a Service without endpoints refuses at once', async () => {
    const bed = get();
    const { clusterIp: to } = await bed.serve({ backends: [] });
    for (const { probe } of [bed.a.first, bed.a.second])
      expect(await probe.ask({ op: 'tcp', to, port: PROBE_PORT, timeoutMs: 5000 })).toMatchObject({
        error: expect.stringContaining('ECONNREFUSED'),
      });
  });
}
