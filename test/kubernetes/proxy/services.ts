/** Services and EndpointSlices as an administrator would write them by hand: no controllers run. */
import { isIPv6 } from 'node:net';
import { PROBE_PORT } from '#test/support/probe.ts';
import type { ApiSubject } from '../suite/subject.ts';

export interface Backend {
  readonly address: string;
  /** Absent for one that is no pod. */
  readonly nodeName?: string;
}

export interface ServiceOptions {
  readonly name: string;
  readonly backends: readonly Backend[];
  readonly nodePort?: number;
  readonly externalTrafficPolicy?: 'Cluster' | 'Local';
  readonly sessionAffinity?: 'None' | 'ClientIP';
}

const SERVICES = '/api/v1/namespaces/default/services';
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
const PROTOCOLS = ['TCP', 'UDP'] as const;

/** The ClusterIP of a new Service of the backends' family, for TCP and UDP, at the port on which probes listen. */
export async function makeService(api: ApiSubject, options: ServiceOptions): Promise<string> {
  const { name, backends, nodePort, externalTrafficPolicy, sessionAffinity = 'None' } = options;
  const isIpv6Service = isIPv6(backends[0]?.address ?? '');
  const ports = PROTOCOLS.map((protocol) => ({
    name: protocol.toLowerCase(),
    protocol,
    port: PROBE_PORT,
    targetPort: PROBE_PORT,
    ...(nodePort === undefined ? {} : { nodePort }),
  }));
  // Endpoints first: a Service that is known without them is one that nobody answers for.
  await api.admin('POST', SLICES, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels: { 'kubernetes.io/service-name': name } },
    addressType: isIpv6Service ? 'IPv6' : 'IPv4',
    endpoints: backends.map(({ address, nodeName }) => ({
      addresses: [address],
      conditions: { ready: true },
      nodeName,
    })),
    ports: PROTOCOLS.map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: PROBE_PORT })),
  });
  const service = (await api.admin('POST', SERVICES, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: {
      type: nodePort === undefined ? 'ClusterIP' : 'NodePort',
      ipFamilies: [isIpv6Service ? 'IPv6' : 'IPv4'],
      ipFamilyPolicy: 'SingleStack',
      sessionAffinity,
      ...(externalTrafficPolicy === undefined ? {} : { externalTrafficPolicy }),
      ports,
    },
  })) as { readonly spec: { readonly clusterIP: string } };
  return service.spec.clusterIP;
}

/** Neither Service nor endpoints from now on. */
export async function withdrawService(api: ApiSubject, name: string): Promise<void> {
  await api.admin('DELETE', `${SLICES}/${name}`);
  await api.admin('DELETE', `${SERVICES}/${name}`);
}

/** A Node as kubelet would register it; kube-proxy takes the node's addresses from it. */
export async function registerNode(api: ApiSubject, name: string, addresses: readonly string[]): Promise<void> {
  await api.admin('POST', '/api/v1/nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  });
}
