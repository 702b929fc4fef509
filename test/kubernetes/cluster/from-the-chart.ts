/** The DaemonSet of the chart: that it needs no more than it is given, and that it can be replaced under traffic. */
import { expect, it } from '@jest/globals';
import { runCommand } from '#test/support/command.ts';
import { until } from '#test/support/until.ts';
import type { KubernetesBed } from './bed.ts';
import { Conversation } from './conversation.ts';
import { restart, rolledOut } from './daemon-set.ts';
import { apply, deployment, namespaceFor, readySince, running } from './objects.ts';

const RUNNING_MS = 360_000;

export function fromTheChart(bed: () => KubernetesBed): void {
  it('runs on every node, with two capabilities and its probes answered', async () => {
    const { plane, nodes } = bed();
    await rolledOut(plane, nodes.length);
    const { items } = (await plane.admin('GET', '/api/v1/namespaces/kube-system/pods')) as {
      items: readonly IpamdPod[];
    };
    const pods = items.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] === 'wellspring');
    expect(pods.map(({ spec }) => spec.nodeName).sort()).toEqual(nodes.map(({ name }) => name).sort());
    for (const { spec, status } of pods) {
      expect(spec.containers[0]?.securityContext).toMatchObject({
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'SYS_ADMIN'] },
      });
      expect(spec.containers[0]?.securityContext?.privileged ?? false).toBe(false);
      expect(status.containerStatuses?.map(({ ready, restartCount }) => [ready, restartCount])).toEqual([[true, 0]]);
    }
  }, 1_200_000);

  it('is replaced on every node while connections are open and pods come: none is lost', async () => {
    const { plane, nodes } = bed();
    const namespace = 'rollout';
    await using talk = await Conversation.begin(bed(), namespace);
    const before = await Promise.all(nodes.map(({ name }) => readySince(plane, name)));
    await restart(plane);
    const meanwhile = { namespace, name: 'meanwhile', replicas: 10 };
    await apply(plane, deployment(meanwhile));
    await running(plane, meanwhile, RUNNING_MS);
    await rolledOut(plane, nodes.length);
    const { sent, lost } = await talk.end();
    expect(sent).toBeGreaterThan(20);
    expect(lost).toBe(0);
    expect(await Promise.all(nodes.map(({ name }) => readySince(plane, name)))).toEqual(before);
  }, 1_200_000);

  it('gives pods the cluster’s DNS', async () => {
    const { plane } = bed();
    const namespace = 'names';
    await using _namespace = await namespaceFor(plane, namespace);
    const one = { namespace, name: 'asker', replicas: 1 };
    await apply(plane, deployment(one));
    const [pod] = await running(plane, one, RUNNING_MS);
    const node = bed().node(pod?.spec.nodeName ?? '');
    const netns = await node.netnsOf(pod?.metadata.name ?? '');
    const name = 'kubernetes.default.svc.cluster.local';
    await until('the name is known', 60_000, async () => {
      const dig = ['dig', '+short', '+time=2', '+tries=1', '@10.96.0.10', name];
      return (await runCommand('nsenter', [`--net=${netns}`, ...dig]).catch(() => '')).trim() === '10.96.0.1';
    });
  }, 1_200_000);
}

interface IpamdPod {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly nodeName: string;
    readonly containers: readonly { readonly securityContext?: { readonly privileged?: boolean } }[];
  };
  readonly status: {
    readonly containerStatuses?: readonly { readonly ready: boolean; readonly restartCount: number }[];
  };
}
