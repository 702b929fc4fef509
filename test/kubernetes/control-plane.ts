/** etcd and kube-apiserver on loopback ports, with the CRDs and the role that `deploy/` has, and nothing else. */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#test/support/free-port.ts';
import type { Json } from '#test/support/kubernetes/patch.ts';
import { writeKubeconfig } from '#test/support/kubernetes/kubeconfig.ts';
import { until } from '#test/support/until.ts';
import type { ApiSubject } from './suite/subject.ts';

const DEPLOY = new URL('../../deploy', import.meta.url).pathname;
const ROLES = ['wellspring-ipamd', 'wellspring-ipamd-annotate-pods'];
const TOKENS = { admin: 'token-of-the-administrator', ipamd: 'token-of-ipamd' };

export interface ControlPlane extends ApiSubject {
  readonly directory: string;
  readonly url: string;
  readonly certificate: string;
  readonly ipamdToken: string;
  /** A token of system:masters. */
  readonly adminToken: string;
  /** Kills the API server; etcd stays. */
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
}

/** `readyMs`: how long the API server may take to start. */
export async function startControlPlane(program: string, readyMs = 120_000): Promise<ControlPlane> {
  const directory = mkdtempSync(join(tmpdir(), 'wellspring-control-plane-'));
  const [etcdPort, peerPort, port] = await Promise.all([freePort(), freePort(), freePort()]);
  const children: { etcd?: ChildProcess; api?: ChildProcess } = {};
  const log = (name: string) => join(directory, `${name}.log`);
  const run = (name: 'etcd' | 'api', command: string, args: readonly string[]) => {
    const child = spawn('sh', ['-c', `exec "$0" "$@" >>${log(name)} 2>&1`, command, ...args], { stdio: 'ignore' });
    children[name] = child;
    return child;
  };
  const keys = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  writeFileSync(join(directory, 'sa.pub'), keys.publicKey);
  writeFileSync(join(directory, 'sa.key'), keys.privateKey, { mode: 0o600 });
  writeFileSync(
    join(directory, 'tokens.csv'),
    `${TOKENS.admin},admin,admin,system:masters\n${TOKENS.ipamd},ipamd,ipamd\n`,
  );
  const url = `https://127.0.0.1:${port}`;
  const certificate = join(directory, 'apiserver.crt');
  const ask = (method: string, path: string, body?: string, contentType?: string) =>
    exchange(`${url}${path}`, { method, certificate, token: TOKENS.admin, body, contentType });
  const isReady = async () =>
    existsSync(certificate) && (await ask('GET', '/readyz').catch(() => undefined))?.status === 200;

  const startApiServer = async (): Promise<void> => {
    const child = run('api', program, apiServerFlags(directory, port, etcdPort));
    await until('the API server is ready', readyMs, async () => {
      if (child.exitCode !== null)
        throw new Error(`kube-apiserver ended: ${readFileSync(log('api'), 'utf8').slice(-2000)}`);
      return isReady();
    });
  };
  const end = async (child: ChildProcess | undefined): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    // It would wait for minutes for watches and for etcd.
    child.kill('SIGKILL');
    await ended;
  };
  const dispose = async (): Promise<void> => {
    await end(children.api);
    await end(children.etcd);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    run('etcd', 'etcd', etcdFlags(directory, etcdPort, peerPort));
    await startApiServer();
    for (const path of ['crds', 'rbac'])
      for (const document of documentsIn(join(DEPLOY, path))) await create(ask, document);
    for (const role of ROLES) await create(ask, JSON.stringify(binding(role)));
    await until('the CRD is served', 30_000, async () => {
      return (await ask('GET', '/apis/crd.k8s.amazonaws.com/v1alpha1/eniconfigs')).status === 200;
    });
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    directory,
    url,
    certificate,
    ipamdToken: TOKENS.ipamd,
    adminToken: TOKENS.admin,
    kubeconfig: writeKubeconfig(join(directory, 'kubeconfig'), {
      server: url,
      token: TOKENS.ipamd,
      certificateAuthority: certificate,
    }),
    admin: async (method, path, body, contentType) => {
      const { status, text } = await ask(
        method,
        path,
        body === undefined ? undefined : JSON.stringify(body),
        contentType,
      );
      if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
      return JSON.parse(text) as Json;
    },
    stopApiServer: () => end(children.api),
    startApiServer,
    [Symbol.asyncDispose]: dispose,
  };
}

function etcdFlags(directory: string, port: number, peerPort: number): readonly string[] {
  const client = `http://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  return [
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync',
  ];
}

function apiServerFlags(directory: string, port: number, etcdPort: number): readonly string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    '--bind-address=127.0.0.1',
    // Nobody asks for it; otherwise it wants a default route, which a virtual machine without network cards has not.
    '--advertise-address=192.0.2.1',
    `--secure-port=${port}`,
    // It makes a certificate of its own there.
    `--cert-dir=${directory}`,
    '--endpoint-reconciler-type=none',
    '--authorization-mode=RBAC',
    `--token-auth-file=${join(directory, 'tokens.csv')}`,
    '--service-cluster-ip-range=10.96.0.0/16,fd00:96::/108',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${join(directory, 'sa.pub')}`,
    `--service-account-signing-key-file=${join(directory, 'sa.key')}`,
    // No controllers run that would make accounts and take taints off again.
    '--disable-admission-plugins=ServiceAccount,TaintNodesByCondition',
  ];
}

function documentsIn(directory: string): readonly string[] {
  return readdirSync(directory).flatMap((file) => readFileSync(join(directory, file), 'utf8').split(/^---$/m));
}

function binding(role: string): Json {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: role },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [
      { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'ipamd' },
      { kind: 'ServiceAccount', namespace: 'kube-system', name: 'wellspring' },
    ],
  };
}

type Ask = (
  method: string,
  path: string,
  body?: string,
  contentType?: string,
) => Promise<{ status: number; text: string }>;

/** YAML as it is: the API server reads it. */
async function create(ask: Ask, document: string): Promise<void> {
  const kind = /^kind: (\w+)$|"kind":"(ClusterRoleBinding)"/m
    .exec(document)
    ?.slice(1)
    .find((each) => each !== undefined);
  const base =
    kind === 'CustomResourceDefinition' ? '/apis/apiextensions.k8s.io/v1' : '/apis/rbac.authorization.k8s.io/v1';
  const namespace = kind === 'Role' ? /^  namespace: (\S+)$/m.exec(document)?.[1] : undefined;
  const where = namespace === undefined ? base : `${base}/namespaces/${namespace}`;
  const { status, text } = await ask('POST', `${where}/${kind?.toLowerCase()}s`, document, 'application/yaml');
  if (status !== 201) throw new Error(`${kind} was refused: ${status} ${text}`);
}

interface Exchange {
  readonly method: string;
  readonly certificate: string;
  readonly token: string;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
  /** A unix socket behind which the server is; its address in the URL then counts for its certificate alone. */
  readonly socketPath?: string;
}

export function exchange(url: string, asked: Exchange): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${asked.token}`, 'content-type': asked.contentType ?? 'application/json' };
    const ca = readFileSync(asked.certificate);
    const sent = request(
      url,
      {
        method: asked.method,
        headers,
        ca,
        signal: AbortSignal.timeout(30_000),
        ...(asked.socketPath === undefined ? {} : { socketPath: asked.socketPath, servername: 'kubernetes' }),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(asked.body);
  });
}
