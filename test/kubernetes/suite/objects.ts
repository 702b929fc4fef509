/** Nodes, pods and ENIConfigs as the API server takes them. */
import { randomUUID } from 'node:crypto';
import type { PodReference } from '#warm-pool/model.ts';
import type { Json } from '#test/support/kubernetes/patch.ts';
import type { ApiSubject } from './subject.ts';

export const MERGE = 'application/merge-patch+json';
const ENI_CONFIGS = '/apis/crd.k8s.amazonaws.com/v1alpha1/eniconfigs';

export function unique(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

export async function makeNode(api: ApiSubject, name: string, more: Json = {}): Promise<void> {
  const { metadata, ...rest } = more;
  await api.admin('POST', '/api/v1/nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...(metadata as Json | undefined) },
    ...rest,
  });
}

export async function patchNode(api: ApiSubject, name: string, patch: Json): Promise<void> {
  await api.admin('PATCH', `/api/v1/nodes/${name}`, patch, MERGE);
}

/** What kubelet would report. */
export async function setPodCapacity(api: ApiSubject, name: string, pods: string): Promise<void> {
  const status = { capacity: { pods }, allocatable: { pods } };
  await api.admin('PATCH', `/api/v1/nodes/${name}/status`, { status }, MERGE);
}

export async function getNode(api: ApiSubject, name: string): Promise<Json> {
  return api.admin('GET', `/api/v1/nodes/${name}`);
}

/** A pod that is bound to a node; nobody runs it. */
export async function makePod(
  api: ApiSubject,
  nodeName: string,
  more: { readonly name?: string; readonly annotations?: Json } = {},
): Promise<PodReference> {
  const name = more.name ?? unique('pod');
  const pod = await api.admin('POST', '/api/v1/namespaces/default/pods', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      ...(more.annotations === undefined ? {} : { annotations: more.annotations }),
    },
    spec: {
      nodeName,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image: 'none' }],
    },
  });
  return { namespace: 'default', name, uid: (pod['metadata'] as Json)['uid'] as string };
}

export async function deletePod(api: ApiSubject, name: string): Promise<void> {
  await api.admin('DELETE', `/api/v1/namespaces/default/pods/${name}`);
}

export async function annotationsOf(api: ApiSubject, { namespace, name }: PodReference): Promise<Json> {
  const pod = await api.admin('GET', `/api/v1/namespaces/${namespace}/pods/${name}`);
  return ((pod['metadata'] as Json)['annotations'] ?? {}) as Json;
}

export async function makeEniConfig(api: ApiSubject, name: string, spec: Json): Promise<void> {
  await api.admin('POST', ENI_CONFIGS, {
    apiVersion: 'crd.k8s.amazonaws.com/v1alpha1',
    kind: 'ENIConfig',
    metadata: { name },
    spec,
  });
}

export async function patchEniConfig(api: ApiSubject, name: string, spec: Json): Promise<void> {
  await api.admin('PATCH', `${ENI_CONFIGS}/${name}`, { spec }, MERGE);
}

export async function deleteEniConfig(api: ApiSubject, name: string): Promise<void> {
  await api.admin('DELETE', `${ENI_CONFIGS}/${name}`);
}

/** Events of core/v1 about an object. */
export async function eventsAbout(api: ApiSubject, namespace: string, name: string): Promise<readonly Json[]> {
  const { items } = await api.admin('GET', `/api/v1/namespaces/${namespace}/events`);
  return (items as readonly Json[]).filter((event) => (event['involvedObject'] as Json)['name'] === name);
}
