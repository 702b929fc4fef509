/**
 * A node with pods on both ENIs beside a real kube-proxy in ipvs mode with a real API server, which it reaches by the VPC's
 * router. Both families.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PortMapping } from '#cni/spec/runtime-config.ts';
import { builtApiServer, builtKubeProxy } from '#test/kubernetes/build.ts';
import { type ControlPlane, startControlPlane } from '#test/kubernetes/control-plane.ts';
import { API_PORT, forwardToApi } from '#test/kubernetes/proxy/forward.ts';
import { KubeProxy } from '#test/kubernetes/proxy/kube-proxy.ts';
import { makeService, registerNode, type ServiceOptions } from '#test/kubernetes/proxy/services.ts';
import type { DatapathFixture } from '#test/kernel/support/datapath-fixture.ts';
import { PRIMARY_ADDRESS, PRIMARY_IPV6, type TestNode } from '#test/kernel/support/datapath-node.ts';
import { writeKubeconfig } from '#test/support/kubernetes/kubeconfig.ts';
import { Probe, PROBE_PORT } from '#test/support/probe.ts';
import { until } from '#test/support/until.ts';

const NODE = 'node-of-ipvs';
const ROUTER = '10.0.0.1';
/** On an emulated processor the API server takes a minute to start, and several beside other work. */
export const START_MS = 600_000;
const ANSWER_MS = 20_000;

/** Pods by the names of their namespaces: `a` is on the first ENI, `b` on the second. */
export const PODS = {
  a: ['10.0.0.21', '2001:db8:0:1:a::21'],
  b: ['10.0.1.22', '2001:db8:0:2:b::22'],
} as const;

/** `a` publishes the probes' port, but for nobody who listens, and this one, by which it is reached. */
export const HOST_PORT = 8081;

export interface IpvsBed {
  /** A new Service with one backend; its ClusterIP. */
  readonly serve: (name: string, backend: string, more?: Partial<ServiceOptions>) => Promise<string>;
  /** Resolves when kube-proxy runs and has as many backends in the kernel, protocols and NodePorts counted each. */
  readonly startProxy: (backends: number) => Promise<void>;
  /** Starts somebody who asks and answers, in each of the namespaces. */
  readonly people: (...names: readonly string[]) => Promise<void>;
  /** Who the other side saw, by UDP and by TCP, or why there was no answer. */
  readonly seen: (from: string, to: string, port?: number) => Promise<readonly [string, string]>;
}

/** Lives as long as the stack; the datapath is set up. */
export async function ipvsBed(fixture: DatapathFixture, stack: AsyncDisposableStack): Promise<IpvsBed> {
  const { node } = fixture;
  const api = stack.use(await startControlPlane(await builtApiServer(), START_MS));
  await fixture.setUp({ family: 'dual', primaryIpv6Address: PRIMARY_IPV6 });
  await publisher(fixture);
  await fixture.addPod('b', PODS.b, 1);
  // As the daemon does: kube-proxy's link comes later, and host ports must hear of it.
  const repair = fixture.datapath.repairDrift?.(() => undefined);
  if (repair !== undefined) stack.use(repair);
  await registerNode(api, NODE, [PRIMARY_ADDRESS, PRIMARY_IPV6]);
  const probes = new Map<string, Probe>();
  return {
    serve: (name, address, more = {}) => makeService(api, { name, backends: [{ address, nodeName: NODE }], ...more }),
    startProxy: async (backends) => {
      await startProxy(node, api, stack);
      const shown = () => node.exec('node', 'cat', '/proc/net/ip_vs').match(/^ +-> (?!Remote)/gm)?.length ?? 0;
      await until(`${backends} backends are there`, START_MS, () => shown() >= backends);
      const rules = () => node.exec('node', 'nft', 'list', 'table', 'inet', 'wellspring');
      await until('host ports are the node’s own', START_MS, () => rules().includes('@own-addresses-ip4'));
    },
    // One after the other: on an emulated processor, starting Node takes seconds.
    people: async (...names) => {
      for (const name of names) probes.set(name, stack.use(await Probe.start(name, node.path(name))));
    },
    seen: async (from, to, port = PROBE_PORT) => {
      const ask = async (op: 'udp' | 'tcp') => {
        const answer = await probes.get(from)?.ask({ op, to, port, timeoutMs: ANSWER_MS });
        return answer?.seenFrom ?? /E[A-Z]{4,}/.exec(answer?.error ?? '')?.[0] ?? 'no answer';
      };
      return Promise.all([ask('udp'), ask('tcp')]);
    },
  };
}

async function publisher(fixture: DatapathFixture): Promise<void> {
  const { node } = fixture;
  node.addNamespace('a');
  for (const address of PODS.a) node.assign(address, 'primary');
  const ports = [
    { hostPort: PROBE_PORT, containerPort: 1, hostIp: undefined },
    { hostPort: HOST_PORT, containerPort: PROBE_PORT, hostIp: undefined },
  ];
  const portMappings = ports.flatMap((port): readonly PortMapping[] => [
    { ...port, protocol: 'tcp' },
    { ...port, protocol: 'udp' },
  ]);
  await fixture.datapath.addPod({ ...fixture.attachment('a', PODS.a), portMappings });
}

async function startProxy(node: TestNode, api: ControlPlane, stack: AsyncDisposableStack): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'wellspring-ipvs-'));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  stack.use(forwardToApi(node.name('fabric'), api));
  const kubeconfig = writeKubeconfig(join(directory, 'kubeconfig'), {
    server: `https://${ROUTER}:${API_PORT}`,
    serverName: new URL(api.url).hostname,
    token: api.adminToken,
    certificateAuthority: api.certificate,
  });
  const where = { netns: node.name('node'), nodeName: NODE, kubeconfig, directory, deadlineMs: START_MS };
  const proxy = stack.use(new KubeProxy({ ...where, program: await builtKubeProxy(), mode: 'ipvs' }));
  await proxy.start();
}
