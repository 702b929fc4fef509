/** The whole control plane on an instance of its own in the VPC: etcd, kube-apiserver, kube-controller-manager, kube-scheduler. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '#test/support/kubernetes/patch.ts';
import { writeKubeconfig } from '#test/support/kubernetes/kubeconfig.ts';
import { until } from '#test/support/until.ts';
import { built } from '../build.ts';
import { exchange } from '../control-plane.ts';
import { NodeProcess } from './node-process.ts';

const PORT = 6443;
const READY_MS = 180_000;
const DOOR = join(import.meta.dirname, 'door.ts');

export interface ControlPlaneOptions {
  /** Name of its network namespace. */
  readonly netns: string;
  /** The instance's address in the VPC. */
  readonly address: string;
  readonly directory: string;
  /** Nodes that may come, each with its own token. */
  readonly nodeNames: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export class ClusterControlPlane implements AsyncDisposable {
  readonly server: string;
  readonly certificate: string;
  /** A kubeconfig of system:masters, for programs that reach the VPC. */
  readonly kubeconfig: string;
  readonly netns: string;
  readonly #door: string;
  readonly #tokens = new Map<string, string>();
  readonly #processes: Readonly<Record<'etcd' | 'api' | 'controllers' | 'scheduler' | 'door', NodeProcess>>;

  private constructor(options: ControlPlaneOptions, programs: Readonly<Record<string, string>>) {
    const { netns, address, directory } = options;
    this.netns = netns;
    this.server = `https://${address}:${PORT}`;
    this.certificate = join(directory, 'apiserver.crt');
    this.#door = join(directory, 'door.sock');
    writeKeys(directory);
    writeFileSync(join(directory, 'tokens.csv'), this.#tokenFile(options.nodeNames), { mode: 0o600 });
    this.kubeconfig = this.kubeconfigFor('admin', directory);
    const process_ = (name: string, ...command: readonly string[]) =>
      new NodeProcess({ name, enter: [`--net=/run/netns/${netns}`], command, log: join(directory, `${name}.log`) });
    this.#processes = {
      etcd: process_('etcd', 'etcd', `--data-dir=${join(directory, 'etcd')}`, '--unsafe-no-fsync'),
      api: process_('kube-apiserver', programs['kube-apiserver'] ?? '', ...apiServerFlags(directory, address)),
      controllers: process_(
        'kube-controller-manager',
        programs['kube-controller-manager'] ?? '',
        ...controllerFlags(directory, this.kubeconfig, this.certificate),
      ),
      scheduler: process_(
        'kube-scheduler',
        programs['kube-scheduler'] ?? '',
        `--kubeconfig=${this.kubeconfig}`,
        `--authentication-kubeconfig=${this.kubeconfig}`,
        `--authorization-kubeconfig=${this.kubeconfig}`,
        '--leader-elect=false',
      ),
      door: process_('door', process.execPath, '--no-warnings', DOOR, this.#door, String(PORT)),
    };
  }

  /** The API server is ready and the controllers run when it resolves. */
  static async start(options: ControlPlaneOptions): Promise<ClusterControlPlane> {
    mkdirSync(options.directory, { recursive: true });
    const programs: Record<string, string> = {};
    for (const name of ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const)
      programs[name] = await built(name);
    const plane = new ClusterControlPlane(options, programs);
    try {
      plane.#processes.etcd.start();
      plane.#processes.door.start();
      await plane.startApiServer();
      plane.#processes.controllers.start();
      plane.#processes.scheduler.start();
      return plane;
    } catch (error) {
      await plane[Symbol.asyncDispose]();
      throw error;
    }
  }

  async startApiServer(): Promise<void> {
    const { api, etcd, door } = this.#processes;
    api.start();
    await until('the API server is ready', READY_MS, async () => {
      if (!api.alive() || !etcd.alive() || !door.alive() || !existsSync(this.certificate)) return false;
      return (await this.ask('GET', '/readyz').catch(() => undefined))?.status === 200;
    });
  }

  /** Killed; etcd and the controllers stay. */
  stopApiServer(): Promise<void> {
    return this.#processes.api.stop('SIGKILL');
  }

  /** One request as system:masters; rejects only where there is no answer. */
  ask(method: string, path: string, body?: string, contentType?: string): Promise<Answer> {
    const { certificate } = this;
    const token = this.token('admin');
    const socketPath = this.#door;
    return exchange(`https://127.0.0.1:${PORT}${path}`, { method, certificate, token, body, contentType, socketPath });
  }

  /** The same, and what is not granted rejects with the answer. */
  async admin(method: string, path: string, body?: Json, contentType?: string): Promise<Json> {
    const { status, text } = await this.ask(
      method,
      path,
      body === undefined ? undefined : JSON.stringify(body),
      contentType,
    );
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
    return JSON.parse(text) as Json;
  }

  token(user: string): string {
    const token = this.#tokens.get(user);
    if (token === undefined) throw new Error(`nobody is called ${user}`);
    return token;
  }

  /** Writes a kubeconfig of that user into the directory. */
  kubeconfigFor(user: string, directory: string): string {
    return writeKubeconfig(join(directory, `${user}.kubeconfig`), {
      server: this.server,
      token: this.token(user),
      certificateAuthority: this.certificate,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { door, scheduler, controllers, api, etcd } = this.#processes;
    // The API server waits for minutes for an etcd that is gone.
    for (const each of [door, scheduler, controllers, api, etcd]) await each.stop('SIGKILL');
  }

  /** Static token file (Kubernetes documentation, "Authenticating"): token, user, uid, groups. */
  #tokenFile(nodeNames: readonly string[]): string {
    const users = [
      { user: 'admin', name: 'admin', group: 'system:masters' },
      { user: 'ipamd', name: 'ipamd', group: 'ipamd' },
      { user: 'kube-proxy', name: 'system:kube-proxy', group: 'kube-proxies' },
      ...nodeNames.map((node) => ({ user: node, name: `system:node:${node}`, group: 'system:nodes' })),
    ];
    const lines = users.map(({ user, name, group }) => {
      const token = randomUUID();
      this.#tokens.set(user, token);
      return `${token},${name},${user},${group}`;
    });
    return `${lines.join('\n')}\n`;
  }
}

function writeKeys(directory: string): void {
  const keys = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  writeFileSync(join(directory, 'sa.pub'), keys.publicKey);
  writeFileSync(join(directory, 'sa.key'), keys.privateKey, { mode: 0o600 });
}

function apiServerFlags(directory: string, address: string): readonly string[] {
  return [
    '--etcd-servers=http://127.0.0.1:2379',
    `--advertise-address=${address}`,
    `--secure-port=${PORT}`,
    // It makes a certificate of its own there, good for its address and for the Service `kubernetes`.
    `--cert-dir=${directory}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--anonymous-auth=true',
    `--token-auth-file=${join(directory, 'tokens.csv')}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--service-node-port-range=30000-32767',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${join(directory, 'sa.pub')}`,
    `--service-account-signing-key-file=${join(directory, 'sa.key')}`,
    // Names of nodes are in nobody's DNS.
    '--kubelet-preferred-address-types=InternalIP',
    '--allow-privileged=true',
  ];
}

function controllerFlags(directory: string, kubeconfig: string, certificate: string): readonly string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    `--service-account-private-key-file=${join(directory, 'sa.key')}`,
    `--root-ca-file=${certificate}`,
    '--use-service-account-credentials=true',
    '--leader-elect=false',
    // As on EKS, where the VPC gives pods their addresses.
    '--allocate-node-cidrs=false',
    // Ready is what kubelet says, also where it was away together with the API server, or the machine was too busy to hear it.
    '--node-monitor-grace-period=300s',
  ];
}
