/** ipamd as operators run it: the image that this checkout builds, in the DaemonSet that helm renders from the chart. */
import { join } from 'node:path';
import { buildImage } from '#tools/build-image.ts';
import { CHART } from '#tools/generate-manifests.ts';
import { builtHelm, render } from '#tools/helm.ts';
import { cloudEnvironment } from './cloud-environment.ts';
import type { ClusterControlPlane } from './control-plane.ts';
import { until } from '#test/support/until.ts';
import { applyYaml, MERGE } from './objects.ts';

export const RELEASE = { name: 'wellspring', namespace: 'kube-system' } as const;

const READY_MS = 240_000;

interface Rollout {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly desiredNumberScheduled: number;
    readonly updatedNumberScheduled?: number;
    readonly numberReady: number;
  };
}

export class DaemonSet {
  /** An archive for `ctr images import`. */
  readonly image: string;
  readonly #helm: string;

  private constructor(image: string, helm: string) {
    this.image = image;
    this.#helm = helm;
  }

  static async build(directory: string): Promise<DaemonSet> {
    const { path } = await buildImage({ log: () => undefined, path: join(directory, 'ipamd.tar') });
    return new DaemonSet(path, await builtHelm());
  }

  /** Applies what the chart renders with these settings; the emulated cloud stands in for EC2 and metadata. */
  async install(plane: ClusterControlPlane, settings: Readonly<Record<string, string>>): Promise<void> {
    const extraEnv = Object.entries(cloudEnvironment()).map(([name, value]) => ({ name, value }));
    const documents = await render(this.#helm, {
      chart: CHART,
      release: RELEASE.name,
      namespace: RELEASE.namespace,
      setJson: [`extraEnv=${JSON.stringify(extraEnv)}`, `env=${JSON.stringify(settings)}`],
    });
    await applyYaml(plane, documents);
  }
}

const PATH = `/apis/apps/v1/namespaces/${RELEASE.namespace}/daemonsets/${RELEASE.name}`;

/** Every node has a pod of its newest form that is Ready, when it resolves. */
export async function rolledOut(plane: ClusterControlPlane, nodes: number): Promise<void> {
  await until('the DaemonSet is rolled out', READY_MS, async () => {
    const { metadata, status } = (await plane.admin('GET', PATH)) as unknown as Rollout;
    if (status === undefined || status.observedGeneration !== metadata.generation) return false;
    return status.updatedNumberScheduled === nodes && status.numberReady === nodes;
  });
}

/** As `kubectl rollout restart`: every pod of it is replaced, one node after the other. */
export async function restart(plane: ClusterControlPlane): Promise<void> {
  const template = { metadata: { annotations: { 'wellspring.test/restarted': new Date().toISOString() } } };
  await plane.admin('PATCH', PATH, { spec: { template } }, MERGE);
}
