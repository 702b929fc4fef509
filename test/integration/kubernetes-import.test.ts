/** What the daemon's process loads for the API server, and what it refuses where there is none. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fakeSubject } from '#test/support/kubernetes/fake-subject.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

function node(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { PATH = '' } = process.env;
  const options = { cwd: ROOT, env: { PATH, ...env }, timeout: 30_000 };
  return promisify(execFile)(join(ROOT, 'node_modules/node/bin/node'), ['--no-warnings', ...args], options);
}

describe('the import of @kubernetes/client-node', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'wellspring-kubernetes-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('works without the generated API classes and undici, and says so where one is used', async () => {
    await using api = await fakeSubject(directory);
    const { stdout } = await node(['test/integration/kubernetes-import.program.ts', api.kubeconfig]);
    const { kind, loaded, refusal } = JSON.parse(stdout) as {
      kind: string;
      loaded: readonly string[];
      refusal: string;
    };
    expect(kind).toBe('NodeList');
    expect(loaded.some((url) => url.endsWith('/client-node/dist/config.js'))).toBe(true);
    expect(loaded.filter((url) => /client-node\/dist\/gen\/(models|apis|types)\/|\/undici\//.test(url))).toEqual([]);
    expect(refusal).toContain('ServerConfiguration is not loaded');
  });
});

describe('settings that need the API server', () => {
  it.each(['ANNOTATE_POD_IP', 'AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG'])(
    '%s=true is refused without one, with what to do',
    async (setting) => {
      await expect(node(['ipamd/main.ts'], { [setting]: 'true', MY_NODE_NAME: 'node' })).rejects.toMatchObject({
        code: 2,
        stderr: expect.stringMatching(
          new RegExp(`${setting}=true needs the API server.*set KUBECONFIG.*or leave ${setting} out`),
        ),
      });
      await expect(node(['ipamd/main.ts'], { [setting]: 'true', KUBECONFIG: '/none' })).rejects.toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/MY_NODE_NAME is not set: set it to the name of this node/),
      });
    },
  );
});
