/** Kubernetes' own end-to-end tests, run against a cluster by several processes at once, each with its share of the specs. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, runCommand } from '#test/support/command.ts';
import { built } from '../build.ts';
import type { KubernetesBed } from '../cluster/bed.ts';
import { AGNHOST_IMAGE } from '../cluster/images.ts';

/** In the place of the registries that the specs would pull from. */
const REGISTRY = 'wellspring.test';
const PROCESSES = 4;
const LIMIT_MS = 30 * 60_000;

export interface SpecResult {
  readonly name: string;
  /** passed, failed, skipped, timedout, panicked, ... */
  readonly state: string;
  readonly seconds: number;
  /** Why it failed; empty otherwise. */
  readonly failure: string;
}

/** Full names of all conformance specs of sig-network. */
export async function conformanceSpecs(): Promise<readonly string[]> {
  const text = await runCommand(await built('e2e.test'), ['--list-tests']);
  const names = text.split('\n').map((line) => line.replace(/^.*?(?=\[sig-network\])/, '').trim());
  return names.filter((name) => name.startsWith('[sig-network]') && name.includes('[Conformance]')).sort();
}

/** Runs the specs once each. Rejects where a process ends without a report; failed specs are in what it resolves with. */
export async function runSpecs(
  bed: KubernetesBed,
  names: readonly string[],
  directory: string,
): Promise<readonly SpecResult[]> {
  const repositories = join(directory, 'repositories.yaml');
  await writeFile(repositories, `promoterE2eRegistry: ${REGISTRY}\ngcRegistry: ${REGISTRY}\n`);
  await tagImages(bed, repositories);
  const shares = Array.from({ length: PROCESSES }, (_, share) =>
    names.filter((_name, index) => index % PROCESSES === share),
  );
  const results = await Promise.all(
    shares.map((share, index) => runShare(bed, share, { directory, repositories, name: `share-${index}` })),
  );
  return results.flat();
}

/** Whatever image a spec asks for is agnhost's with its tools; it does nothing where it is told nothing, as the pause image. */
async function tagImages(bed: KubernetesBed, repositories: string): Promise<void> {
  const env = { ...process.env, KUBE_TEST_REPO_LIST: repositories };
  const text = await runCommand(await built('e2e.test'), ['--list-images'], { env });
  const images = text.split('\n').filter((name) => name.startsWith(`${REGISTRY}/`));
  for (const node of bed.nodes) for (const image of images) await node.tagImage(AGNHOST_IMAGE, image);
}

async function runShare(
  { plane }: KubernetesBed,
  names: readonly string[],
  {
    directory,
    repositories,
    name,
  }: { readonly directory: string; readonly repositories: string; readonly name: string },
): Promise<readonly SpecResult[]> {
  const report = join(directory, `${name}.json`);
  const focus = `^(Kubernetes e2e suite )?(${names.map((each) => each.replaceAll(/[[\]().*+?^$\\|{}]/g, String.raw`\$&`)).join('|')})`;
  const args = [
    `--kubeconfig=${plane.kubeconfig}`,
    '--provider=skeleton',
    '--num-nodes=2',
    '--disable-log-dump',
    '--ginkgo.no-color',
    `--ginkgo.focus=${focus}`,
    `--ginkgo.json-report=${report}`,
    '--ginkgo.timeout=25m',
  ];
  const command = ['setpriv', '--pdeathsig', 'KILL', await built('e2e.test'), ...args];
  const env = { ...process.env, KUBE_TEST_REPO_LIST: repositories };
  const output = await run('nsenter', [`--net=/run/netns/${plane.netns}`, ...command], { env, timeoutMs: LIMIT_MS });
  const text = await readFile(report, 'utf8').catch(() => {
    throw new Error(`the specs ended with ${output.code} and left no report: ${output.stdout.slice(-3000)}`);
  });
  return (JSON.parse(text) as readonly GinkgoReport[])
    .flatMap(({ SpecReports }) => SpecReports ?? [])
    .filter(({ LeafNodeType, State }) => LeafNodeType === 'It' && State !== 'skipped')
    .map((spec) => ({
      name: [...(spec.ContainerHierarchyTexts ?? []), spec.LeafNodeText].join(' '),
      state: spec.State,
      seconds: spec.RunTime / 1e9,
      failure: spec.Failure?.Message ?? '',
    }));
}

/** Of ginkgo's types.Report what is read here. */
interface GinkgoReport {
  readonly SpecReports?: readonly {
    readonly ContainerHierarchyTexts?: readonly string[];
    readonly LeafNodeText: string;
    readonly LeafNodeType: string;
    readonly State: string;
    /** Nanoseconds. */
    readonly RunTime: number;
    readonly Failure?: { readonly Message: string };
  }[];
}
