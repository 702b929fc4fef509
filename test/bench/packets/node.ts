/**
 * A node in a namespace with so many pods on its second ENI, in one of three layouts: ours, made by the datapath itself;
 * the peer's (two rules a pod), made with `ip rule`; and routes alone (`plain`), with connections tracked as kube-proxy has it on any
 * node (`tracked`). One pod is real and sends, the others are there to
 * be looked past. What leaves the node ends in a namespace that counts and drops it.
 */
import { createKernelDatapath } from '#ipamd/datapath/kernel-datapath.ts';
import { hostIfName } from '#ipamd/datapath/names.ts';
import { runCommand } from '#test/support/command.ts';
import { Flood, type Sent } from './flood.ts';

export type Layout = 'wellspring' | 'peer' | 'plain' | 'tracked';

/** Reached by way of the second ENI, and in the VPC: no SNAT on the way. */
const DESTINATION = '10.0.200.200';
const GATEWAY = '10.0.1.1';
const [PRIMARY, SECONDARY] = [
  { mac: '02:57:00:00:00:01', address: '10.0.0.10' },
  { mac: '02:57:00:00:00:02', address: '10.0.1.10' },
];
const HOST_END_MAC = '02:57:00:00:00:03';
const SINK = 'wbp-sink';
const FILL = 'wbp-fill';

/** Where packets end, and where the other ends of idle pods' links are. */
export async function prepareSurroundings(): Promise<void> {
  for (const name of [SINK, FILL]) await runCommand('ip', ['netns', 'add', name]);
}

/** A node whose pod sends; measure with `send`. */
export class PacketNode implements AsyncDisposable {
  readonly layout: Layout;
  readonly pods: number;
  readonly #uplink: string;
  readonly #flood: Flood;

  private constructor(layout: Layout, pods: number, uplink: string, flood: Flood) {
    this.layout = layout;
    this.pods = pods;
    this.#uplink = uplink;
    this.#flood = flood;
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
    await batch([`link set ${uplink} up`, `link set ${uplink}p up`, `address add ${GATEWAY}/32 dev ${uplink}`], SINK);
    await batch(['link set lo up', `address add ${PRIMARY.address}/24 dev eth0`, 'link set eth0 up'], node);
    if (layout === 'wellspring') await plumbOurs(node, pod, pods);
    else await plumbByHand(node, pod, layout === 'peer' ? pods : 0);
    if (layout === 'peer' || layout === 'tracked') await trackConnections(node);
    const made = new PacketNode(layout, pods, uplink, new Flood(pod, DESTINATION));
    // Neighbours are looked up now.
    await made.send(100);
    return made;
  }

  /** The processor time of so many packets; throws unless (nearly) all of them came through. */
  async send(packets: number): Promise<Sent> {
    const before = await this.#received();
    const sent = await this.#flood.send(packets);
    const arrived = (await this.#received()) - before;
    if (arrived < sent.packets * 0.99)
      throw new Error(`${this.layout} with ${this.pods} pods: ${arrived} of ${sent.packets} packets came through`);
    return sent;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#flood[Symbol.asyncDispose]();
  }

  async #received(): Promise<number> {
    const text = await runCommand('ip', ['-n', SINK, '-j', '-s', 'link', 'show', this.#uplink]);
    const [link] = JSON.parse(text) as readonly { readonly stats64: { readonly rx: { readonly packets: number } } }[];
    return link?.stats64.rx.packets ?? 0;
  }
}

async function plumbOurs(node: string, pod: string, pods: number): Promise<void> {
  await using datapath = await createKernelDatapath({ hostNetns: `/run/netns/${node}` });
  await datapath.setUpHost({
    primaryMac: PRIMARY.mac,
    primaryAddress: PRIMARY.address,
    noSnatCidrs: ['10.0.0.0/16'],
    externalSnat: false,
    randomizeSnat: 'prng',
    nodePortSupport: true,
    eniMtu: 1500,
  });
  await datapath.setUpInterface({
    id: 'eni-2',
    mac: SECONDARY.mac,
    primaryAddress: SECONDARY.address,
    subnetCidr: '10.0.1.0/24',
    deviceIndex: 1,
    networkCardIndex: 0,
  });
  for (let index = 0; index < pods; index += 1) {
    const real = index === sender(pods);
    const containerId = `${node}-${index}`;
    const ifName = real ? 'eth0' : `p${pods}x${index}`;
    await datapath.addPod({
      containerId,
      ifName,
      netns: `/run/netns/${real ? pod : FILL}`,
      addresses: [podAddress(index)],
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
    ],
    pod,
  );
  await runCommand('ip', ['netns', 'exec', node, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
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
      `route add ${GATEWAY} dev eth1 scope link table ${table}`,
      `route add default via ${GATEWAY} dev eth1 onlink table ${table}`,
      ...rules,
      ...routes.flat(),
    ],
    node,
  );
}

/** One rule that asks for it is what turns tracking on in a namespace. */
async function trackConnections(node: string): Promise<void> {
  const chain = 'add chain ip track pre { type filter hook prerouting priority -100; }';
  const lines = ['add table ip track', chain, 'add rule ip track pre ct state invalid counter'];
  await runCommand('nsenter', [`--net=/run/netns/${node}`, 'nft', '-f', '-'], { stdin: `${lines.join('\n')}\n` });
}

/** Neither the first nor the last of its node: the list is walked half the way for the average pod. */
function sender(pods: number): number {
  return Math.floor(pods / 2);
}

function podAddress(index: number): string {
  return `10.0.${100 + Math.floor(index / 250)}.${2 + (index % 250)}`;
}

async function batch(lines: readonly string[], netns?: string): Promise<void> {
  const place = netns === undefined ? [] : ['-n', netns];
  await runCommand('ip', [...place, '-batch', '-'], { stdin: `${lines.join('\n')}\n` });
}
