/**
 * Kubernetes' programs, built from their Go module into a cache outside the repository: the module proxy has the sources,
 * and nobody serves the programs where this may run. A few minutes of CPU once; later runs find them.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const KUBERNETES = 'v1.35.4';
/** Version of the modules that stand in Kubernetes' own tree as `staging`. */
const STAGING = KUBERNETES.replace('v1.', 'v0.');

export function cacheDirectory(): string {
  return join(
    process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    'wellspring',
    `kubernetes-${KUBERNETES.slice(1)}`,
  );
}

/** Path of kube-apiserver. Rejects with what the compiler said. */
export function builtApiServer(): Promise<string> {
  return built('kube-apiserver');
}

/** Path of kube-proxy, which takes some seconds where kube-apiserver has been built. Rejects with what the compiler said. */
export function builtKubeProxy(): Promise<string> {
  return built('kube-proxy');
}

async function built(name: string): Promise<string> {
  const cache = cacheDirectory();
  const program = join(cache, name);
  if (existsSync(program)) return program;
  // A module of its own, and renamed when it is whole: another run may build at the same time.
  const directory = join(cache, `building-${name}.${process.pid}`);
  mkdirSync(directory, { recursive: true });
  try {
    await compile(name, directory);
    renameSync(join(directory, name), program);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return program;
}

async function compile(name: string, directory: string): Promise<void> {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod -buildvcs=false' };
  const go = async (...args: readonly string[]) => {
    const { stdout } = await promisify(execFile)('nice', ['-n', '15', 'go', ...args], {
      cwd: directory,
      env,
      maxBuffer: 2 ** 26,
    });
    return stdout;
  };
  writeFileSync(join(directory, 'go.mod'), 'module wellspring.dev/kubernetes-parts\n');
  const { GoMod: goMod } = JSON.parse(await go('mod', 'download', '-json', `k8s.io/kubernetes@${KUBERNETES}`)) as {
    GoMod: string;
  };
  writeFileSync(join(directory, 'go.mod'), moduleFile(readFileSync(goMod, 'utf8')));
  const { major = '', minor = '' } = /^v(?<major>\d+)\.(?<minor>\d+)/.exec(KUBERNETES)?.groups ?? {};
  // Without these the server calls itself v0.0.0, and clients choose features by that.
  const version = { gitVersion: KUBERNETES, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  const flags = Object.entries(version).map(([key, value]) => `-X k8s.io/component-base/version.${key}=${value}`);
  const linked = ['-s', '-w', ...flags].join(' ');
  await go('build', '-p', '2', '-trimpath', '-o', name, '-ldflags', linked, `k8s.io/kubernetes/cmd/${name}`);
}

/** A module that needs Kubernetes, with the staging modules of its release, which its own go.mod takes from its tree. */
function moduleFile(ofKubernetes: string): string {
  const staging = [...ofKubernetes.matchAll(/^\s*(k8s\.io\/\S+) => \.\/staging\//gm)].map((match) => match[1]);
  const go = /^go (\S+)/m.exec(ofKubernetes)?.[1] ?? '1.25';
  const replaces = staging.map((name) => `\t${name} => ${name} ${STAGING}`);
  return [
    'module wellspring.dev/kubernetes-parts',
    `go ${go}`,
    `require k8s.io/kubernetes ${KUBERNETES}`,
    `replace (\n${replaces.join('\n')}\n)`,
    '',
  ].join('\n\n');
}
