/** Every request to the API server that the daemon can make is granted by deploy/rbac, and every right there is used. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { CniError } from '#cni/spec/errors.ts';
import { makeEniConfig, makeNode, makePod } from '#test/kubernetes/suite/objects.ts';
import { openFor } from '#test/kubernetes/suite/subject.ts';
import { type FakeSubject, fakeSubject } from '#test/support/kubernetes/fake-subject.ts';
import { runCommand } from '#test/support/command.ts';
import { until } from '#test/support/until.ts';

const ROLES = new URL('../../deploy/rbac/ipamd.yaml', import.meta.url).pathname;
const SHORT = new CniError('subnet-exhausted', 'no address for this pod: no subnet can give any.');
const ASK = new URL('../../ipamd/migrate/ask-cluster.ts', import.meta.url).href;
const OF_MIGRATION = /^(networking\.k8s|apps\/|vpcresources\.k8s\.aws\/securitygroup)/;
const DEADLINE_MS = 15_000;
const CNI_NODES = '/apis/vpcresources.k8s.aws/v1alpha1/cninodes';

let directory: string;
let api: FakeSubject;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'wellspring-rights-'));
  api = await fakeSubject(directory);
});
afterAll(async () => {
  await api?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** `group/resource verb`, as Kubernetes names them (Authorization Overview, "Determine the request verb"). */
function granted(): ReadonlySet<string> {
  const roles = parseAllDocuments(readFileSync(ROLES, 'utf8')).map((each) => each.toJS() as { rules: readonly Rule[] });
  const rules = roles.flatMap((role) => role.rules);
  return new Set(
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
      ),
    ),
  );
}

function asked(): ReadonlySet<string> {
  return new Set(
    api.server.requests.map(({ method, path, query }) => {
      const found = /^\/(?:api|apis\/(?<group>[^/]+))\/[^/]+(?:\/namespaces\/[^/]+)?\/(?<rest>.+)$/.exec(path)?.groups;
      const [plural = '', name, part] = (found?.['rest'] ?? '').split('/');
      const resource = part === undefined ? plural : `${plural}/${part}`;
      const reading = query.get('watch') === 'true' ? 'watch' : name === undefined ? 'list' : 'get';
      const verb = { GET: reading, POST: 'create', PATCH: 'patch' }[method] ?? method;
      return `${found?.['group'] ?? ''}/${resource} ${verb}`;
    }),
  );
}

/** What a node that was the peer's asks before it is taken over; in a process of its own, as Jest lets no resolve hook in. */
async function askForPolicies(): Promise<void> {
  const source = { kind: 'kubeconfig', files: [api.kubeconfig] };
  const program = `const { askCluster } = await import(${JSON.stringify(ASK)});
    console.log(JSON.stringify(await askCluster(${JSON.stringify(source)}, AbortSignal.timeout(60_000))));`;
  const said = await runCommand(process.execPath, ['--no-warnings', '--input-type=module', '--eval', program]);
  expect(JSON.parse(said)).toMatchObject({ value: { networkPolicies: { value: 0 } } });
}

it('with every setting on, and on a bad day', async () => {
  const node = 'node-of-rights';
  const taints = [{ key: 'wellspring.dev/not-ready', effect: 'NoSchedule' }];
  await makeNode(api, node, { spec: { taints } });
  await makeEniConfig(api, 'default', { subnet: 'subnet-01', securityGroups: [] });
  await api.admin('POST', CNI_NODES, { metadata: { name: node }, spec: {} }, 'application/json');
  const [pod, own] = [await makePod(api, node), await makePod(api, node)];
  const options = { kubeconfig: api.kubeconfig, nodeName: node, podName: own.name };
  await using side = openFor({ ...options, customNetworking: true, podEni: true, annotatePodIp: true });
  const { news, view } = side.cluster;
  await until('the node is known', DEADLINE_MS, () => view.eniConfig().kind === 'found');
  side.cluster.serving([{ pod, addresses: ['10.0.0.7'] }]);
  news.attached(pod, ['10.0.0.7']);
  side.cluster.denied('CreateNetworkInterface');
  const ended = news.waiting(pod, () => SHORT);
  await until('every right was used', DEADLINE_MS, () => {
    // Repetitions are counted in the event that is there.
    news.refused(pod, SHORT);
    return [...granted()].every((right) => asked().has(right) || OF_MIGRATION.test(right));
  }).catch((error: unknown) => {
    throw new Error(`not asked for: ${[...granted()].filter((right) => !asked().has(right)).join(', ')}`, {
      cause: error,
    });
  });
  ended();
  await askForPolicies();
  expect([...granted()].filter((right) => !asked().has(right))).toEqual([]);
  expect([...asked()].filter((right) => !granted().has(right))).toEqual([]);
});
