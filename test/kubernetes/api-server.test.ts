/** The daemon's side of the API server, against a real kube-apiserver with the role that ipamd is given. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { clusterSource } from '#ipamd/kubernetes/source.ts';
import type { Json } from '#test/support/kubernetes/patch.ts';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { builtApiServer } from './build.ts';
import { type ControlPlane, exchange, startControlPlane } from './control-plane.ts';
import { describeClusterSide } from './suite/cluster-side.ts';
import { makeNode, setPodCapacity, unique } from './suite/objects.ts';
import { openFor } from './suite/subject.ts';

const BUILD_MS = 30 * 60_000;
const DEADLINE_MS = 30_000;

describeWith(['go', 'etcd'], 'with kube-apiserver', () => {
  const open = async () => startControlPlane(await builtApiServer());
  describeClusterSide('the API-server side', open, BUILD_MS);
  describe('the daemon’s role, account and patience', theRest);
});

function theRest(): void {
  let api: ControlPlane;
  beforeAll(async () => {
    api = await startControlPlane(await builtApiServer());
  }, BUILD_MS);
  afterAll(async () => api?.[Symbol.asyncDispose]());

  it('is asked for nothing that the role of ipamd does not grant, and the role grants no more', async () => {
    const as = { certificate: api.certificate, token: api.ipamdToken, method: 'GET' };
    const paths = ['/api/v1/nodes', '/api/v1/pods', '/apis/crd.k8s.amazonaws.com/v1alpha1/eniconfigs'];
    for (const path of paths) expect(await exchange(`${api.url}${path}`, as)).toMatchObject({ status: 200 });
    for (const path of ['/api/v1/secrets', '/api/v1/configmaps', '/api/v1/events', '/apis/apps/v1/daemonsets'])
      expect(await exchange(`${api.url}${path}`, as)).toMatchObject({ status: 403 });
    const node = unique('node');
    await makeNode(api, node);
    expect(await exchange(`${api.url}/api/v1/nodes/${node}`, { ...as, method: 'DELETE' })).toMatchObject({
      status: 403,
    });
  });

  it('lets in a pod by its service account, from the files that kubelet gives it', async () => {
    const accounts = '/api/v1/namespaces/kube-system/serviceaccounts';
    await api.admin('POST', accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'wellspring' } });
    const { status } = await api.admin('POST', `${accounts}/wellspring/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 600 },
    });
    const directory = join(api.directory, 'serviceaccount');
    mkdirSync(directory);
    writeFileSync(join(directory, 'token'), (status as Json)['token'] as string);
    writeFileSync(join(directory, 'namespace'), 'kube-system');
    const { hostname, port } = new URL(api.url);
    const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    cpSync(api.certificate, join(directory, 'ca.crt'));
    const source = clusterSource({ env, clusterEndpoint: '', serviceAccountDirectory: directory });
    const node = unique('node');
    await makeNode(api, node);
    await using side = openFor({ source, nodeName: node });
    await until('the node is known', DEADLINE_MS, () => side.cluster.view.schedulable() === true);
  });

  it('may be killed and come back: what was known stays, and what changed is learned', async () => {
    const [node, later] = [unique('node'), unique('node')];
    await makeNode(api, node, { status: { capacity: { pods: '29' } } });
    await using side = openFor({ kubeconfig: api.kubeconfig, nodeName: node });
    await using early = openFor({ kubeconfig: api.kubeconfig, nodeName: later });
    const { view } = side.cluster;
    await until('the node is known', DEADLINE_MS, () => view.podCapacity() === 29);
    await api.stopApiServer();
    const away = () => side.log.filter(({ msg }) => String(msg).startsWith('the API server is away'));
    await until('it is noticed', DEADLINE_MS, () => away().length > 0);
    expect(view.podCapacity()).toBe(29);
    expect(early.cluster.view.schedulable()).toBeUndefined();
    await api.startApiServer();
    await setPodCapacity(api, node, '58');
    await makeNode(api, later);
    await until('the change is learned', DEADLINE_MS, () => view.podCapacity() === 58);
    await until('the new node too', DEADLINE_MS, () => early.cluster.view.schedulable() === true);
    expect(away()).toHaveLength(1);
    expect(side.log.filter(({ msg }) => msg === 'the API server is back')).toHaveLength(1);
  });
}
