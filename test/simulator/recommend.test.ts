/**
 * The recommendation holds out against the peer's defaults on pods that the search has not seen: two of the presets, at a quarter of
 * their size. `npm run ctl -- recommend --compare`, which .ci/run runs, does it for all of them in full.
 */
import { afterAll, expect, it } from '@jest/globals';
import { compare } from '#ipamd/ctl/recommend/compare.ts';
import { Runs } from '#ipamd/ctl/recommend/runs.ts';
import type { ClusterDescription } from '#warm-pool/simulator/description.ts';
import { PRESETS } from '#warm-pool/simulator/presets.data.ts';
import type { Generator } from '#warm-pool/simulator/workload.ts';

const SCALE = 4;
const few = (count: number): number => Math.max(1, Math.round(count / SCALE));

function smallerCluster(cluster: ClusterDescription): ClusterDescription {
  const groups = cluster.groups.map((group) => ({ ...group, count: few(group.count) }));
  return { ...cluster, groups };
}

function smaller(generator: Generator): Generator {
  switch (generator.kind) {
    case 'churn':
      return { ...generator, podsPerHour: few(generator.podsPerHour) };
    case 'batch':
      return { ...generator, pods: few(generator.pods), parallelism: few(generator.parallelism) };
    case 'scale-out':
      return { ...generator, nodes: few(generator.nodes) };
    case 'cron':
    case 'rollout':
      return { ...generator, pods: few(generator.pods) };
    default:
      return generator satisfies never;
  }
}

const runs = new Runs(new AbortController().signal, () => undefined);
afterAll(() => runs.close());

it.each(['churn', 'scale-out'])('on %s', async (name) => {
  const { cluster, workload } = PRESETS[name] ?? { cluster: undefined, workload: [] };
  if (cluster === undefined) throw new Error(`there is no preset ${name}`);
  const subject = { cluster: smallerCluster(cluster), workload: workload.map(smaller) };
  const row = await compare(runs, name, subject, { objective: 'balanced', seeds: [1, 2, 3], most: 50 });
  expect(row).toMatchObject({ isHeld: true, needed: name === 'churn' ? 1 : 2 });
});
