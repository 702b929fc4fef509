/** An API server that a node's ipamd watches: Kubernetes' own where it has been built, otherwise a played one. */
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { startControlPlane } from '#test/kubernetes/control-plane.ts';
import { cacheDirectory, KUBERNETES } from '#test/kubernetes/build.ts';
import { makeNode } from '#test/kubernetes/suite/objects.ts';
import type { ApiSubject } from '#test/kubernetes/suite/subject.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { fakeSubject } from '#test/support/kubernetes/fake-subject.ts';
import { writeKubeconfig } from '#test/support/kubernetes/kubeconfig.ts';
import { listenInNamespace } from '#test/support/listen-in-namespace.ts';
import { until } from '#test/support/until.ts';

const NODE_NAME = 'bench-node';
const PORT = 6443;

export interface WatchedApiServer extends AsyncDisposable {
  /** What ipamd of the node is told. */
  readonly env: Readonly<Record<string, string>>;
}

/** Path of kube-apiserver, where it can be run: the Kubernetes lane of the tests builds it once. */
function builtProgram(): string | undefined {
  const program = join(cacheDirectory(), 'kube-apiserver');
  return existsSync(program) && isInPath('etcd') ? program : undefined;
}

/** Which of the two it is on this machine. */
export function apiServerName(): string {
  return builtProgram() === undefined ? 'played' : `kube-apiserver ${KUBERNETES}`;
}

/** It knows the node, and answers within its namespace. */
export async function watchedApiServer(node: ClusterNode, workDirectory: string): Promise<WatchedApiServer> {
  const directory = await mkdtemp(join(workDirectory, 'api-server-'));
  const program = builtProgram();
  const server = program === undefined ? await played(node, directory) : await real(program, node, directory);
  await makeNode(server.api, NODE_NAME, { status: { capacity: { pods: '737' } } });
  return {
    env: { KUBECONFIG: server.kubeconfig, MY_NODE_NAME: NODE_NAME },
    [Symbol.asyncDispose]: () => server.stack.disposeAsync(),
  };
}

/** Returns when ipamd of the node holds its watch. */
export async function watches(node: ClusterNode): Promise<void> {
  await until('ipamd watches its node', 60_000, async () =>
    /^wellspring_kubernetes_watch_connected\{resource="nodes"\} 1$/m.test(await node.page('/metrics')),
  );
}

interface Server {
  readonly api: ApiSubject;
  readonly kubeconfig: string;
  readonly stack: AsyncDisposableStack;
}

async function played(node: ClusterNode, directory: string): Promise<Server> {
  const stack = new AsyncDisposableStack();
  const api = stack.use(await fakeSubject(directory, node.netns));
  return { api, kubeconfig: api.kubeconfig, stack };
}

/** It listens where this process is; a door in the node's namespace leads to it. */
async function real(program: string, node: ClusterNode, directory: string): Promise<Server> {
  await using stack = new AsyncDisposableStack();
  const api = stack.use(await startControlPlane(program));
  stack.use(await door(node.netns, Number(new URL(api.url).port)));
  const kubeconfig = writeKubeconfig(join(directory, 'kubeconfig'), {
    server: `https://127.0.0.1:${PORT}`,
    token: api.ipamdToken,
    certificateAuthority: api.certificate,
  });
  return { api, kubeconfig, stack: stack.move() };
}

async function door(netns: string, port: number): Promise<AsyncDisposable> {
  const open = new Set<Socket>();
  const server = createServer((inside) => {
    const outside = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      open.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen({ fd: listenInNamespace(netns, PORT) }, resolve));
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function isInPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => existsSync(join(directory, program)));
}
