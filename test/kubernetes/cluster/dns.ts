/** The cluster's DNS: CoreDNS in pods like any others, by the Service that kubelet tells every pod of. */
import type { KubernetesBed } from './bed.ts';
import { COREDNS_IMAGE } from './images.ts';
import { CLUSTER_DNS } from './kubelet.ts';
import { apply, deployment, running } from './objects.ts';

const NAMESPACE = 'kube-system';
const RUNNING_MS = 360_000;

const COREFILE = `.:53 {
  errors
  health :8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
    ttl 5
  }
  loop
}
`;

/** It answers when it resolves. */
export async function startDns({ plane }: KubernetesBed): Promise<void> {
  const named = { name: 'coredns', namespace: NAMESPACE };
  const rbac = 'rbac.authorization.k8s.io';
  await apply(plane, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: named });
  await apply(plane, {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name: 'coredns' },
    rules: [
      { apiGroups: [''], resources: ['services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    ],
  });
  await apply(plane, {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'coredns' },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'coredns' },
    subjects: [{ kind: 'ServiceAccount', ...named }],
  });
  await apply(plane, { apiVersion: 'v1', kind: 'ConfigMap', metadata: named, data: { Corefile: COREFILE } });
  const ports = (['UDP', 'TCP'] as const).map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 53 }));
  await apply(plane, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kube-dns', namespace: NAMESPACE, labels: { 'k8s-app': 'kube-dns' } },
    spec: { clusterIP: CLUSTER_DNS, selector: { app: 'coredns' }, ports },
  });
  const spec = {
    serviceAccountName: 'coredns',
    automountServiceAccountToken: true,
    dnsPolicy: 'Default',
    containers: [
      {
        name: 'coredns',
        image: COREDNS_IMAGE,
        imagePullPolicy: 'Never',
        args: ['-conf', '/etc/coredns/Corefile'],
        readinessProbe: { httpGet: { path: '/health', port: 8181 }, periodSeconds: 1 },
        volumeMounts: [{ name: 'config', mountPath: '/etc/coredns' }],
      },
    ],
    volumes: [{ name: 'config', configMap: { name: 'coredns' } }],
  };
  const two = { ...named, replicas: 2 };
  await apply(plane, deployment({ ...two, spec }));
  await running(plane, two, RUNNING_MS);
}
