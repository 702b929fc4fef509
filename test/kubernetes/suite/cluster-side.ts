/** What must hold of the daemon's side with every API server: the real one, and the one that this repository plays. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CniError } from '#cni/spec/errors.ts';
import { until } from '#test/support/until.ts';
import type { Json } from '#test/support/kubernetes/patch.ts';
import {
  annotationsOf,
  deleteEniConfig,
  deletePod,
  eventsAbout,
  getNode,
  makeEniConfig,
  makeNode,
  makePod,
  patchEniConfig,
  patchNode,
  setPodCapacity,
  unique,
} from './objects.ts';
import { podsWatch } from './pods-watch.ts';
import { type ApiSubject, metric, openFor, type OpenOptions } from './subject.ts';

const DEADLINE_MS = 15_000;
const POD_IPS = 'vpc.amazonaws.com/pod-ips';
const SHORT = new CniError(
  'subnet-exhausted',
  'no address for this pod: 1 more block needed, but none of 1 known subnet can give any.',
);

export function describeClusterSide(title: string, open: () => Promise<ApiSubject>, openMs = 60_000): void {
  describe(title, () => {
    let api: ApiSubject;
    beforeAll(async () => {
      api = await open();
    }, openMs);
    afterAll(async () => api?.[Symbol.asyncDispose]());

    const opened = (nodeName: string, more: Partial<OpenOptions> = {}) =>
      openFor({ kubeconfig: api.kubeconfig, nodeName, ...more });

    it('knows whether the node is schedulable and how many pods it may run, and follows', async () => {
      const node = unique('node');
      await makeNode(api, node, { status: { capacity: { pods: '29' } } });
      await using side = opened(node);
      const { view } = side.cluster;
      expect([view.schedulable(), view.podCapacity()]).toEqual([undefined, undefined]);
      await until('the node is known', DEADLINE_MS, () => view.schedulable() === true && view.podCapacity() === 29);
      await patchNode(api, node, {
        spec: { taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] },
      });
      await until('it is cordoned', DEADLINE_MS, () => view.schedulable() === false);
      await setPodCapacity(api, node, '110');
      await patchNode(api, node, {
        spec: { taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'PreferNoSchedule' }] },
      });
      await until(
        'it is schedulable again',
        DEADLINE_MS,
        () => view.schedulable() === true && view.podCapacity() === 110,
      );
      await until(
        'the watch is counted as connected',
        DEADLINE_MS,
        async () => (await metric(side.registry, 'wellspring_kubernetes_watch_connected', { resource: 'nodes' })) === 1,
      );
    });

    it('finds the ENIConfig by external label, annotation, label and default, in this order, and follows', async () => {
      const node = unique('node');
      const names = ['external', 'annotated', 'labelled'].map(unique);
      const [external = '', annotated = '', labelled = ''] = names;
      await makeNode(api, node);
      for (const [index, name] of [...names, 'default'].entries())
        await makeEniConfig(api, name, { subnet: `subnet-0${index}`, securityGroups: ['sg-0a'] });
      await using side = opened(node, { customNetworking: true });
      const { view } = side.cluster;
      const uses = (name: string) =>
        until(`ENIConfig ${name}`, DEADLINE_MS, () => {
          const found = view.eniConfig();
          return found.kind === 'found' && found.eniConfig.name === name;
        });
      expect(view.eniConfig()).toEqual({ kind: 'unknown' });
      await uses('default');
      await patchNode(api, node, { metadata: { labels: { 'k8s.amazonaws.com/eniConfig': labelled } } });
      await uses(labelled);
      await patchNode(api, node, { metadata: { annotations: { 'k8s.amazonaws.com/eniConfig': annotated } } });
      await uses(annotated);
      await patchNode(api, node, { metadata: { labels: { 'vpc.amazonaws.com/externalEniConfig': external } } });
      await uses(external);
      expect(view.eniConfig()).toEqual({
        kind: 'found',
        eniConfig: { name: external, subnetId: 'subnet-00', securityGroupIds: ['sg-0a'] },
      });
      await patchEniConfig(api, external, { subnet: 'subnet-0f', securityGroups: null });
      await until('its new subnet', DEADLINE_MS, () => {
        const found = view.eniConfig();
        return (
          found.kind === 'found' &&
          found.eniConfig.subnetId === 'subnet-0f' &&
          found.eniConfig.securityGroupIds.length === 0
        );
      });
      await deleteEniConfig(api, external);
      await until('it is missing', DEADLINE_MS, () => view.eniConfig().kind === 'missing');
      expect(view.eniConfig()).toMatchObject({ name: external, why: expect.stringContaining('does not exist') });
      for (const name of [annotated, labelled, 'default']) await deleteEniConfig(api, name);
    });

    it('tells a waiting pod why, in the words of the CNI error, and counts repetitions in one event', async () => {
      const node = unique('node');
      await makeNode(api, node);
      const pod = await makePod(api, node);
      await using side = opened(node);
      const { news } = side.cluster;
      const ended = news.waiting(pod, () => SHORT);
      await until('an event', DEADLINE_MS, async () => (await eventsAbout(api, 'default', pod.name)).length > 0);
      ended(SHORT);
      for (let count = 0; count < 5; count += 1) news.refused(pod, SHORT);
      await until('the repetitions are counted', DEADLINE_MS, async () => {
        news.refused(pod, SHORT);
        const [event] = await eventsAbout(api, 'default', pod.name);
        return Number(event?.['count']) > 5;
      });
      const events = await eventsAbout(api, 'default', pod.name);
      expect(events).toHaveLength(1);
      expect(events[0]).toMatchObject({
        reason: 'SubnetExhausted',
        message: SHORT.msg,
        type: 'Warning',
        involvedObject: { kind: 'Pod', uid: pod.uid, namespace: 'default' },
      });
      const done = { what: 'event', outcome: 'done' };
      await until(
        'the writes are counted',
        DEADLINE_MS,
        async () => (await metric(side.registry, 'wellspring_kubernetes_writes_total', done)) > 1,
      );
    });

    it('says nothing of a wait that is short, nor of one for what is on its way', async () => {
      const node = unique('node');
      await makeNode(api, node);
      const [short, soon] = [await makePod(api, node), await makePod(api, node)];
      const marker = await makePod(api, node);
      await using side = opened(node);
      const { news } = side.cluster;
      news.waiting(short, () => SHORT)();
      const ended = news.waiting(
        soon,
        () => new CniError('try-again-later', 'no address for this pod yet: addresses are on their way'),
      );
      // What is on its way for eight seconds is news. It ends before by the same timers, however slow the API server is.
      const isOver = new Promise<void>((resolve) => side.clock.after(2000, () => resolve(ended())));
      // One that is told of comes later than the moment after which the others would have been.
      const told = news.waiting(marker, () => SHORT);
      await until('the marker', DEADLINE_MS, async () => (await eventsAbout(api, 'default', marker.name)).length > 0);
      told();
      await isOver;
      expect(await eventsAbout(api, 'default', short.name)).toEqual([]);
      expect(await eventsAbout(api, 'default', soon.name)).toEqual([]);
    });

    it('shows a shortage as a condition of the node, and its end', async () => {
      const node = unique('node');
      await makeNode(api, node, {
        status: { conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'x' }] },
      });
      const pod = await makePod(api, node);
      await using side = opened(node);
      const conditions = async () => ((await getNode(api, node))['status'] as Json)['conditions'] as readonly Json[];
      const shortage = async () => (await conditions()).find(({ type }) => type === 'AddressShortage');
      const ended = side.cluster.news.waiting(pod, () => SHORT);
      await until('the shortage', DEADLINE_MS, async () => (await shortage())?.['status'] === 'True');
      expect(await shortage()).toMatchObject({ reason: 'SubnetExhausted', message: SHORT.msg });
      ended();
      await until('its end', DEADLINE_MS, async () => (await shortage())?.['status'] === 'False');
      expect(await shortage()).toMatchObject({ reason: 'AddressesAvailable' });
      expect((await conditions()).find(({ type }) => type === 'Ready')).toMatchObject({
        status: 'True',
        reason: 'KubeletReady',
      });
      // Events and conditions are written side by side.
      await until('its event', DEADLINE_MS, async () => (await eventsAbout(api, 'default', node)).length > 0);
      expect(await eventsAbout(api, 'default', node)).toMatchObject([
        { reason: 'SubnetExhausted', involvedObject: { kind: 'Node' } },
      ]);
    });

    it('ends a shortage that an earlier process reported', async () => {
      const node = unique('node');
      const conditions = [{ type: 'AddressShortage', status: 'True', reason: 'SubnetExhausted', message: 'x' }];
      await makeNode(api, node, { status: { conditions } });
      await using side = opened(node);
      side.cluster.serving([]);
      await until('the condition is false', DEADLINE_MS, async () => {
        const { conditions } = (await getNode(api, node))['status'] as { conditions: readonly Json[] };
        return conditions[0]?.['status'] === 'False';
      });
    });

    it('takes the start-up taint off when it serves, not before, and leaves other taints', async () => {
      const node = unique('node');
      const other = { key: 'dedicated', value: 'x', effect: 'NoExecute' };
      await makeNode(api, node, {
        spec: { taints: [{ key: 'wellspring.dev/not-ready', effect: 'NoSchedule' }, other] },
      });
      await using side = opened(node);
      const taints = async () => ((await getNode(api, node))['spec'] as Json)['taints'];
      await until('the node is known', DEADLINE_MS, () => side.cluster.view.schedulable() !== undefined);
      expect(await taints()).toHaveLength(2);
      side.cluster.serving([]);
      await until('the taint is gone', DEADLINE_MS, async () => ((await taints()) as readonly Json[]).length === 1);
      expect(await taints()).toMatchObject([other]);
    });

    it('annotates a pod with its addresses, and clears what it wrote', async () => {
      const node = unique('node');
      await makeNode(api, node);
      const [one, other] = [await makePod(api, node, { annotations: { kept: 'yes' } }), await makePod(api, node)];
      await using side = opened(node, { annotatePodIp: true });
      const { news } = side.cluster;
      const says = (pod: typeof one, value: string) =>
        until(`${pod.name}: ${value}`, DEADLINE_MS, async () => (await annotationsOf(api, pod))[POD_IPS] === value);
      news.attached(one, ['10.0.0.5', 'fd00::5']);
      news.attached(other, ['10.0.0.6']);
      await says(one, '10.0.0.5,fd00::5');
      await says(other, '10.0.0.6');
      // A second sandbox of the pod has an address of its own by the time that the first one goes.
      news.attached(other, ['10.0.0.7']);
      await says(other, '10.0.0.7');
      news.detached(other, ['10.0.0.6']);
      news.detached(one, ['10.0.0.5', 'fd00::5']);
      await says(one, '');
      expect(await annotationsOf(api, one)).toMatchObject({ kept: 'yes' });
      await says(other, '10.0.0.7');
      expect(
        await metric(side.registry, 'wellspring_kubernetes_writes_total', {
          what: 'pod-annotation',
          outcome: 'refused',
        }),
      ).toBe(0);
    });

    it('never annotates another pod of the same name, nor minds one that is gone', async () => {
      const node = unique('node');
      await makeNode(api, node);
      const first = await makePod(api, node);
      await deletePod(api, first.name);
      const second = await makePod(api, node, { name: first.name });
      await using side = opened(node, { annotatePodIp: true });
      const { news } = side.cluster;
      news.attached(first, ['10.0.0.5']);
      news.attached({ ...first, name: unique('gone') }, ['10.0.0.5']);
      news.attached(await makePod(api, node), ['10.0.0.6']);
      const done = { what: 'pod-annotation', outcome: 'done' };
      await until(
        'all are settled',
        DEADLINE_MS,
        async () => (await metric(side.registry, 'wellspring_kubernetes_writes_total', done)) === 3,
      );
      expect(await annotationsOf(api, second)).toEqual({});
    });

    it('annotates at start what an earlier process could not', async () => {
      const node = unique('node');
      await makeNode(api, node);
      const [behind, fine] = [
        await makePod(api, node),
        await makePod(api, node, { annotations: { [POD_IPS]: '10.0.0.9' } }),
      ];
      await using side = opened(node, { annotatePodIp: true });
      side.cluster.serving([
        { pod: behind, addresses: ['10.0.0.8'] },
        { pod: fine, addresses: ['10.0.0.9'] },
      ]);
      await until('it caught up', DEADLINE_MS, async () => (await annotationsOf(api, behind))[POD_IPS] === '10.0.0.8');
      const done = { what: 'pod-annotation', outcome: 'done' };
      await until(
        'one write is counted',
        DEADLINE_MS,
        async () => (await metric(side.registry, 'wellspring_kubernetes_writes_total', done)) === 1,
      );
    });

    it('knows the annotations of the pods of its node, and of no others', async () => {
      const [node, other] = [unique('node'), unique('node')];
      await makeNode(api, node);
      const mine = await makePod(api, node, { annotations: { a: '1' } });
      const foreign = await makePod(api, other, { annotations: { a: '2' } });
      await using watched = podsWatch(api.kubeconfig, node);
      const annotations = (name: string) => watched.podAnnotations('default', name);
      await until('the pod is known', DEADLINE_MS, () => annotations(mine.name)?.['a'] === '1');
      const later = await makePod(api, node, { annotations: { a: '3' } });
      await until('the next one too', DEADLINE_MS, () => annotations(later.name)?.['a'] === '3');
      expect(annotations(foreign.name)).toBeUndefined();
      await deletePod(api, mine.name);
      await until('the first is gone', DEADLINE_MS, () => annotations(mine.name) === undefined);
    });

    it('tells of missing IAM permissions on the node and on its own pod', async () => {
      const node = unique('node');
      await makeNode(api, node);
      const name = unique('ipamd');
      const own = await api.admin('POST', '/api/v1/namespaces/kube-system/pods', {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'kube-system' },
        spec: { nodeName: node, automountServiceAccountToken: false, containers: [{ name: 'main', image: 'none' }] },
      });
      await using side = opened(node, { podName: name });
      for (const operation of ['CreateNetworkInterface', 'CreateNetworkInterface', 'AssignPrivateIpAddresses'])
        side.cluster.denied(operation);
      await until(
        'events on the pod',
        DEADLINE_MS,
        async () => (await eventsAbout(api, 'kube-system', name)).length === 2,
      );
      await until(
        'events on the node',
        DEADLINE_MS,
        async () => (await eventsAbout(api, 'default', node)).length === 2,
      );
      for (const event of await eventsAbout(api, 'kube-system', name))
        expect(event).toMatchObject({
          reason: 'MissingIAMPermissions',
          involvedObject: { uid: (own['metadata'] as Json)['uid'] },
          action: expect.stringMatching(/^ec2:(Create|Assign)/),
        });
    });
  });
}
