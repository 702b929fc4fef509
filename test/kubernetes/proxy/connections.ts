/** Connections that last while kube-proxy, ipamd and their rules go and come; who has a port; whose bits are on packets. */
import { expect, it } from '@jest/globals';
import { INTERNET_ADDRESS } from '#cloud/emulator/fabric/state.ts';
import { Probe, PROBE_PORT } from '#test/support/probe.ts';
import { until } from '#test/support/until.ts';
import { backend, inNode, type PlacedPod, programmed, type ProxyBed, rulesOf, seenBy } from './bed.ts';
import type { ProxyMode } from './kube-proxy.ts';

const EVERY_MS = 10;
/** Every bit that is neither ours (0xff) nor kube-proxy's (0x4000). */
const FOREIGN = '0xffffbf00';
/** What kube-proxy translates with, in each mode. */
const TABLES: Readonly<Record<Exclude<ProxyMode, 'ipvs'>, readonly string[]>> = {
  iptables: ['ip nat', 'ip6 nat', 'ip filter', 'ip mangle'],
  nftables: ['ip kube-proxy', 'ip6 kube-proxy'],
};

/** Tests for a bed of both families. */
export function connections(mode: Exclude<ProxyMode, 'ipvs'>, get: () => ProxyBed): void {
  it('no packet of an open connection is lost while kube-proxy and ipamd restart and their tables are removed', async () => {
    const bed = get();
    const { a, b, outside } = bed;
    const nodePort = bed.nodePort();
    await bed.serve({ backends: [backend(a.second)], nodePort, externalTrafficPolicy: 'Local' });
    const { clusterIp: far } = await bed.serve({ backends: [backend(b.second)] });
    const { clusterIp: away } = await bed.serve({ backends: [{ address: INTERNET_ADDRESS }] });
    const { clusterIp: near } = await bed.serve({ backends: [backend(a.second, 'ipv6')] });
    const streams: readonly (readonly [Probe, string, number])[] = [
      [outside, a.ipv4, nodePort],
      [a.second.probe, away, PROBE_PORT],
      [a.first.probe, near, PROBE_PORT],
      [b.first.probe, far, PROBE_PORT],
      [a.host, far, PROBE_PORT],
    ];
    for (const [probe, to, port] of streams)
      expect(await probe.ask({ op: 'stream-start', to, port, everyMs: EVERY_MS })).toEqual({});
    const rules = await rulesOf(a.node);
    const tables = TABLES[mode].filter((table) => rules.includes(`table ${table} {`));
    expect(tables).not.toEqual([]);
    await inNode(a.node, 'nft', tables.map((table) => `delete table ${table}`).join('; '));
    // In nftables mode it notices only when it starts, or after an hour.
    await a.proxy.stop();
    await a.proxy.start();
    for (const ip of [far, away, near]) await programmed(a.node, ip);
    await a.node.stopDaemon('SIGKILL');
    await a.node.startDaemon();
    for (const [probe] of streams) {
      const { sent = 0, answered } = await probe.ask({ op: 'stream-stop' });
      expect(sent).toBeGreaterThan(20);
      expect(answered).toBe(sent);
    }
    expect(await seenBy(outside, a.ipv4, nodePort)).toBe(INTERNET_ADDRESS);
    expect(await seenBy(a.second.probe, away, PROBE_PORT)).toBe(a.ipv4);
  });

  it('a client keeps its backend with session affinity, from pods and from outside', async () => {
    const bed = get();
    const { a, b, outside } = bed;
    const nodePort = bed.nodePort();
    const pods = [a.first, a.second, b.first];
    const backends = pods.map((pod) => backend(pod));
    const served = await bed.serve({
      backends,
      nodePort,
      externalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
    });
    const clients: readonly (readonly [Probe, string, string, number])[] = [
      [b.second.probe, b.second.ipv4, served.clusterIp, PROBE_PORT],
      [outside, INTERNET_ADDRESS, a.ipv4, nodePort],
    ];
    for (const [client, source, to, port] of clients) {
      const before = await receivedFrom(source, pods);
      for (let time = 0; time < 8; time += 1)
        expect(await client.ask({ op: 'udp', to, port, timeoutMs: 10_000 })).toEqual({ seenFrom: source });
      const after = await receivedFrom(source, pods);
      expect(after.map((count, at) => count - (before[at] ?? 0)).toSorted((x, y) => x - y)).toEqual([0, 0, 8]);
    }
  });

  it('a NodePort has its port before a host port on the same number, which is back when the Service goes', async () => {
    const bed = get();
    const { a, outside } = bed;
    const port = bed.nodePort();
    const portMappings = ['tcp', 'udp'].map((protocol) => ({ hostPort: port, containerPort: PROBE_PORT, protocol }));
    const pod = await a.node.createSandbox(`host-port-${port}`);
    const { ok, document } = await a.node.cni('ADD', pod, { runtimeConfig: { portMappings } });
    expect({ ok, document }).toMatchObject({ ok: true });
    await using probe = await Probe.start(pod.name, `/run/netns/${pod.netns}`);
    const answers = async () => {
      const who = { probe };
      const [before] = await receivedFrom(INTERNET_ADDRESS, [who]);
      expect(await seenBy(outside, a.ipv4, port)).toBe(INTERNET_ADDRESS);
      const [after] = await receivedFrom(INTERNET_ADDRESS, [who]);
      return after === before ? 'the Service' : 'the host port';
    };
    expect(await answers()).toBe('the host port');
    const served = await bed.serve({ backends: [backend(a.second)], nodePort: port, externalTrafficPolicy: 'Local' });
    expect(await answers()).toBe('the Service');
    await bed.withdraw(served);
    await until('the Service is gone', 60_000, async () => !(await rulesOf(a.node)).includes(served.clusterIp));
    expect(await answers()).toBe('the host port');
    expect(await a.node.cni('DEL', pod)).toMatchObject({ ok: true });
  });

  it('bits of others stay on packets and connections, through ours and kube-proxy’s', async () => {
    const bed = get();
    const { a, b, outside } = bed;
    const nodePort = bed.nodePort();
    await bed.serve({ backends: [backend(a.second)], nodePort, externalTrafficPolicy: 'Cluster' });
    const itself = await bed.serve({ backends: [backend(a.second)] });
    const away = await bed.serve({ backends: [{ address: INTERNET_ADDRESS }] });
    await inNode(a.node, 'nft', witness());
    try {
      await seenBy(outside, a.ipv4, nodePort);
      await seenBy(a.second.probe, itself.clusterIp, PROBE_PORT);
      await seenBy(a.second.probe, away.clusterIp, PROBE_PORT);
      await seenBy(a.second.probe, b.second.ipv4, PROBE_PORT);
      const counters = await inNode(a.node, 'nft', 'list', 'counters', 'table', 'inet', 'witness');
      const count = (name: string) => Number(new RegExp(`counter ${name} {\\s+packets (\\d+)`).exec(counters)?.[1]);
      expect(count('lost')).toBe(0);
      expect(count('kept')).toBeGreaterThan(20);
      // kube-proxy's "to be masqueraded" and our ENI on one packet.
      expect(count('both')).toBeGreaterThan(0);
      const marks = await inNode(a.node, 'conntrack', '-L', '-p', 'tcp', '--orig-port-dst', String(nodePort));
      expect(marks).toMatch(new RegExp(` mark=${0xffffbf00 + 0x80}\\b`));
    } finally {
      await inNode(a.node, 'nft', 'delete table inet witness');
    }
  });
}

async function receivedFrom(source: string, pods: readonly Pick<PlacedPod, 'probe'>[]): Promise<readonly number[]> {
  const answers = await Promise.all(pods.map(({ probe }) => probe.ask({ op: 'received', from: source })));
  return answers.map(({ count = 0 }) => count);
}

/** Sets every foreign bit on what comes in, and counts who still has them when it goes out. */
function witness(): string {
  const intact = `meta mark & ${FOREIGN} == ${FOREIGN} ct mark & ${FOREIGN} == ${FOREIGN}`;
  return `table inet witness {
    counter kept { }
    counter lost { }
    counter both { }
    chain early { type filter hook prerouting priority -310; meta mark set meta mark | ${FOREIGN}; }
    chain tracked { type filter hook prerouting priority -199; ct mark set ct mark | ${FOREIGN}; }
    chain passing { type filter hook forward priority 310;
      meta mark & 0x4000 == 0x4000 meta mark & 0x7f != 0 counter name both
    }
    chain late { type filter hook postrouting priority 310;
      fib saddr type local ct direction original ct status & snat == 0 return
      ${intact} counter name kept return
      meta iif != 0 counter name lost
    }
  }`;
}
