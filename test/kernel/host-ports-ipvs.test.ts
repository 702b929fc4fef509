/**
 * Host ports on a node whose kube-proxy is in ipvs mode: the addresses of services are the node's, on the link kube-ipvs0, and must
 * not be published. No IPVS is needed to see that: a service's port that no host port takes is refused by the node itself.
 */
import { afterEach, expect, it } from '@jest/globals';
import type { DriftReport, PodAttachment } from '#ipamd/datapath/datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { Probe, PROBE_PORT } from '#test/support/probe.ts';
import { until } from '#test/support/until.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { OUTSIDE_ADDRESS, PRIMARY_ADDRESS, PRIMARY_IPV6, SECONDARY_ADDRESS } from './support/datapath-node.ts';

const SERVICE = '172.20.0.1';
const SERVICE_IPV6 = 'fd00:20::1';
/** Of the node, on a link that is nobody's business. */
const FURTHER = '192.0.2.9';
const PUBLISHER = ['10.0.0.21', '2001:db8:0:1:a::21'];
const CLIENT = ['10.0.1.22', '2001:db8:0:2:b::22'];
const HOST_PORT = 8081;
const dual = { family: 'dual', primaryIpv6Address: PRIMARY_IPV6 } as const;
const WAIT_MS = 20_000;

describeWith(['root', 'ip', 'nft', 'conntrack'], 'datapath: host ports beside ipvs mode', () => {
  const fixture = new DatapathFixture();
  const probes = new Map<string, Probe>();
  const reports: DriftReport[] = [];
  let open: AsyncDisposable[] = [];
  // Runs before the fixture's own, which removes the namespaces.
  afterEach(async () => {
    for (const one of open) await one[Symbol.asyncDispose]();
    open = [];
    probes.clear();
    reports.length = 0;
  });

  async function people(...names: readonly string[]): Promise<void> {
    const started = await Promise.all(names.map((name) => Probe.start(name, fixture.node.path(name))));
    for (const probe of started) probes.set(probe.name, probe);
    open.push(...started);
  }

  function repair(): void {
    const repairing = fixture.datapath.repairDrift?.((report) => reports.push(report));
    if (repairing !== undefined) open.push(repairing);
  }

  async function publisher(): Promise<PodAttachment> {
    fixture.node.addNamespace('a');
    for (const address of PUBLISHER) fixture.node.assign(address, 'primary');
    const ports = { hostPort: HOST_PORT, containerPort: PROBE_PORT, hostIp: undefined } as const;
    const portMappings = (['tcp', 'udp'] as const).map((protocol) => ({ ...ports, protocol }));
    const pod = { ...fixture.attachment('a', PUBLISHER), portMappings };
    await fixture.datapath.addPod(pod);
    return pod;
  }

  /** As kube-proxy makes it, but for the kind of link, which not every kernel has. */
  function serviceLink(): void {
    fixture.node.ip('node', 'link add kube-ipvs0 type veth peer name kube-ipvs0-peer');
    for (const address of [`${SERVICE}/32`, `${SERVICE_IPV6}/128`])
      fixture.node.ip('node', `addr add ${address} dev kube-ipvs0 nodad`);
  }

  /** Who the pod behind the port saw, by TCP, or why there was no answer. */
  async function ask(from: string, to: string): Promise<string> {
    const command = { op: 'tcp', to, port: HOST_PORT, timeoutMs: 5000 } as const;
    const { seenFrom, error } = (await probes.get(from)?.ask(command)) ?? {};
    return seenFrom ?? (error === undefined ? 'timeout' : (/E[A-Z]+/.exec(error)?.[0] ?? error));
  }

  it('are not those of services, for pods, the node and who comes by the ENI, and all others are as before', async () => {
    serviceLink();
    await fixture.setUp(dual);
    const pod = await publisher();
    await fixture.addPod('b', CLIENT, 1);
    await people('a', 'b', 'node', 'outside');
    fixture.node.ip('outside', `route add ${SERVICE}/32 via 198.51.100.1`);
    fixture.node.ip('fabric', `route add ${SERVICE}/32 via ${PRIMARY_ADDRESS}`);
    for (const from of ['b', 'node', 'outside'])
      expect([from, await ask(from, SERVICE)]).toEqual([from, 'ECONNREFUSED']);
    for (const from of ['b', 'node']) expect([from, await ask(from, SERVICE_IPV6)]).toEqual([from, 'ECONNREFUSED']);

    expect(await ask('outside', PRIMARY_ADDRESS)).toBe(OUTSIDE_ADDRESS);
    expect(await ask('b', PRIMARY_ADDRESS)).toBe(CLIENT[0]);
    expect(await ask('b', SECONDARY_ADDRESS)).toBe(CLIENT[0]);
    expect(await ask('b', PRIMARY_IPV6)).toBe(CLIENT[1]);
    for (const to of ['127.0.0.1', '127.0.0.2', PRIMARY_ADDRESS]) expect(await ask('node', to)).toBe(PRIMARY_ADDRESS);
    expect(await ask('node', PRIMARY_IPV6)).toBe(PRIMARY_IPV6);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
  });

  it('follow the node: a link of services that comes later, an address that it gets, and are no drift', async () => {
    await fixture.setUp(dual);
    await publisher();
    await fixture.addPod('b', CLIENT, 1);
    await people('a', 'b');
    repair();
    serviceLink();
    await until('the service is left alone', WAIT_MS, async () => (await ask('b', SERVICE)) === 'ECONNREFUSED');
    await until('so it is by IPv6', WAIT_MS, async () => (await ask('b', SERVICE_IPV6)) === 'ECONNREFUSED');
    expect(await ask('b', FURTHER)).not.toBe(CLIENT[0]);
    fixture.node.ip('node', `addr add ${FURTHER}/32 dev lo`);
    await until('the new address is published', WAIT_MS, async () => (await ask('b', FURTHER)) === CLIENT[0]);
    fixture.node.ip('node', `addr del ${FURTHER}/32 dev lo`);
    // A service that comes later is no reason to put the table anew.
    const table = () => fixture.node.exec('node', 'nft', '-a', 'list', 'table', 'inet', 'wellspring').split('\n')[0];
    await until('it is not any more', WAIT_MS, () => !fixture.hostState().join().includes(FURTHER));
    const before = table();
    fixture.node.ip('node', 'addr add 172.20.0.2/32 dev kube-ipvs0');
    expect(await ask('b', '172.20.0.2')).toBe('ECONNREFUSED');
    fixture.node.ip('node', 'link del kube-ipvs0');
    await until('all addresses are the node’s', WAIT_MS, () => !fixture.hostState().join().includes('own-addresses'));
    expect(table()).not.toBe(before);
    expect(reports).toEqual([]);
  });

  it('leave flows to services alone, and learn of their link with the next pod at the latest', async () => {
    await fixture.setUp(dual);
    serviceLink();
    const flow = (to: string) => `-I -p udp -s 10.0.1.22 -d ${to} --sport 999 --dport ${HOST_PORT} -t 60`.split(' ');
    for (const to of [SERVICE, PRIMARY_ADDRESS]) fixture.node.exec('node', 'conntrack', ...flow(to));
    await publisher();
    // Even where nobody listens to news.
    expect(fixture.hostState().join()).toContain('ip daddr @own-addresses-ip4');
    const flows = fixture.node.exec('node', 'conntrack', '-L', '-p', 'udp');
    expect(flows).toContain(`dst=${SERVICE} sport=999`);
    expect(flows).not.toContain(`dst=${PRIMARY_ADDRESS} sport=999`);
  });
});
