/** What preflight learns from an API server, and what it makes of refusals. */
import { afterEach, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { askCluster } from '#ipamd/migrate/ask-cluster.ts';

let server: Server | undefined;
let directory: string | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

type Answers = Readonly<Record<string, { readonly status: number; readonly body?: object }>>;
const list = (items: number, more = 0) => ({
  status: 200,
  body: { metadata: { remainingItemCount: more }, items: Array.from({ length: items }, () => ({})) },
});

/** Answers by the last part of the path; what is not named is not there. */
async function ask(answers: Answers) {
  const asked: string[] = [];
  server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://here');
    asked.push(url.search);
    const { status, body = { kind: 'Status', message: 'no' } } = answers[url.pathname.split('/').at(-1) ?? ''] ?? {
      status: 404,
    };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  directory = await mkdtemp(join(tmpdir(), 'wellspring-kubeconfig-'));
  const file = join(directory, 'config');
  const here = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const kubeconfig = {
    clusters: [{ name: 'c', cluster: { server: here, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(file, JSON.stringify(kubeconfig));
  const source = { kind: 'kubeconfig' as const, files: [file], server: undefined };
  return {
    facts: await askCluster(source, AbortSignal.timeout(60_000), () => Promise.resolve(new KubeConfig())),
    asked,
  };
}

it('counts without reading the lists, adds kinds that belong together, and takes a kind that is not there for none', async () => {
  const { facts, asked } = await ask({
    networkpolicies: list(1, 41),
    policyendpoints: list(1, 1),
    clusterpolicyendpoints: list(1),
  });
  expect(facts).toEqual({
    value: {
      networkPolicies: { value: 42 },
      policyEndpoints: { value: 3 },
      securityGroupPolicies: { value: 0 },
      daemonSet: { value: undefined },
    },
  });
  expect(asked.filter((query) => query === '?limit=1')).toHaveLength(4);
});

it('says what may not be read, and knows the rest', async () => {
  const { facts } = await ask({ networkpolicies: { status: 403 }, policyendpoints: list(0) });
  expect(facts).toMatchObject({
    value: { networkPolicies: { unknown: expect.stringMatching(/403/) }, policyEndpoints: { value: 0 } },
  });
});

it('knows nothing where nothing may be read, or nobody is there', async () => {
  const refused = { status: 403 };
  const { facts } = await ask({
    networkpolicies: refused,
    policyendpoints: refused,
    clusterpolicyendpoints: refused,
    securitygrouppolicies: refused,
    'aws-node': refused,
  });
  expect(facts).toMatchObject({ unknown: expect.stringMatching(/403/) });
  expect(await askCluster(undefined, AbortSignal.timeout(1000))).toMatchObject({
    unknown: expect.stringMatching(/KUBECONFIG/),
  });
});
