/** The subnet controller as a process against the emulator: with and without an API server, over restarts and with two of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import type { SubnetsAnswer } from '#ipamd/subnet-controller/subnet-watch.ts';
import { type FakeSubject, fakeSubject } from '#test/support/kubernetes/fake-subject.ts';
import { BUILD } from '#test/support/daemon-program.ts';
import { freePort } from '#test/support/free-port.ts';
import { until } from '#test/support/until.ts';
import { given, makeSubnet, runInstance, startWorld, type World } from './emulator-world.ts';

const MAIN = bundled('wellspring-subnets');
const CTL = bundled('wellspringctl');
const LEASE = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/wellspring-subnets';
const DEADLINE_MS = 60_000;
const CLUSTER_TAG = 'cluster.k8s.amazonaws.com/name';

let world: World;
let subnetId: string;
let directory: string;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  world = await startWorld();
  ({ subnetId } = await makeSubnet(world.ec2, '10.0.0.0/24'));
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wellspring-subnets-'));
});
afterEach(async () => {
  await Promise.all([...running].map((child) => ended(child, 'SIGKILL')));
  rmSync(directory, { recursive: true, force: true });
});

/** A program of the bundle that is made once before the tests. */
function bundled(name: string): string {
  return join(process.env[BUILD] ?? '', `${name}.cjs`);
}

async function ended(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exit;
  }
  running.delete(child);
  return child.exitCode;
}

interface Controller {
  readonly child: ChildProcess;
  readonly url: string;
  readonly output: () => string;
}

async function controller(more: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Controller> {
  const bind = `127.0.0.1:${await freePort()}`;
  const args = ['--no-warnings', MAIN, '--endpoint', world.cloud.endpoint, '--region', 'eu-test-1', '--bind', bind];
  const { AWS_PROFILE: _profile, KUBECONFIG: _kubeconfig, ...own } = process.env;
  const child = spawn(process.execPath, [...args, '--interval', '1', '--subnet', subnetId, ...more], {
    env: { ...own, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const url = `http://${bind}`;
  await until('the controller serves', DEADLINE_MS, () => {
    if (child.exitCode !== null) throw new Error(`the controller ended: ${output}`);
    return fetch(`${url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return { child, url, output: () => output };
}

const answerOf = async ({ url }: Controller): Promise<SubnetsAnswer> =>
  (await (await fetch(`${url}/v1/subnets`)).json()) as SubnetsAnswer;
const metricsOf = async ({ url }: Controller): Promise<string> => (await fetch(`${url}/metrics`)).text();

/** Hours of rising use, the last one now, as an earlier process would have left them. */
function writeRisingHistory(path: string, perHour: number, last: number): void {
  const now = Date.now();
  const rows = Array.from({ length: 96 }, (_, i) => {
    const hours = (95 - i) / 4;
    return [now - hours * 3_600_000 - 1000, Math.max(0, Math.round(last - perHour * hours)), 0];
  });
  writeFileSync(path, JSON.stringify({ version: 1, subnets: { [subnetId]: rows } }));
}

describe('alone', () => {
  it('says who holds what, counts its calls, writes its history at the end, and takes it up again', async () => {
    const instance = await runInstance(world.ec2, subnetId);
    const { NetworkInterface: eni } = await world.ec2.createNetworkInterface({
      SubnetId: subnetId,
      Description: 'aws-K8S-i-1',
      SecondaryPrivateIpAddressCount: 3,
      TagSpecifications: [{ ResourceType: 'network-interface', Tags: [{ Key: CLUSTER_TAG, Value: 'blue' }] }],
    });
    const historyFile = join(directory, 'history.json');
    const first = await controller(['--history', historyFile, '--cloudwatch']);
    await until('a look', DEADLINE_MS, async () => (await answerOf(first)).subnets.length === 1);
    const [subnet] = (await answerOf(first)).subnets;
    expect(subnet).toMatchObject({
      id: subnetId,
      addresses: { total: 251 },
      clusters: { blue: { addresses: 4, leaked: 1 } },
    });
    expect(subnet?.addresses.free).toBe(251 - 4 - 1);
    expect(Object.keys(subnet?.nodes ?? {})).toEqual([instance]);
    for (const path of ['/', '/map?refresh=on']) {
      const page = await fetch(`${first.url}${path}`);
      expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      const html = await page.text();
      expect(html).toContain(subnetId);
      expect(html.includes('http-equiv="refresh"')).toBe(path !== '/');
      for (const method of ['POST', 'PUT', 'DELETE'])
        expect([method, (await fetch(`${first.url}${path}`, { method })).status]).toEqual([method, 405]);
    }
    const metrics = await metricsOf(first);
    expect(metrics).toContain(`wellspring_subnet_free_addresses{subnet="${subnetId}"} 246`);
    expect(metrics).toContain(`wellspring_subnet_leaked_interfaces{subnet="${subnetId}",cluster="blue"} 1`);
    expect(metrics).toMatch(/awscni_ec2api_req_count\{fn="DescribeSubnets"\} [1-9]/);
    // Three looks: not enough for a forecast, and none is made up.
    expect(metrics).not.toContain('wellspring_subnet_exhaustion_seconds{');
    await until('the lines for CloudWatch', DEADLINE_MS, () =>
      /"CLUSTER_ID":"blue","eniAllocated":1,"totalIPAddresses":3/.test(first.output()),
    );
    expect(await ended(first.child, 'SIGTERM')).toBe(0);
    const rows = (JSON.parse(readFileSync(historyFile, 'utf8')) as { subnets: Record<string, unknown[]> }).subnets;
    expect(rows[subnetId]?.length).toBeGreaterThan(0);
    await world.ec2.deleteNetworkInterface({ NetworkInterfaceId: given(eni?.NetworkInterfaceId) });
    await world.ec2.terminateInstances({ InstanceIds: [instance] });
  });

  it('forecasts from what an earlier process saw, and puts a history aside that cannot be read', async () => {
    const historyFile = join(directory, 'history.json');
    writeRisingHistory(historyFile, 8, 200);
    const one = await controller(['--history', historyFile]);
    await until('a forecast', DEADLINE_MS, async () =>
      (await metricsOf(one)).includes('wellspring_subnet_exhaustion_seconds{'),
    );
    expect((await answerOf(one)).subnets[0]?.addresses.exhaustion).toMatchObject({ kind: 'forecast' });
    await ended(one.child, 'SIGTERM');

    writeFileSync(historyFile, '{"version":1,"sub');
    const two = await controller(['--history', historyFile]);
    await until('a look', DEADLINE_MS, async () => (await answerOf(two)).subnets.length === 1);
    expect(await metricsOf(two)).toContain('wellspring_subnet_history_damaged_total 1');
    expect(readdirSync(directory).some((name) => name.includes('.damaged-'))).toBe(true);
  });

  it('goes on after EC2 fails, and says so', async () => {
    world.cloud.failNext('DescribeSubnets', {
      kind: 'error',
      code: 'UnauthorizedOperation',
      status: 403,
      message: 'no',
    });
    const one = await controller([]);
    await until('a look after a failed one', DEADLINE_MS, async () => {
      const metrics = await metricsOf(one);
      return /looks_total\{outcome="failed"\} 1/.test(metrics) && /looks_total\{outcome="ok"\} [1-9]/.test(metrics);
    });
  });

  it('wellspringctl asks it, or looks by itself, with the same answer', async () => {
    const one = await controller([]);
    await until('a look', DEADLINE_MS, async () => (await answerOf(one)).subnets.length === 1);
    const asked = await ctl(['--from', one.url, '--json']);
    const looked = await ctl([
      '--endpoint',
      world.cloud.endpoint,
      '--region',
      'eu-test-1',
      '--subnet',
      subnetId,
      '--json',
    ]);
    const [a, b] = [asked, looked].map((text) => (JSON.parse(text) as SubnetsAnswer).subnets[0]);
    expect(a?.addresses.free).toBe(b?.addresses.free);
    expect(await ctl(['--from', one.url])).toMatch(new RegExp(`SUBNET .*\n${subnetId} `));
    await expect(ctl(['--from', 'http://127.0.0.1:1'])).rejects.toThrow(/did not answer[^]*why:[^]*do:/);
    await expect(ctl(['--interval', 'soon', '--region', 'x'])).rejects.toThrow(
      /--interval "soon" is not a number of seconds/,
    );
  });
});

describe('with an API server', () => {
  let api: FakeSubject;
  beforeEach(async () => {
    api = await fakeSubject(directory);
    for (const name of ['subnets-1', 'subnets-2'])
      await api.admin('POST', '/api/v1/namespaces/kube-system/pods', { metadata: { name, uid: `uid-${name}` } });
  });
  const asked = new Set<string>();
  afterEach(async () => {
    for (const each of askedOf(api.server.requests)) asked.add(each);
    await api[Symbol.asyncDispose]();
  });
  afterAll(() => {
    // Every right is used by one of these tests or the other, or it would not be there.
    expect([...asked].toSorted()).toEqual(
      [...new Set(granted())].filter((each) => each !== '/events patch').toSorted(),
    );
    expect(granted()).toContain('/events patch');
  });
  const inCluster = (podName: string, more: readonly string[] = []) =>
    controller(['--lease', 'wellspring-subnets', ...more], { KUBECONFIG: api.kubeconfig, MY_POD_NAME: podName });
  const lease = async (): Promise<{ readonly holderIdentity?: string; readonly renewTime?: string }> => {
    const object = (await api.admin('GET', LEASE, undefined).catch(() => ({}))) as { spec?: object };
    return object.spec ?? {};
  };
  const holder = async (): Promise<string> => (await lease()).holderIdentity ?? '';
  const renewTime = async (): Promise<string> => (await lease()).renewTime ?? '';
  const isLeader = async (one: Controller): Promise<boolean> =>
    (await metricsOf(one)).includes('wellspring_subnet_leader 1');

  it('one of two looks; the other takes over at once when the first is stopped', async () => {
    const first = await inCluster('subnets-1');
    await until('the first leads', DEADLINE_MS, () => isLeader(first));
    const second = await inCluster('subnets-2');
    expect((await answerOf(second)).leader).toBe(false);
    expect(await holder()).toMatch(/^subnets-1_/);
    const renewedAt = await renewTime();
    await until('it is renewed', DEADLINE_MS, async () => (await renewTime()) !== renewedAt);
    expect(first.output()).not.toContain('the lease could not be');
    expect(await ended(first.child, 'SIGTERM')).toBe(0);
    await until('the second leads', DEADLINE_MS, () => isLeader(second));
    expect(await holder()).toMatch(/^subnets-2_/);
  });

  it('who loses the lease stops looking and shows nothing', async () => {
    const first = await inCluster('subnets-1');
    await until('it leads and looked', DEADLINE_MS, async () => (await answerOf(first)).subnets.length === 1);
    await api.admin('PATCH', LEASE, { spec: { holderIdentity: 'another' } }, 'application/merge-patch+json');
    await until('it leads no more', DEADLINE_MS, async () => !(await isLeader(first)));
    expect(await metricsOf(first)).not.toContain('wellspring_subnet_free_addresses{');
    expect(await answerOf(first)).toMatchObject({ leader: false, subnets: [] });
  });

  it('tells of a subnet that runs dry by an event on its pod, and knows which addresses pods use', async () => {
    const historyFile = join(directory, 'history.json');
    const instance = await runInstance(world.ec2, subnetId);
    const { NetworkInterface: eni } = await world.ec2.createNetworkInterface({
      SubnetId: subnetId,
      Description: `aws-K8S-${instance}`,
      SecondaryPrivateIpAddressCount: 4,
      TagSpecifications: [{ ResourceType: 'network-interface', Tags: [{ Key: CLUSTER_TAG, Value: 'green' }] }],
    });
    const podIP = given(eni?.PrivateIpAddresses?.find(({ Primary }) => Primary !== true)?.PrivateIpAddress);
    await api.admin('POST', '/api/v1/namespaces/default/pods', {
      metadata: { name: 'web' },
      status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }] },
    });
    // All but a few of 251 addresses are held, after a day in which ever more were.
    const fillers: string[] = [];
    writeRisingHistory(historyFile, 10, 240);
    for (let left = 232; left > 0; left -= 29) {
      const count = Math.min(28, left - 1);
      const { NetworkInterface: filler } = await world.ec2.createNetworkInterface({
        SubnetId: subnetId,
        SecondaryPrivateIpAddressCount: count,
      });
      fillers.push(given(filler?.NetworkInterfaceId));
    }
    const one = await inCluster('subnets-1', ['--history', historyFile]);
    await until('a look', DEADLINE_MS, async () => (await answerOf(one)).subnets.length === 1);
    expect((await answerOf(one)).subnets[0]?.clusters['green']).toMatchObject({ forPods: 4, inUse: 1, warm: 3 });
    await until('the event', DEADLINE_MS, async () => {
      const { items } = (await api.admin('GET', '/api/v1/namespaces/kube-system/events', undefined)) as unknown as {
        items: readonly { reason: string; message: string; involvedObject: { uid: string } }[];
      };
      const event = items.find(({ reason }) => /^SubnetRunsDryWithin(Day|Hour)$/.test(reason));
      return event?.involvedObject.uid === 'uid-subnets-1' && event.message.includes(subnetId);
    });
    for (const id of [...fillers, given(eni?.NetworkInterfaceId)])
      await world.ec2.deleteNetworkInterface({ NetworkInterfaceId: id });
    await world.ec2.terminateInstances({ InstanceIds: [instance] });
  });
});

/** `group/resource verb` of the requests, as Kubernetes names them. */
function askedOf(requests: FakeSubject['server']['requests']): readonly string[] {
  return requests.map(({ method, path }) => {
    const { group = '', rest = '' } =
      /^\/(?:api|apis\/(?<group>[^/]+))\/[^/]+(?:\/namespaces\/[^/]+)?\/(?<rest>.+)$/.exec(path)?.groups ?? {};
    const [plural = '', name] = rest.split('/');
    return `${group}/${plural} ${{ GET: name === undefined ? 'list' : 'get', POST: 'create', PATCH: 'patch' }[method] ?? method}`;
  });
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

function granted(): readonly string[] {
  const text = readFileSync(new URL('../../deploy/rbac/subnet-controller.yaml', import.meta.url), 'utf8');
  return parseAllDocuments(text)
    .flatMap((each) => (each.toJS() as { rules: readonly Rule[] }).rules)
    .flatMap(({ apiGroups, resources, verbs }) =>
      verbs.map((verb) => `${apiGroups.join()}/${resources.join()} ${verb}`),
    );
}

/** Standard output; rejects with standard error where it is not answered. */
async function ctl(argv: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['--no-warnings', CTL, 'forecast', ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const texts = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (texts[0] += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (texts[1] += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  running.delete(child);
  if (code !== 0 && code !== 3) throw new Error(texts[1]);
  return texts[0] ?? '';
}
