/** What the API server tells of policies and of aws-node. A kind that the cluster does not have counts as none of it. */
import { ApiError } from '../kubernetes/api-error.ts';
import { ApiServer } from '../kubernetes/api-server.ts';
import { loadCredentials, type NewKubeConfig } from '../kubernetes/credentials.ts';
import { newKubeConfig } from '../kubernetes/narrow-import.ts';
import type { ClusterSource } from '../kubernetes/source.ts';
import type { ClusterFacts, Known, PeerDaemonSet } from './facts.ts';

const LISTS = {
  networkPolicies: ['/apis/networking.k8s.io/v1/networkpolicies'],
  policyEndpoints: [
    '/apis/networking.k8s.aws/v1alpha1/policyendpoints',
    '/apis/networking.k8s.aws/v1alpha1/clusterpolicyendpoints',
  ],
  securityGroupPolicies: ['/apis/vpcresources.k8s.aws/v1beta1/securitygrouppolicies'],
} as const;
const DAEMON_SET = '/apis/apps/v1/namespaces/kube-system/daemonsets/aws-node';

/** Never rejects. `newConfig` makes an empty KubeConfig, in another way than the daemon's for example. */
export async function askCluster(
  source: ClusterSource | undefined,
  signal: AbortSignal,
  newConfig: NewKubeConfig = newKubeConfig,
): Promise<Known<ClusterFacts>> {
  if (source === undefined) return { unknown: 'no API server is configured (a service account, or KUBECONFIG)' };
  using api = new ApiServer({
    load: () => loadCredentials(source, newConfig),
    userAgent: 'wellspring-preflight',
    timeoutMs: 10_000,
    silenceMs: 10_000,
  });
  const [networkPolicies, policyEndpoints, securityGroupPolicies, daemonSet] = await Promise.all([
    counted(api, LISTS.networkPolicies, signal),
    counted(api, LISTS.policyEndpoints, signal),
    counted(api, LISTS.securityGroupPolicies, signal),
    asked(api, DAEMON_SET, {}, signal),
  ]);
  const facts = {
    networkPolicies,
    policyEndpoints,
    securityGroupPolicies,
    daemonSet: 'unknown' in daemonSet ? daemonSet : { value: daemonSetOf(daemonSet.value) },
  };
  const unreachable = [networkPolicies, policyEndpoints, daemonSet].every((each) => 'unknown' in each);
  return unreachable && 'unknown' in networkPolicies ? { unknown: networkPolicies.unknown } : { value: facts };
}

/** Objects of all the lists; one of each is asked for, the server says how many more there are. */
async function counted(api: ApiServer, paths: readonly string[], signal: AbortSignal): Promise<Known<number>> {
  let sum = 0;
  for (const path of paths) {
    const answer = await asked(api, path, { limit: 1 }, signal);
    if ('unknown' in answer) return answer;
    const list = fields(answer.value);
    const rest = Number(fields(list['metadata'])['remainingItemCount'] ?? 0);
    sum += (Array.isArray(list['items']) ? list['items'].length : 0) + rest;
  }
  return { value: sum };
}

/** value undefined: not there. */
async function asked(
  api: ApiServer,
  path: string,
  query: Readonly<Record<string, number>>,
  signal: AbortSignal,
): Promise<Known<unknown>> {
  try {
    return { value: await api.request({ method: 'GET', path, query, signal }) };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return { value: undefined };
    return { unknown: error instanceof Error ? error.message : String(error) };
  }
}

/** Pure: what matters of the object; undefined where it is none. */
export function daemonSetOf(object: unknown): PeerDaemonSet | undefined {
  if (object === undefined) return undefined;
  const template = fields(fields(fields(fields(object)['spec'])['template'])['spec']);
  const containers = Array.isArray(template['containers']) ? template['containers'].map(fields) : [];
  const own = containers.find(({ name }) => name === 'aws-node');
  const agent = containers.find(({ name }) => name === 'aws-eks-nodeagent');
  const env = Array.isArray(own?.['env']) ? own['env'].map(fields) : [];
  const args = Array.isArray(agent?.['args']) ? agent['args'].map(String) : [];
  return {
    env: Object.fromEntries(
      env.flatMap(({ name, value }) => (typeof name === 'string' && typeof value === 'string' ? [[name, value]] : [])),
    ),
    enforcesPolicies: args.includes('--enable-network-policy=true'),
    image: typeof own?.['image'] === 'string' ? own['image'] : 'unknown image',
  };
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
