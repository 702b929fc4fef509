/**
 * Two nodes of the fabric with ipamd and a real kube-proxy each, pods on the first and the second ENI of both, somebody
 * on the internet, and a real API server that the nodes reach as they reach EC2: by an address of the VPC's router.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EC2_ENDPOINT_ADDRESS } from '#cloud/emulator/fabric/fabric.ts';
import { type AddedPod, addPod, converged, heldBy } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { runCommand } from '#test/support/command.ts';
import { writeKubeconfig } from '#test/support/kubernetes/kubeconfig.ts';
import { Probe } from '#test/support/probe.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';
import type { ControlPlane } from '../control-plane.ts';
import { API_PORT, forwardToApi } from './forward.ts';
import { KubeProxy, type ProxyMode } from './kube-proxy.ts';
import { type Backend, makeService, registerNode, type ServiceOptions, withdrawService } from './services.ts';

/** Three addresses an ENI: the fourth pod is on the second one. */
const INSTANCE_TYPE = 't3.small';
const MOST_PODS = 8;
const POOL_DEADLINE_MS = 15_000;
const PROXY_DEADLINE_MS = 30_000;
const RULES_DEADLINE_MS = 15_000;
/** A lost neighbour solicitation costs a second. */
const ANSWER_DEADLINE_MS = 10_000;

/** A pod with somebody in it who asks and answers. */
export interface PlacedPod {
  readonly node: ClusterNode;
  readonly added: AddedPod;
  readonly deviceIndex: number;
  readonly ipv4: string;
  /** Empty on a node of IPv4 alone. */
  readonly ipv6: string;
  readonly probe: Probe;
}

/** A node with a pod on its first ENI and one on its second. */
export interface BedNode {
  readonly node: ClusterNode;
  readonly proxy: KubeProxy;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly first: PlacedPod;
  readonly second: PlacedPod;
  /** In the node's own network namespace. */
  readonly host: Probe;
}

export interface ProxyBed {
  readonly cluster: Cluster;
  readonly a: BedNode;
  readonly b: BedNode;
  readonly outside: Probe;
  /** Both kube-proxies have the Service in the kernel when it resolves. */
  readonly serve: (options: Omit<ServiceOptions, 'name'>) => Promise<Served>;
  /** The Service and its endpoints are gone from the API server when it resolves. */
  readonly withdraw: (served: Served) => Promise<void>;
  /** A port that no Service has yet. */
  readonly nodePort: () => number;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Served {
  readonly name: string;
  readonly clusterIp: string;
}

export interface BedOptions {
  readonly api: ControlPlane;
  readonly program: string;
  readonly mode: ProxyMode;
  readonly family: 'ipv4' | 'dual';
}

/** The API server is the same for all beds of a file. */
let sequence = 0;
let services = 0;
let nodePorts = 30_000;

export async function proxyBed({ api, program, mode, family }: BedOptions): Promise<ProxyBed> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'wellspring-kube-proxy-'));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const cluster = stack.use(
    await testCluster({
      instanceTypes: [INSTANCE_TYPE, INSTANCE_TYPE],
      ipv6: family === 'dual',
      env: { MINIMUM_IP_TARGET: '5', WARM_IP_TARGET: '1', ...(family === 'dual' ? { ENABLE_IPv6: 'true' } : {}) },
    }),
  );
  const internet = cluster.fabric.internet?.namespace ?? '';
  stack.use(forwardToApi(internet.replace(/inet$/, 'vpc'), api));
  const kubeconfig = writeKubeconfig(join(directory, 'kubeconfig'), {
    server: `https://${EC2_ENDPOINT_ADDRESS}:${API_PORT}`,
    serverName: new URL(api.url).hostname,
    token: api.adminToken,
    certificateAuthority: api.certificate,
  });
  await cluster.startDaemons();
  const bedNode = async (node: ClusterNode): Promise<BedNode> => {
    await converged(cluster, node, POOL_DEADLINE_MS);
    const own = heldBy(cluster, node).find(({ attachment }) => attachment?.deviceIndex === 0);
    const [ipv4, ipv6] = [own?.primaryAddress ?? '', own?.ipv6Addresses[0] ?? ''];
    const nodeName = `${node.name}-${sequence}`;
    await registerNode(
      api,
      nodeName,
      [ipv4, ipv6].filter((address) => address !== ''),
    );
    const where = { netns: node.netns, directory: node.directory, deadlineMs: PROXY_DEADLINE_MS };
    const proxy = stack.use(new KubeProxy({ program, mode, kubeconfig, nodeName, ...where }));
    const [[first, second]] = await Promise.all([placePods(cluster, node, stack), proxy.start()]);
    const host = stack.use(await Probe.start(node.name, node.netnsPath));
    return { node, proxy, ipv4, ipv6, first, second, host };
  };
  sequence += 1;
  const [a, b] = await Promise.all(cluster.nodes.map(bedNode));
  if (a === undefined || b === undefined) throw new Error('the cluster has fewer than two nodes');
  const outside = stack.use(await Probe.start('outside', `/run/netns/${internet}`));
  const serve = async (options: Omit<ServiceOptions, 'name'>): Promise<Served> => {
    const name = `service-${(services += 1)}`;
    const clusterIp = await makeService(api, { ...options, name });
    await Promise.all([a, b].map(({ node }) => programmed(node, clusterIp, options.backends.length > 0)));
    return { name, clusterIp };
  };
  const withdraw = ({ name }: Served) => withdrawService(api, name);
  const nodePort = () => (nodePorts += 1);
  const bed = stack.move();
  return { cluster, a, b, outside, serve, withdraw, nodePort, [Symbol.asyncDispose]: () => bed.disposeAsync() };
}

/** A pod's address of the family, as a Service's backend. */
export function backend(pod: PlacedPod, family: 'ipv4' | 'ipv6' = 'ipv4'): Backend {
  return { address: pod[family], nodeName: `${pod.node.name}-${sequence}` };
}

/** The address that the other side saw, by UDP and by TCP; what each said where they differ. */
export async function seenBy(
  probe: Probe,
  address: string,
  port: number,
  timeoutMs = ANSWER_DEADLINE_MS,
): Promise<string> {
  const [udp, tcp] = await Promise.all(
    (['udp', 'tcp'] as const).map((op) => probe.ask({ op, to: address, port, timeoutMs })),
  );
  const [byUdp, byTcp] = [udp, tcp].map((answer) => answer?.seenFrom ?? answer?.error ?? 'no answer');
  return byUdp === byTcp ? (byUdp ?? '') : `UDP: ${byUdp}, TCP: ${byTcp}`;
}

/** The node's nftables and (by iptables-nft) iptables, as text. */
export function rulesOf(node: ClusterNode): Promise<string> {
  return inNode(node, 'nft', 'list', 'ruleset');
}

/** Runs a program in the node's network namespace. */
export function inNode(node: ClusterNode, ...command: readonly string[]): Promise<string> {
  return runCommand('nsenter', [`--net=${node.netnsPath}`, ...command]);
}

/** Both protocols of the Service lead to its endpoints, or to nobody where it has none. */
export async function programmed(node: ClusterNode, clusterIp: string, isBacked = true): Promise<void> {
  const escaped = clusterIp.replaceAll('.', '\\.');
  const shown = new RegExp(isBacked ? `\\b${escaped} .*(?:goto service-|jump KUBE-SVC-)` : `\\b${escaped}\\b`, 'g');
  await until(`${node.name} knows ${clusterIp}`, RULES_DEADLINE_MS, async () => {
    return ((await rulesOf(node)).match(shown)?.length ?? 0) >= 2;
  });
}

async function placePods(
  cluster: Cluster,
  node: ClusterNode,
  stack: AsyncDisposableStack,
): Promise<readonly [PlacedPod, PlacedPod]> {
  const found = new Map<number, PlacedPod>();
  for (let index = 0; index < MOST_PODS; index += 1) {
    const added = await addPod(node, `${node.name}-${index}`);
    const holder = heldBy(cluster, node).find(({ secondaryAddresses }) => secondaryAddresses.includes(added.address));
    const deviceIndex = holder?.attachment?.deviceIndex ?? -1;
    if (found.has(deviceIndex)) continue;
    const ips = (added.result['ips'] as readonly { readonly address: string }[]).map(({ address }) => address);
    const ipv6 = ips.find((address) => isIPv6(address.replace('/128', '')))?.replace('/128', '') ?? '';
    const probe = stack.use(await Probe.start(added.pod.name, `/run/netns/${added.pod.netns}`));
    found.set(deviceIndex, { node, added, deviceIndex, ipv4: added.address, ipv6, probe });
    const [first, second] = [found.get(0), found.get(1)];
    if (first !== undefined && second !== undefined) return [first, second];
  }
  throw new Error(`the pods of ${node.name} are on ENIs ${[...found.keys()].join()} alone`);
}
