/**
 * Helm, built from its Go module into a cache outside of the repository: about a minute of CPU once where Kubernetes' modules
 * are in Go's cache, some minutes otherwise. Later calls find it.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const HELM = 'v3.22.0';
const MODULE = 'helm.sh/helm/v3';
const BUILD_MS = 25 * 60_000;
const RENDER_MS = 60_000;

function cacheDirectory(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'wellspring', `helm-${HELM.slice(1)}`);
}

/** Whether `builtHelm` needs no compiler. */
export function isHelmBuilt(): boolean {
  return existsSync(join(cacheDirectory(), 'helm'));
}

/** Path of helm. Rejects with what the compiler said. */
export async function builtHelm(): Promise<string> {
  const cache = cacheDirectory();
  const program = join(cache, 'helm');
  if (existsSync(program)) return program;
  await mkdir(cache, { recursive: true });
  // A module of its own, and renamed when it is whole: another run may build at the same time.
  const scratch = await mkdtemp(join(cache, 'building-'));
  try {
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod -buildvcs=false' };
    const go = async (...args: readonly string[]): Promise<string> => {
      const options = { cwd: scratch, env, maxBuffer: 2 ** 26, timeout: BUILD_MS };
      return (await promisify(execFile)('nice', ['-n', '15', 'go', ...args], options)).stdout;
    };
    await writeFile(join(scratch, 'go.mod'), 'module wellspring.dev/helm\n');
    const { GoMod } = JSON.parse(await go('mod', 'download', '-json', `${MODULE}@${HELM}`)) as { GoMod: string };
    const version = /^go (\S+)/m.exec(await readFile(GoMod, 'utf8'))?.[1] ?? '1.25';
    await writeFile(
      join(scratch, 'go.mod'),
      `module wellspring.dev/helm\n\ngo ${version}\n\nrequire ${MODULE} ${HELM}\n`,
    );
    const ldflags = `-s -w -X ${MODULE}/internal/version.version=${HELM}`;
    await go('build', '-p', '2', '-trimpath', '-o', 'helm', '-ldflags', ldflags, `${MODULE}/cmd/helm`);
    await rename(join(scratch, 'helm'), program);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return program;
}

export interface Rendering {
  readonly chart: string;
  readonly release: string;
  readonly namespace: string;
  /** `--set` arguments: `key=value`. */
  readonly set?: readonly string[];
  /** `--set-json` arguments. */
  readonly setJson?: readonly string[];
  /** Whether the definitions in `crds/` come first. */
  readonly crds?: boolean;
  /** Further API versions that the cluster is taken to serve. */
  readonly apiVersions?: readonly string[];
}

/** The documents as `helm template` prints them. Rejects with what helm said. */
export async function render(helm: string, asked: Rendering): Promise<string> {
  const { chart, release, namespace, set = [], setJson = [], crds = false, apiVersions = [] } = asked;
  const args = [
    'template',
    release,
    chart,
    `--namespace=${namespace}`,
    '--kube-version=1.35.0',
    ...(crds ? ['--include-crds'] : []),
    ...set.flatMap((each) => ['--set', each]),
    ...setJson.flatMap((each) => ['--set-json', each]),
    ...apiVersions.flatMap((each) => ['--api-versions', each]),
  ];
  const { stdout } = await promisify(execFile)(helm, args, { maxBuffer: 2 ** 26, timeout: RENDER_MS });
  return stdout;
}
