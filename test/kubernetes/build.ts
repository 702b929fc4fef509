/**
 * Kubernetes' programs, built from their Go modules into a cache outside the repository: the module proxy has the sources,
 * and nobody serves the programs where this may run. Some minutes of CPU once; later runs find them.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CONFORMANCE_TEST } from './conformance/go-program.ts';

export const KUBERNETES = 'v1.35.4';
/** Version of the modules that stand in Kubernetes' own tree as `staging`. */
const STAGING = KUBERNETES.replace('v1.', 'v0.');
const COREDNS = 'v1.14.5';
const PROGRESS_MS = 30_000;

/** Minutes of CPU with nothing in Go's cache, in this order; half of that where two processors are idle. */
const PROGRAMS = {
  'kube-apiserver': 9,
  'kube-controller-manager': 1,
  'kube-scheduler': 0.1,
  kubelet: 2,
  'kube-proxy': 0.2,
  agnhost: 0.2,
  coredns: 4,
  'e2e.test': 5.5,
} as const;

export type Program = keyof typeof PROGRAMS;

export function cacheDirectory(): string {
  return join(
    process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    'wellspring',
    `kubernetes-${KUBERNETES.slice(1)}`,
  );
}

export const PROGRAM_NAMES = Object.keys(PROGRAMS) as readonly Program[];

/** Path of kube-apiserver. Rejects with what the compiler said. */
export function builtApiServer(): Promise<string> {
  return built('kube-apiserver');
}

/** Path of kube-proxy, which takes some seconds where kube-apiserver has been built. Rejects with what the compiler said. */
export function builtKubeProxy(): Promise<string> {
  return built('kube-proxy');
}

/** Path of a program, which is built first where it is not in the cache; says on standard error how far it is. */
export async function built(name: Program): Promise<string> {
  const cache = cacheDirectory();
  const program = join(cache, name);
  if (existsSync(program)) return program;
  // A module of its own, and renamed when it is whole: another run may build at the same time.
  const directory = join(cache, `building-${name}.${process.pid}`);
  mkdirSync(directory, { recursive: true });
  using _progress = progress(`building ${name} (once; up to ${PROGRAMS[name]} min of CPU)`);
  try {
    await compile(name, directory);
    renameSync(join(directory, name), program);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return program;
}

/** Directory of the sources of Kubernetes in Go's module cache, which is read-only. */
export async function kubernetesSources(): Promise<string> {
  const { Dir } = await downloaded(`k8s.io/kubernetes@${KUBERNETES}`, '/');
  return Dir;
}

async function compile(name: Program, directory: string): Promise<void> {
  writeFileSync(join(directory, 'go.mod'), 'module wellspring.dev/kubernetes-parts\n');
  const out = ['-p', '2', '-trimpath', '-o', name];
  if (name === 'coredns') {
    const { GoMod } = await downloaded(`github.com/coredns/coredns@${COREDNS}`, directory);
    const go = goVersion(readFileSync(GoMod, 'utf8'));
    writeFileSync(
      join(directory, 'go.mod'),
      `module wellspring.dev/parts\n\ngo ${go}\n\nrequire github.com/coredns/coredns ${COREDNS}\n`,
    );
    await goCommand(directory, 'build', ...out, '-ldflags', '-s -w', 'github.com/coredns/coredns');
    return;
  }
  const { GoMod } = await downloaded(`k8s.io/kubernetes@${KUBERNETES}`, directory);
  writeFileSync(join(directory, 'go.mod'), moduleFile(readFileSync(GoMod, 'utf8')));
  const { major = '', minor = '' } = /^v(?<major>\d+)\.(?<minor>\d+)/.exec(KUBERNETES)?.groups ?? {};
  // Without these the server calls itself v0.0.0, and clients choose features by that.
  const version = { gitVersion: KUBERNETES, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  const flags = Object.entries(version).map(([key, value]) => `-X k8s.io/component-base/version.${key}=${value}`);
  const linked = [...out, '-ldflags', ['-s', '-w', ...flags].join(' ')];
  if (name === 'e2e.test') {
    writeFileSync(join(directory, 'conformance_test.go'), CONFORMANCE_TEST);
    await goCommand(directory, 'test', '-vet=off', '-c', ...linked, '.');
    return;
  }
  const package_ = name === 'agnhost' ? 'test/images/agnhost' : `cmd/${name}`;
  await goCommand(directory, 'build', ...linked, `k8s.io/kubernetes/${package_}`);
}

interface Downloaded {
  readonly GoMod: string;
  readonly Dir: string;
}

async function downloaded(module: string, directory: string): Promise<Downloaded> {
  return JSON.parse(await goCommand(directory, 'mod', 'download', '-json', module)) as Downloaded;
}

/** A compiler that is in a group of its own would go on after Ctrl-C; this one ends with its parent too. */
function goCommand(directory: string, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod -buildvcs=false' };
  const argv = ['--pdeathsig', 'TERM', 'nice', '-n', '15', 'go', ...args];
  return new Promise((resolve, reject) => {
    const child = spawn('setpriv', argv, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`go ${args.join(' ')} ended with ${code}: ${stderr.slice(-4000)}`));
    });
  });
}

/** Says at once, every half minute and at the end what takes so long, on standard error. */
export function progress(what: string): Disposable {
  const from = performance.now();
  const seconds = () => Math.round((performance.now() - from) / 1000);
  const say = (text: string) => process.stderr.write(`${text}\n`);
  say(`${what} ...`);
  const timer = setInterval(() => say(`${what}: ${seconds()} s so far`), PROGRESS_MS);
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      say(`${what}: over after ${seconds()} s`);
    },
  };
}

function goVersion(goMod: string): string {
  return /^go (\S+)/m.exec(goMod)?.[1] ?? '1.25';
}

/** A module that needs Kubernetes, with the staging modules of its release, which its own go.mod takes from its tree. */
function moduleFile(ofKubernetes: string): string {
  const staging = [...ofKubernetes.matchAll(/^\s*(k8s\.io\/\S+) => \.\/staging\//gm)].map((match) => match[1]);
  const replaces = staging.map((name) => `\t${name} => ${name} ${STAGING}`);
  return [
    'module wellspring.dev/kubernetes-parts',
    `go ${goVersion(ofKubernetes)}`,
    `require k8s.io/kubernetes ${KUBERNETES}`,
    `replace (\n${replaces.join('\n')}\n)`,
    '',
  ].join('\n\n');
}
