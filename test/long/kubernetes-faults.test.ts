/** What an API server does on bad days, played: the daemon's side goes on, says so once, and catches up. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CniError } from '#cni/spec/errors.ts';
import { systemClock } from '#cloud/decorate/clock.ts';
import { ApiServer } from '#ipamd/kubernetes/api-server.ts';
import { loadCredentials } from '#ipamd/kubernetes/credentials.ts';
import { ResourceWatch } from '#ipamd/kubernetes/resource-watch.ts';
import {
  annotationsOf,
  eventsAbout,
  makeNode,
  makePod,
  patchNode,
  setPodCapacity,
} from '#test/kubernetes/suite/objects.ts';
import { metric, openFor, type OpenedCluster, wholeImport } from '#test/kubernetes/suite/subject.ts';
import { type FakeSubject, fakeSubject } from '#test/support/kubernetes/fake-subject.ts';
import { writeKubeconfig } from '#test/support/kubernetes/kubeconfig.ts';
import { until } from '#test/support/until.ts';

const DEADLINE_MS = 10_000;
const CORDONED = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const SHORT = new CniError('interface-limit', 'no address for this pod: all interfaces are full.');

let directory: string;
let api: FakeSubject;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'wellspring-kubernetes-'));
  api = await fakeSubject(directory);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const openNode = (more: Partial<Parameters<typeof openFor>[0]> = {}) =>
  openFor({ kubeconfig: api.kubeconfig, nodeName: 'node', ...more });
const capacityIs = (side: OpenedCluster, pods: number) =>
  until(`capacity ${pods}`, DEADLINE_MS, () => side.cluster.view.podCapacity() === pods);
const connected = (side: OpenedCluster, count: number) =>
  until(
    `${count} watches are connected`,
    DEADLINE_MS,
    async () => (await metric(side.registry, 'wellspring_kubernetes_watch_connected', { resource: 'nodes' })) === count,
  );
const warnings = (side: OpenedCluster) => side.log.filter(({ level }) => Number(level) >= 40);

describe('an API server that is away', () => {
  it('at the start, and later: said once each time, and caught up with', async () => {
    await api.server.stop();
    await using side = openNode();
    await until('it is noticed', DEADLINE_MS, () => warnings(side).length > 0);
    // More attempts, which are not said.
    await until(
      'several attempts',
      DEADLINE_MS,
      async () =>
        (await metric(side.registry, 'wellspring_kubernetes_watch_failures_total', { resource: 'nodes' })) > 4,
    );
    expect(side.cluster.view.podCapacity()).toBeUndefined();
    await api.server.start();
    await makeNode(api, 'node', { status: { capacity: { pods: '17' } } });
    await capacityIs(side, 17);
    expect(warnings(side)).toMatchObject([{ msg: 'the API server is away; serving with what was known of it' }]);
    await api.server.stop();
    await until('it is noticed again', DEADLINE_MS, () => warnings(side).length > 1);
    expect(side.cluster.view.podCapacity()).toBe(17);
    await connected(side, 0);
    await api.server.start();
    await setPodCapacity(api, 'node', '18');
    await capacityIs(side, 18);
    expect(warnings(side)).toHaveLength(2);
    expect(side.log.filter(({ msg }) => msg === 'the API server is back')).toHaveLength(2);
    await connected(side, 1);
  });

  it('delays no one; annotations are kept for it, and events that are too old are dropped and counted', async () => {
    await makeNode(api, 'node');
    const pods = [await makePod(api, 'node'), await makePod(api, 'node')] as const;
    await using side = openNode({ annotatePodIp: true });
    await until('the node is known', DEADLINE_MS, () => side.cluster.view.schedulable() === true);
    await api.server.stop();
    for (const pod of pods) {
      side.cluster.news.refused(pod, SHORT);
      side.cluster.news.attached(pod, ['10.0.0.5']);
    }
    for (let index = 0; index < 500; index += 1)
      side.cluster.news.refused({ namespace: 'default', name: `other-${index}`, uid: '' }, SHORT);
    const dropped = { what: 'event', outcome: 'dropped' };
    await until(
      'events are dropped',
      DEADLINE_MS,
      async () => (await metric(side.registry, 'wellspring_kubernetes_writes_total', dropped)) === 502,
    );
    await api.server.start();
    for (const pod of pods)
      await until(
        'the annotation',
        DEADLINE_MS,
        async () => (await annotationsOf(api, pod))['vpc.amazonaws.com/pod-ips'] === '10.0.0.5',
      );
    expect(await eventsAbout(api, 'default', pods[0].name)).toEqual([]);
  });
});

describe('watches', () => {
  it('go on from where they were when they are dropped, without a new list', async () => {
    await makeNode(api, 'node', { status: { capacity: { pods: '1' } } });
    await using side = openNode();
    await capacityIs(side, 1);
    for (let pods = 2; pods < 6; pods += 1) {
      await until('a watch', DEADLINE_MS, () => api.server.watchCount === 1);
      api.server.dropWatches();
      await setPodCapacity(api, 'node', String(pods));
      await capacityIs(side, pods);
    }
    const lists = api.server.requests.filter(
      ({ method, path, query }) => method === 'GET' && path === '/api/v1/nodes' && !query.has('watch'),
    );
    expect(lists).toHaveLength(1);
    expect(warnings(side)).toEqual([]);
  });

  it('list anew when their version is too old (410), and find what changed and what is gone', async () => {
    await makeNode(api, 'node', { status: { capacity: { pods: '1' } } });
    await using side = openNode();
    await capacityIs(side, 1);
    await until('a watch', DEADLINE_MS, () => api.server.watchCount === 1);
    await api.server.stop();
    api.server.store.put('/api/v1/nodes', 'node', { metadata: { name: 'node' }, status: { capacity: { pods: '2' } } });
    api.server.store.compact();
    await api.server.start();
    await capacityIs(side, 2);
    await api.server.stop();
    api.server.store.put('/api/v1/nodes', 'node', undefined);
    api.server.store.compact();
    await api.server.start();
    await until('the node is gone', DEADLINE_MS, () => side.cluster.view.podCapacity() === undefined);
    expect(side.cluster.view.schedulable()).toBe(false);
  });

  it('a Node that is deleted stays unschedulable until it is there again; one that was never seen is not known to be', async () => {
    await makeNode(api, 'node', { spec: { taints: [CORDONED] } });
    await using side = openNode();
    const { view } = side.cluster;
    expect(view.schedulable()).toBeUndefined();
    await until('the node is known', DEADLINE_MS, () => view.schedulable() === false);
    const told: (boolean | undefined)[] = [];
    view.onChange(() => told.push(view.schedulable()));
    api.server.store.put('/api/v1/nodes', 'node', undefined);
    await until('it is told', DEADLINE_MS, () => told.length > 0);
    expect(told).toEqual([false]);
    await makeNode(api, 'node');
    await until('the node is back', DEADLINE_MS, () => view.schedulable() === true);
  });

  it('see through malformed lines and objects, and count them', async () => {
    api.server.faults = {
      listed: [
        null,
        7,
        'x',
        {},
        { metadata: { name: 5 } },
        { metadata: { name: 'other', labels: [1], annotations: 'x' }, spec: 'y' },
      ],
    };
    await makeNode(api, 'node', { status: { capacity: { pods: '1' } } });
    await using side = openNode();
    await capacityIs(side, 1);
    expect(await metric(side.registry, 'wellspring_kubernetes_malformed_objects_total', { resource: 'nodes' })).toBe(5);
    const node = (pods: unknown) => ({
      metadata: { name: 'node', resourceVersion: '1' },
      status: { capacity: { pods } },
    });
    for (const pods of [{}, 'many', '-3', 1.5]) {
      await until('a watch', DEADLINE_MS, () => api.server.watchCount === 1);
      api.server.sayInWatches(JSON.stringify({ type: 'MODIFIED', object: node(pods) }));
      await until('it is unknown', DEADLINE_MS, () => side.cluster.view.podCapacity() === undefined);
      api.server.sayInWatches(JSON.stringify({ type: 'MODIFIED', object: node('1') }));
      await capacityIs(side, 1);
    }
    api.server.faults = {};
    for (const line of [
      '{"type":"MODIFIED","obj',
      '{"type":"NEWS","object":{}}',
      '[]',
      'null',
      '{"type":"ERROR","object":{"code":500}}',
    ]) {
      await until('a watch', DEADLINE_MS, () => api.server.watchCount === 1);
      api.server.sayInWatches(line);
      // What came with it may be lost: it is listed anew, or watched from before.
      await until('the watch ended', DEADLINE_MS, () => api.server.watchCount === 0);
    }
    await setPodCapacity(api, 'node', '3');
    await capacityIs(side, 3);
  });

  it('come through lists that are no lists', async () => {
    await makeNode(api, 'node', { status: { capacity: { pods: '1' } } });
    for (const listText of ['', 'no json', '{}', '{"items":{}}', '{"items":[]}', '<html>502</html>']) {
      api.server.faults = { listText };
      const before = api.server.requests.length;
      await using side = openNode();
      await until('it was asked', DEADLINE_MS, () => api.server.requests.length > before + 2);
      expect(side.cluster.view.podCapacity()).toBeUndefined();
      api.server.faults = {};
      await capacityIs(side, 1);
    }
  });

  it.each([401, 403, 500, 503])('wait while every request is answered %i, and say so once', async (status) => {
    await makeNode(api, 'node', { status: { capacity: { pods: '1' } } });
    api.server.faults = { status };
    await using side = openNode();
    await until('several attempts', DEADLINE_MS, () => api.server.requests.length > 5);
    expect(warnings(side)).toMatchObject([
      { resource: 'nodes', error: `the API server answered ${status}: as ordered` },
    ]);
    api.server.faults = {};
    await capacityIs(side, 1);
    expect(warnings(side)).toHaveLength(1);
  });

  it('take new credentials when the old ones are refused (401)', async () => {
    await makeNode(api, 'node', { status: { capacity: { pods: '1' } } });
    await using side = openNode();
    await capacityIs(side, 1);
    api.server.token = 'second';
    api.server.dropWatches();
    await until('it is refused', DEADLINE_MS, () => warnings(side).length > 0);
    writeKubeconfig(api.kubeconfig, { server: api.server.url, token: 'second' });
    await setPodCapacity(api, 'node', '2');
    await capacityIs(side, 2);
  });

  it('ask again only when the server wants to be asked (Retry-After)', async () => {
    api.server.faults = { status: 429, retryAfter: 30 };
    await using side = openNode();
    await until('two attempts', DEADLINE_MS, () => api.server.requests.length >= 2);
    await until('a third', DEADLINE_MS, () => api.server.requests.length >= 3);
    // 30 seconds of the hurried clock.
    const [, second = 0, third = 0] = api.server.requests.map(({ at }) => at);
    expect(third - second).toBeGreaterThan(1400);
    expect(side.log.length).toBeGreaterThan(0);
  });

  it('page through long lists', async () => {
    for (let index = 0; index < 250; index += 1)
      api.server.store.put('/api/v1/nodes', `node-${index}`, { metadata: { name: `node-${index}` } });
    api.server.store.compact();
    const names = new Set<string>();
    await using server = apiServer();
    await using _watch = new ResourceWatch({
      resource: 'nodes',
      path: '/api/v1/nodes',
      api: server,
      clock: systemClock,
      random: Math.random,
      backOff: { baseMs: 10, maxMs: 100 },
      onState: () => undefined,
      sink: {
        replace: (objects) =>
          objects.forEach((object) => names.add((object as { metadata: { name: string } }).metadata.name)),
        put: () => undefined,
        removed: () => undefined,
      },
    });
    await until('all are there', DEADLINE_MS, () => names.size === 250);
  });
});

describe('slow answers', () => {
  it('end by the deadline', async () => {
    api.server.faults = { delayMs: 1500 };
    await using server = apiServer({ timeoutMs: 150 });
    const asked = { method: 'GET', path: '/api/v1/nodes', signal: AbortSignal.timeout(60_000) } as const;
    await expect(server.request(asked)).rejects.toMatchObject({
      kind: 'unreachable',
      message: 'the API server did not answer in time',
    });
    await expect(server.watch(asked, () => undefined).next()).rejects.toMatchObject({ kind: 'unreachable' });
  });

  it('end by the signal of who asks, with its reason', async () => {
    api.server.faults = { delayMs: 1500 };
    await using server = apiServer();
    const stop = new AbortController();
    const asked = server.request({ method: 'GET', path: '/api/v1/nodes', signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
  });

  it('a watch that falls silent is taken for dead', async () => {
    await using server = apiServer({ silenceMs: 100 });
    const lines = server.watch(
      { method: 'GET', path: '/api/v1/nodes', query: { watch: 'true' }, signal: AbortSignal.timeout(60_000) },
      () => undefined,
    );
    await expect(lines.next()).rejects.toMatchObject({ kind: 'unreachable' });
    await until('the connection is closed', DEADLINE_MS, () => api.server.watchCount === 0);
  });
});

describe('where nothing is needed', () => {
  it('only the node is watched, by name; ENIConfigs with custom networking', async () => {
    await makeNode(api, 'node');
    await using plain = openNode();
    await until('the node is known', DEADLINE_MS, () => plain.cluster.view.schedulable() === true);
    await patchNode(api, 'node', { metadata: { labels: { x: 'y' } } });
    const asked = () =>
      new Set(
        api.server.requests
          .filter(({ method }) => method === 'GET')
          .map(({ path, query }) => `${path} ${query.get('fieldSelector')}`),
      );
    expect([...asked()]).toEqual(['/api/v1/nodes metadata.name=node']);
    await using custom = openNode({ customNetworking: true });
    await until('ENIConfigs are asked for', DEADLINE_MS, () =>
      asked().has('/apis/crd.k8s.amazonaws.com/v1alpha1/eniconfigs null'),
    );
    expect(custom.cluster.view.eniConfig().kind).not.toBe('found');
    expect(api.server.requests.some(({ path }) => path.includes('pods'))).toBe(false);
  });
});

function apiServer(times: { readonly timeoutMs?: number; readonly silenceMs?: number } = {}) {
  const source = { kind: 'kubeconfig', files: [api.kubeconfig], server: undefined } as const;
  const server = new ApiServer({
    load: () => loadCredentials(source, wholeImport),
    userAgent: 'test',
    timeoutMs: times.timeoutMs ?? 30_000,
    silenceMs: times.silenceMs ?? 30_000,
  });
  return Object.assign(server, { [Symbol.asyncDispose]: async () => server[Symbol.dispose]() });
}
