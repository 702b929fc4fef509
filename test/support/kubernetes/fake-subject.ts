/** A played API server with a kubeconfig for it. */
import { join } from 'node:path';
import type { ApiSubject } from '#test/kubernetes/suite/subject.ts';
import { listenInNamespace } from '../listen-in-namespace.ts';
import { FakeApiServer } from './fake-api-server.ts';
import { writeKubeconfig } from './kubeconfig.ts';

const PORT = 6443;

export interface FakeSubject extends ApiSubject {
  readonly server: FakeApiServer;
}

/** `netns`: the namespace in which it is to be reached. */
export async function fakeSubject(directory: string, netns?: string): Promise<FakeSubject> {
  const server = new FakeApiServer(netns === undefined ? undefined : () => ({ fd: listenInNamespace(netns, PORT) }));
  await server.start();
  const kubeconfig = writeKubeconfig(join(directory, 'kubeconfig'), { server: server.url, token: server.token });
  return {
    server,
    kubeconfig,
    admin: async (method, path, body, contentType = 'application/json') => {
      const { status, answer } = server.administer(method, path, body, contentType);
      if (status >= 300) throw new Error(`${method} ${path}: ${status} ${String(answer['message'])}`);
      return answer;
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
}
