/**
 * Two nodes and a router between them, each in a namespace, and a pod on each node's second ENI. In one of three layouts: ours,
 * made by the datapath itself; routes alone (`plain`), with connections tracked as kube-proxy has it on any node (`tracked`).
 * The router is the same in all of them.
 */
import { createKernelDatapath } from '#ipamd/datapath/kernel-datapath.ts';
import { hostIfName } from '#ipamd/datapath/names.ts';
import { runCommand } from '#test/support/command.ts';
import { type NodeEnis, setUpNode } from '../two-enis.ts';

export const LAYOUTS = ['wellspring', 'plain', 'tracked'] as const;
export type Layout = (typeof LAYOUTS)[number];

const HOST_END_MAC = '02:57:00:00:00:03';
const POD_GATEWAY = '169.254.1.1';

interface Node {
  readonly netns: string;
  readonly pod: string;
  readonly podAddress: string;
  readonly primaryGateway: string;
  /** Of the second ENI's subnet. */
  readonly gateway: string;
  readonly enis: NodeEnis;
}

/** `from` reaches `address`, which is that of `to`; both are names of namespaces. */
export interface TwoPods {
  readonly from: string;
  readonly to: string;
  readonly address: string;
}

/** The namespaces stay: they are those of a process that runs in a network of its own. */
export async function twoNodes(layout: Layout): Promise<TwoPods> {
  const router = `wbt-${layout}-vpc`;
  const nodes = ['a', 'b'].map((letter, index) => nodeOf(layout, letter, index + 1));
  await batch([router, ...nodes.flatMap(({ netns, pod }) => [netns, pod])].map((name) => `netns add ${name}`));
  await forward(router);
  for (const node of nodes) {
    await wire(node, router);
    await (layout === 'wellspring' ? plumbOurs(node) : plumbByHand(node));
    if (layout === 'tracked') await trackConnections(node.netns);
  }
  const [from, to] = nodes;
  if (from === undefined || to === undefined) throw new Error('there are two nodes');
  return { from: from.pod, to: to.pod, address: to.podAddress };
}

function nodeOf(layout: Layout, letter: string, number: number): Node {
  const netns = `wbt-${layout}-${letter}`;
  return {
    netns,
    pod: `${netns}-pod`,
    podAddress: `10.0.${number}.20`,
    primaryGateway: `10.0.${100 + number}.1`,
    gateway: `10.0.${number}.1`,
    enis: {
      primary: { mac: `02:57:00:00:0${number}:01`, address: `10.0.${100 + number}.10` },
      secondary: { mac: `02:57:00:00:0${number}:02`, address: `10.0.${number}.10` },
      subnetCidr: `10.0.${number}.0/24`,
    },
  };
}

/** The ENIs of a node, and the router's way to its pod, which knows the MAC as the cloud's does. */
async function wire({ netns, podAddress, primaryGateway, gateway, enis }: Node, router: string): Promise<void> {
  const { primary, secondary } = enis;
  const [first, second] = [`${netns.slice(-1)}0`, `${netns.slice(-1)}1`];
  await batch([
    `link add eth0 netns ${netns} address ${primary.mac} type veth peer name ${first} netns ${router}`,
    `link add eth1 netns ${netns} address ${secondary.mac} type veth peer name ${second} netns ${router}`,
  ]);
  await batch(
    [
      `link set ${first} up`,
      `link set ${second} up`,
      `address add ${primaryGateway}/32 dev ${first}`,
      `address add ${gateway}/32 dev ${second}`,
      `route add ${secondary.address} dev ${second}`,
      `route add ${podAddress} dev ${second}`,
      `neighbour add ${podAddress} lladdr ${secondary.mac} dev ${second}`,
    ],
    router,
  );
  await batch(['link set lo up', `address add ${primary.address}/24 dev eth0`, 'link set eth0 up'], netns);
}

async function plumbOurs({ netns, pod, podAddress, primaryGateway, enis }: Node): Promise<void> {
  // As every node has it; what comes in by the second ENI must have some way back in the main table.
  await batch([`route add default via ${primaryGateway} dev eth0`], netns);
  await using datapath = await createKernelDatapath({ hostNetns: `/run/netns/${netns}` });
  await setUpNode(datapath, enis);
  await datapath.addPod({
    containerId: pod,
    ifName: 'eth0',
    netns: `/run/netns/${pod}`,
    addresses: [podAddress],
    hostIfName: hostIfName('eni', pod, 'eth0'),
    deviceIndex: 1,
    networkCardIndex: 0,
    mtu: 1500,
  });
}

async function plumbByHand({ netns, pod, podAddress, gateway, enis }: Node): Promise<void> {
  await batch([`link add host netns ${netns} address ${HOST_END_MAC} type veth peer name eth0 netns ${pod}`]);
  await batch(
    [
      'link set lo up',
      'link set eth0 up',
      `address add ${podAddress}/32 dev eth0`,
      `route add ${POD_GATEWAY} dev eth0`,
      `route add default via ${POD_GATEWAY} dev eth0`,
      `neighbour add ${POD_GATEWAY} lladdr ${HOST_END_MAC} dev eth0`,
    ],
    pod,
  );
  await forward(netns);
  await batch(
    [
      'link set host up',
      'link set eth1 up',
      `address add ${enis.secondary.address}/24 dev eth1 noprefixroute`,
      `route add ${podAddress} dev host`,
      `route add ${gateway} dev eth1 scope link`,
      `route add default via ${gateway} dev eth1 onlink`,
    ],
    netns,
  );
}

/** One rule that asks for it is what turns tracking on in a namespace. */
async function trackConnections(netns: string): Promise<void> {
  const chain = 'add chain inet track pre { type filter hook prerouting priority -100; }';
  const lines = ['add table inet track', chain, 'add rule inet track pre ct state invalid counter'];
  await runCommand('nsenter', [`--net=/run/netns/${netns}`, 'nft', '-f', '-'], { stdin: `${lines.join('\n')}\n` });
}

async function forward(netns: string): Promise<void> {
  await runCommand('ip', ['netns', 'exec', netns, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
}

async function batch(lines: readonly string[], netns?: string): Promise<void> {
  const place = netns === undefined ? [] : ['-n', netns];
  await runCommand('ip', [...place, '-batch', '-'], { stdin: `${lines.join('\n')}\n` });
}
