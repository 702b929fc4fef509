import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { clusterSource } from './source.ts';

const withToken = mkdtempSync(join(tmpdir(), 'wellspring-source-'));
writeFileSync(join(withToken, 'token'), 'x');
afterAll(() => rmSync(withToken, { recursive: true }));

const SERVICE = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '6443' };
const of = (env: Record<string, string>, clusterEndpoint = '', serviceAccountDirectory = withToken) =>
  clusterSource({ env, clusterEndpoint, serviceAccountDirectory });

describe('clusterSource', () => {
  it('is nothing where nothing is configured, or where a pod has no service account', () => {
    expect(of({})).toBeUndefined();
    expect(of(SERVICE, '', '/nowhere')).toBeUndefined();
    expect(of({}, 'https://api.example.org', '/nowhere')).toBeUndefined();
  });

  it('is the service account of the pod, at the Service or at CLUSTER_ENDPOINT', () => {
    const account = { kind: 'service-account', directory: withToken };
    expect(of(SERVICE)).toEqual({ ...account, server: 'https://10.96.0.1:6443' });
    expect(of({ KUBERNETES_SERVICE_HOST: 'fd00::1' })).toEqual({ ...account, server: 'https://[fd00::1]:443' });
    expect(of(SERVICE, 'https://api.example.org/')).toEqual({ ...account, server: 'https://api.example.org' });
    expect(of({}, 'api.example.org:443')).toEqual({ ...account, server: 'https://api.example.org:443' });
  });

  it('is KUBECONFIG where that is set, whatever else there is', () => {
    expect(of({ ...SERVICE, KUBECONFIG: '/a::/b' })).toEqual({
      kind: 'kubeconfig',
      files: ['/a', '/b'],
      server: undefined,
    });
    expect(of({ KUBECONFIG: '/a' }, 'x')).toEqual({ kind: 'kubeconfig', files: ['/a'], server: 'https://x' });
  });
});
