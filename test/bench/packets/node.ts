/**
 * A node in a namespace with so many pods on its second ENI, in one of three layouts: ours, made by the datapath itself;
 * the peer's (two rules a pod), made with `ip rule`; and routes alone (`plain`), with connections tracked as kube-proxy has it on any
 * node (`tracked`). One pod is real and sends, the others are there to
 * be looked past. What leaves the node ends in a namespace that counts and drops it.
 */
import { createKernelDatapath } from '#ipamd/datapath/kernel-datapath.ts';
import { hostIfName } from '#ipamd/datapath/names.ts';
import { runCommand } from '#test/support/command.ts';
import { until } from '#test/support/until.ts';
import { PRIMARY, SECONDARY, setUpNode } from '../two-enis.ts';
import { Flood, type Sent } from './flood.ts';

export type Layout = 'wellspring' | 'peer' | 'plain' | 'tracked';

/**
 * What is sent: with `ipv4` and `ipv6` a packet came back once, as in nearly every connection; nobody answers `unanswered`,
 * which is of IPv4, and which the kernel takes for a new connection for as long as it lasts.
 */
export type Flow = 'ipv4' | 'ipv6' | 'unanswered';

/** Reached by way of the second ENI, and in the VPC: no SNAT on the way. */
const DESTINATION = { ipv4: '10.0.200.200', ipv6: '2001:db8:200::200' } as const;
const GATEWAY = { ipv4: '10.0.1.1', ipv6: 'fe80:ec2::1' } as const;
const PORT = 9;
const FLOW_PORTS: Readonly<Record<Flow, number>> = { ipv4: 4000, unanswered: 4001, ipv6: 4002 };
const REPLY = new URL('reply.program.ts', import.meta.url).pathname;
/** Of the second ENI, from its MAC: the kernel's own is good after two seconds. */
const LINK_LOCAL = 'fe80::57:ff:fe00:2/64';
const HOST_END_MAC = '02:57:00:00:00:03';
const SINK = 'wbp-sink';
const FILL = 'wbp-fill';

/** Where packets end, and where the other ends of idle pods' links are. */
export async function prepareSurroundings(): Promise<void> {
  for (const name of [SINK, FILL]) await runCommand('ip', ['netns', 'add', name]);
  // Else every packet of IPv6 would be answered by an error, and looked up among the routes of all nodes.
  await batch(['route add blackhole 2001:db8:200::/48'], SINK);
}

/** A node whose pod sends; measure with `send`. */
export class PacketNode implements AsyncDisposable {
  readonly layout: Layout;
  readonly pods: number;
  readonly #pod: string;
  readonly #uplink: string;
  readonly #floods = new Map<Flow, Flood>();

  private constructor(layout: Layout, pods: number, pod: string, uplink: string) {
    this.layout = layout;
    this.pods = pods;
    this.#pod = pod;
    this.#uplink = uplink;
  }

  static async create(layout: Layout, pods: number): Promise<PacketNode> {
    const node = `wbp-${layout}-${pods}`;
    const pod = `${node}-pod`;
    const uplink = `${layout.slice(0, 2)}${pods}`;
    await batch([
      `netns add ${node}`,
      `netns add ${pod}`,
      `link add eth0 netns ${node} address ${PRIMARY.mac} type veth peer name ${uplink}p netns ${SINK}`,
      `link add eth1 netns ${node} address ${SECONDARY.mac} type veth peer name ${uplink} netns ${SINK}`,
    ]);
    const gateways = [`${GATEWAY.ipv4}/32`, `${GATEWAY.ipv6}/64`];
    await batch(
      [
        `link set ${uplink} up`,
        `link set ${uplink}p up`,
        ...gateways.map((address) => `address add ${address} dev ${uplink} nodad`),
      ],
      SINK,
    );
    await batch(['link set lo up', `address add ${PRIMARY.address}/24 dev eth0`, 'link set eth0 up'], node);
    if (layout === 'wellspring') await plumbOurs(node, pod, pods);
    else await plumbByHand(node, pod, layout === 'peer' ? pods : 0);
    if (layout === 'peer' || layout === 'tracked') await trackConnections(node);
    return new PacketNode(layout, pods, pod, uplink);
  }

  /** Begins a flow, after which `send` may be called for it. Who is next on the way is looked up now. */
  async begin(flow: Flow): Promise<void> {
    const family = flow === 'ipv6' ? 'ipv6' : 'ipv4';
    this.#floods.set(flow, new Flood(this.#pod, DESTINATION[family], PORT, FLOW_PORTS[flow]));
    await this.#settle(flow);
    if (flow === 'unanswered') return;
    const enter = [`--net=/run/netns/${SINK}`, process.execPath, '--no-warnings', REPLY];
    const pod = podAddress(sender(this.layout === 'peer' || this.layout === 'wellspring' ? this.pods : 1), family);
    const ports = [PORT, FLOW_PORTS[flow]].map(String);
    await runCommand('nsenter', [...enter, this.#uplink, SECONDARY.mac, DESTINATION[family], pod, ...ports]);
    await this.#settle(flow);
  }

  /** The processor time of so many packets of a flow; throws unless (nearly) all of them came through. */
  async send(flow: Flow, packets: number): Promise<Sent> {
    const before = await this.#received();
    const sent = await this.#flood(flow).send(packets);
    const arrived = (await this.#received()) - before;
    if (arrived < sent.packets * 0.99)
      throw new Error(
        `${this.layout} with ${this.pods} pods, ${flow}: ${arrived} of ${sent.packets} packets came through`,
      );
    return sent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const flood of this.#floods.values()) await flood[Symbol.asyncDispose]();
  }

  /** The router is looked up with the first packet, and the looking takes as long as it takes. */
  async #settle(flow: Flow): Promise<void> {
    await until(`${this.layout} with ${this.pods} pods passes ${flow} on`, 30_000, async () => {
      const before = await this.#received();
      await this.#flood(flow).send(64);
      return (await this.#received()) - before >= 64;
    });
  }

  #flood(flow: Flow): Flood {
    const flood = this.#floods.get(flow);
    if (flood === undefined) throw new Error(`${flow} has not begun`);
    return flood;
  }

  async #received(): Promise<number> {
    const text = await runCommand('ip', ['-n', SINK, '-j', '-s', 'link', 'show', this.#uplink]);
    const [link] = JSON.parse(text) as readonly { readonly stats64: { readonly rx: { readonly packets: number } } }[];
    return link?.stats64.rx.packets ?? 0;
  }
}

async function plumbOurs(node: string, pod: string, pods: number): Promise<void> {
  await using datapath = await createKernelDatapath({ hostNetns: `/run/netns/${node}` });
  await setUpNode(datapath);
  for (let index = 0; index < pods; index += 1) {
    const real = index === sender(pods);
    const containerId = `${node}-${index}`;
    const ifName = real ? 'eth0' : `p${pods}x${index}`;
    await datapath.addPod({
      containerId,
      ifName,
      netns: `/run/netns/${real ? pod : FILL}`,
      addresses: [podAddress(index), podAddress(index, 'ipv6')],
      hostIfName: hostIfName('eni', containerId, ifName),
      deviceIndex: 1,
      networkCardIndex: 0,
      mtu: 1500,
    });
  }
}

/**
 * The peer's rules and routes (its driver: 512 to the pod, 1024 for marked flows, 1536 from the pod). Of its iptables
 * rules only what they cannot do without: connections are tracked.
 */
async function plumbByHand(node: string, pod: string, ruled: number): Promise<void> {
  const index = sender(Math.max(1, ruled));
  const address = podAddress(index);
  await batch([`link add host netns ${node} address ${HOST_END_MAC} type veth peer name eth0 netns ${pod}`]);
  await batch(
    [
      'link set lo up',
      'link set eth0 up',
      `address add ${address}/32 dev eth0`,
      'route add 169.254.1.1 dev eth0',
      'route add default via 169.254.1.1 dev eth0',
      `neighbour add 169.254.1.1 lladdr ${HOST_END_MAC} dev eth0`,
      `address add ${podAddress(index, 'ipv6')}/128 dev eth0 nodad`,
      'route add default via fe80::1 dev eth0',
      `neighbour add fe80::1 lladdr ${HOST_END_MAC} dev eth0`,
    ],
    pod,
  );
  const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
  await runCommand('ip', ['netns', 'exec', node, 'sysctl', '-qw', ...forwarding]);
  const table = ruled > 0 ? 2 : 254;
  const rules = Array.from({ length: ruled }, (_, n) => [
    `rule add priority 512 to ${podAddress(n)} lookup main`,
    `rule add priority 1536 from ${podAddress(n)} lookup 2`,
  ]).flat();
  const routes = Array.from({ length: ruled }, (_, n) => (n === index ? [] : [`route add ${podAddress(n)} dev fill`]));
  await batch(
    [
      'link set host up',
      'link set eth1 up',
      `link add fill type veth peer name ${node.slice(-12)} netns ${FILL}`,
      'link set fill up',
      `address add ${SECONDARY.address}/24 dev eth1 noprefixroute`,
      `route add ${address} dev host`,
      ...(ruled > 0 ? ['rule add priority 1024 fwmark 0x80/0x80 lookup main'] : []),
      `route add ${GATEWAY.ipv4} dev eth1 scope link table ${table}`,
      `route add default via ${GATEWAY.ipv4} dev eth1 onlink table ${table}`,
      `route add ${podAddress(index, 'ipv6')} dev host`,
      `address replace ${LINK_LOCAL} dev eth1 nodad`,
      `route add default via ${GATEWAY.ipv6} dev eth1`,
      ...rules,
      ...routes.flat(),
    ],
    node,
  );
}

/** One rule that asks for it is what turns tracking on in a namespace. */
async function trackConnections(node: string): Promise<void> {
  const chain = 'add chain inet track pre { type filter hook prerouting priority -100; }';
  const lines = ['add table inet track', chain, 'add rule inet track pre ct state invalid counter'];
  await runCommand('nsenter', [`--net=/run/netns/${node}`, 'nft', '-f', '-'], { stdin: `${lines.join('\n')}\n` });
}

/** Neither the first nor the last of its node: the list is walked half the way for the average pod. */
function sender(pods: number): number {
  return Math.floor(pods / 2);
}

function podAddress(index: number, family: 'ipv4' | 'ipv6' = 'ipv4'): string {
  if (family === 'ipv6') return `2001:db8:0:2::${(index + 2).toString(16)}`;
  return `10.0.${100 + Math.floor(index / 250)}.${2 + (index % 250)}`;
}

async function batch(lines: readonly string[], netns?: string): Promise<void> {
  const place = netns === undefined ? [] : ['-n', netns];
  await runCommand('ip', [...place, '-batch', '-'], { stdin: `${lines.join('\n')}\n` });
}
