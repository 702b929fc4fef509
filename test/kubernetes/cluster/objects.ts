/** What the tests ask of the API server, and what they wait for there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadYaml } from '@kubernetes/client-node';
import type { Json } from '#test/support/kubernetes/patch.ts';
import { until } from '#test/support/until.ts';
import type { ClusterControlPlane } from './control-plane.ts';
import { AGNHOST_IMAGE } from './images.ts';

const DEPLOY = new URL('../../../deploy', import.meta.url).pathname;
export const MERGE = 'application/merge-patch+json';
/** agnhost's netexec, which answers about itself and asks others when told to. */
export const HTTP_PORT = 8080;
const LISTENING_MS = 60_000;

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly Condition[];
  };
}

interface Node {
  readonly spec: { readonly taints?: readonly { readonly key: string }[] };
  readonly status: { readonly conditions?: readonly Condition[] };
}

/** ENIConfigs and CNINodes, as they are on EKS from the start. */
export async function applyDefinitions(plane: ClusterControlPlane): Promise<void> {
  await applyFolder(plane, 'crds');
}

/** What an ipamd that is no pod may do. */
export async function applyRights(plane: ClusterControlPlane): Promise<void> {
  await applyFolder(plane, 'rbac');
  for (const role of ['wellspring-ipamd', 'wellspring-ipamd-annotate-pods'])
    if ((await plane.ask('GET', `/apis/rbac.authorization.k8s.io/v1/clusterroles/${role}`)).status === 200)
      await apply(plane, binding(role, 'ipamd'));
}

async function applyFolder(plane: ClusterControlPlane, folder: string): Promise<void> {
  for (const file of readdirSync(join(DEPLOY, folder)))
    await applyYaml(plane, readFileSync(join(DEPLOY, folder, file), 'utf8'));
}

function binding(role: string, user: string): Json {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: `${role}-of-${user}` },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  };
}

/** Every document of the text, as it is written: the API server reads YAML. */
export async function applyYaml(plane: ClusterControlPlane, text: string): Promise<void> {
  for (const document of text.split(/^---$/m)) {
    const hasContent = document.split('\n').some((line) => line.trim() !== '' && !line.startsWith('#'));
    if (hasContent) await applyText(plane, loadYaml<Named>(document), document);
  }
}

const CLUSTER_WIDE = new Set([
  'Namespace',
  'Node',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'ENIConfig',
  'CNINode',
  'PriorityClass',
]);

interface Named {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** Server-side apply: the object is as it is written here, whether it was there or not. */
export function apply(plane: ClusterControlPlane, object: Json): Promise<void> {
  return applyText(plane, object as unknown as Named, JSON.stringify(object));
}

async function applyText(plane: ClusterControlPlane, named: Named, text: string): Promise<void> {
  const path = `${pathOf(named)}?fieldManager=test&force=true`;
  const answer = await plane.ask('PATCH', path, text, 'application/apply-patch+yaml');
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.text}`);
}

/** Where the API server has the object. */
function pathOf({ apiVersion, kind, metadata }: Named): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const namespace = CLUSTER_WIDE.has(kind) ? '' : `/namespaces/${metadata.namespace ?? 'default'}`;
  const resource = kind.endsWith('y') ? `${kind.slice(0, -1)}ies` : `${kind}s`;
  return `${group}${namespace}/${resource.toLowerCase()}/${metadata.name}`;
}

/** A namespace for one test; it and what is in it is gone when disposed of, pods included. */
export async function namespaceFor(plane: ClusterControlPlane, name: string): Promise<AsyncDisposable> {
  await apply(plane, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await until('its service account is there', 60_000, async () => {
    return (await plane.ask('GET', `/api/v1/namespaces/${name}/serviceaccounts/default`)).status === 200;
  });
  return {
    [Symbol.asyncDispose]: async () => {
      await plane.admin('DELETE', `/api/v1/namespaces/${name}`);
      await until(`the namespace ${name} is gone`, 180_000, async () => {
        return (await plane.ask('GET', `/api/v1/namespaces/${name}`)).status === 404;
      });
    },
  };
}

export interface DeploymentOptions {
  readonly namespace: string;
  readonly name: string;
  readonly replicas: number;
  readonly nodeName?: string;
  readonly spec?: Json;
  /** They go on for that long after they were told to end; 1 s where absent. */
  readonly graceSeconds?: number;
}

export function deployment({ namespace, name, replicas, nodeName, spec, graceSeconds = 1 }: DeploymentOptions): Json {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: graceSeconds,
          automountServiceAccountToken: false,
          // Hundreds of replicas would take the processors with environment variables of Services.
          enableServiceLinks: false,
          ...(nodeName === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': nodeName } }),
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'kubernetes.io/hostname',
              whenUnsatisfiable: 'ScheduleAnyway',
              labelSelector: { matchLabels: labels },
            },
          ],
          containers: [
            {
              name: 'agnhost',
              image: AGNHOST_IMAGE,
              imagePullPolicy: 'Never',
              args: ['netexec', `--http-port=${HTTP_PORT}`, '--udp-port=8081'],
              ports: [{ containerPort: HTTP_PORT }],
            },
          ],
          ...spec,
        },
      },
    },
  };
}

export async function podsOf(plane: ClusterControlPlane, namespace: string, app?: string): Promise<readonly Pod[]> {
  const selector = app === undefined ? '' : `?labelSelector=app%3D${app}`;
  const { items } = await plane.admin('GET', `/api/v1/namespaces/${namespace}/pods${selector}`);
  return items as readonly Pod[];
}

/** That many pods of the app, no others, all Ready, when it resolves. The error says what became of the others. */
export async function running(
  plane: ClusterControlPlane,
  { namespace, name, replicas }: Pick<DeploymentOptions, 'namespace' | 'name' | 'replicas'>,
  deadlineMs: number,
): Promise<readonly Pod[]> {
  let pods: readonly Pod[] = [];
  const ready = (pod: Pod) => isTrue(pod.status.conditions, 'Ready') && pod.metadata.deletionTimestamp === undefined;
  await until(`${replicas} pods of ${name} are Ready`, deadlineMs, async () => {
    pods = await podsOf(plane, namespace, name);
    await new Promise((resolve) => setTimeout(resolve, 200));
    return pods.length === replicas && pods.every(ready);
  }).catch(async (error: unknown) => {
    const late = pods.find((pod) => !ready(pod));
    const events = late === undefined ? [] : await eventsAbout(plane, namespace, late.metadata.name);
    throw new Error(
      `${String(error)}; ${pods.filter(ready).length} of ${pods.length} are; ${late?.metadata.name}: ${JSON.stringify(events.slice(-3).map(({ reason, message }) => [reason, message]))}`,
    );
  });
  return pods;
}

export async function scale(
  plane: ClusterControlPlane,
  namespace: string,
  name: string,
  replicas: number,
): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${name}/scale`;
  await plane.admin('PATCH', path, { spec: { replicas } }, MERGE);
}

export interface Event {
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: { readonly name: string };
}

export async function eventsAbout(
  plane: ClusterControlPlane,
  namespace: string,
  name: string,
): Promise<readonly Event[]> {
  const { items } = await plane.admin('GET', `/api/v1/namespaces/${namespace}/events?limit=5000`);
  return (items as readonly Event[]).filter((event) => event.involvedObject.name === name);
}

/** Ready, and without the start-up taint. */
export async function isReady(plane: ClusterControlPlane, name: string): Promise<boolean> {
  const { status, text } = await plane.ask('GET', `/api/v1/nodes/${name}`);
  if (status !== 200) return false;
  const node = JSON.parse(text) as Node;
  const tainted = (node.spec.taints ?? []).some(
    ({ key }) => key.startsWith('wellspring.dev/') || key.startsWith('node.kubernetes.io/not-ready'),
  );
  return isTrue(node.status.conditions, 'Ready') && !tainted;
}

export async function conditionsOf(plane: ClusterControlPlane, node: string): Promise<readonly Condition[]> {
  const { status } = (await plane.admin('GET', `/api/v1/nodes/${node}`)) as unknown as Node;
  return status.conditions ?? [];
}

/** Since when the node has been Ready; it is another time when it was not in between. */
export async function readySince(plane: ClusterControlPlane, node: string): Promise<string> {
  const ready = (await conditionsOf(plane, node)).find(({ type }) => type === 'Ready');
  return `${ready?.status} since ${ready?.lastTransitionTime}`;
}

function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return (conditions ?? []).some((condition) => condition.type === type && condition.status === 'True');
}

/**
 * What agnhost in one pod gets from another address, asked by way of the API server: `hostname` or `clientip`. It may be
 * that the other has an address and does not listen yet.
 */
export async function dial(
  plane: ClusterControlPlane,
  from: { readonly namespace: string; readonly pod: Pod },
  to: { readonly host: string; readonly port: number; readonly request?: string },
): Promise<readonly string[]> {
  const query = new URLSearchParams({
    host: to.host,
    port: String(to.port),
    protocol: 'http',
    request: to.request ?? 'hostname',
    tries: '1',
  });
  const path = `/api/v1/namespaces/${from.namespace}/pods/${from.pod.metadata.name}:${HTTP_PORT}/proxy/dial?${query.toString()}`;
  let answer: readonly string[] = [];
  await until(`${from.pod.metadata.name} has asked ${to.host}`, LISTENING_MS, async () => {
    const { status, text } = await plane.ask('GET', path);
    const { responses = [], errors = [] } = status === 200 ? (JSON.parse(text) as Dialled) : { errors: [text] };
    answer = responses.length > 0 ? responses : errors.map((error) => `error: ${error}`);
    return !answer.join().includes('connection refused');
  });
  return answer;
}

interface Dialled {
  readonly responses?: readonly string[];
  readonly errors?: readonly string[];
}
