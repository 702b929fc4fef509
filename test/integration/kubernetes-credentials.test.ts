/** How the daemon is let in: kubeconfigs merged, another server, tokens by a program, as EKS's own kubeconfigs have it. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiServer } from '#ipamd/kubernetes/api-server.ts';
import { loadCredentials } from '#ipamd/kubernetes/credentials.ts';
import type { ClusterSource } from '#ipamd/kubernetes/source.ts';
import { wholeImport } from '#test/kubernetes/suite/subject.ts';
import { type FakeSubject, fakeSubject } from '#test/support/kubernetes/fake-subject.ts';
import { writeKubeconfig } from '#test/support/kubernetes/kubeconfig.ts';

let directory: string;
let api: FakeSubject;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'wellspring-credentials-'));
  api = await fakeSubject(directory);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

/** The kind of the answer to a list of nodes. */
async function asked(source: ClusterSource): Promise<unknown> {
  const load = () => loadCredentials(source, wholeImport);
  using server = new ApiServer({ load, userAgent: 'test', timeoutMs: 30_000, silenceMs: 30_000 });
  const signal = AbortSignal.timeout(60_000);
  return ((await server.request({ method: 'GET', path: '/api/v1/nodes', signal })) as { kind: unknown }).kind;
}

function write(name: string, config: object): string {
  const path = join(directory, name);
  writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'Config', ...config }));
  return path;
}

const cluster = () => ({ name: 'one', cluster: { server: api.server.url, 'insecure-skip-tls-verify': true } });

describe('credentials', () => {
  it('come from several kubeconfigs; the first that names a current context has it', async () => {
    const files = [
      write('users', { users: [{ name: 'me', user: { token: api.server.token } }] }),
      write('clusters', {
        'current-context': 'c',
        clusters: [cluster()],
        contexts: [{ name: 'c', context: { cluster: 'one', user: 'me' } }],
      }),
      write('other', {
        'current-context': 'x',
        clusters: [{ name: 'two', cluster: { server: 'https://127.0.0.1:1' } }],
        contexts: [{ name: 'x', context: { cluster: 'two', user: 'me' } }],
      }),
    ];
    expect(await asked({ kind: 'kubeconfig', files, server: undefined })).toBe('NodeList');
  });

  it('are used at CLUSTER_ENDPOINT in place of the server that the kubeconfig names', async () => {
    const path = writeKubeconfig(join(directory, 'elsewhere'), {
      server: 'http://127.0.0.1:1',
      token: api.server.token,
    });
    await expect(asked({ kind: 'kubeconfig', files: [path], server: undefined })).rejects.toMatchObject({
      kind: 'unreachable',
    });
    expect(await asked({ kind: 'kubeconfig', files: [path], server: api.server.url })).toBe('NodeList');
  });

  it('come from a program that prints a token', async () => {
    const program = join(directory, 'token');
    const credential = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: api.server.token },
    };
    writeFileSync(program, `#!/bin/sh\necho '${JSON.stringify(credential)}'\n`);
    chmodSync(program, 0o755);
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: program, interactiveMode: 'Never' };
    const file = write('exec', {
      'current-context': 'c',
      clusters: [cluster()],
      users: [{ name: 'me', user: { exec } }],
      contexts: [{ name: 'c', context: { cluster: 'one', user: 'me' } }],
    });
    expect(await asked({ kind: 'kubeconfig', files: [file], server: undefined })).toBe('NodeList');
  });

  it('that end in a newline are trimmed', async () => {
    writeFileSync(join(directory, 'token'), `${api.server.token}\n`);
    const file = write('file', {
      'current-context': 'c',
      clusters: [cluster()],
      users: [
        {
          name: 'me',
          user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile: join(directory, 'token') } } },
        },
      ],
      contexts: [{ name: 'c', context: { cluster: 'one', user: 'me' } }],
    });
    expect(await asked({ kind: 'kubeconfig', files: [file], server: undefined })).toBe('NodeList');
  });

  it.each([
    ['is not there', undefined, /KUBECONFIG: .*wrong cannot be read: ENOENT/],
    ['is no kubeconfig', 'just words', /wrong cannot be read|names no current cluster/],
    ['is empty', '', /wrong cannot be read|names no current cluster/],
    ['names no context', '{}', /wrong cannot be read|names no current cluster/],
  ])('from a file that %s are refused with a sentence', async (_what, text, sentence) => {
    const path = join(directory, 'wrong');
    if (text !== undefined) writeFileSync(path, text);
    await expect(asked({ kind: 'kubeconfig', files: [path], server: undefined })).rejects.toThrow(sentence);
  });
});
