/**
 * What operators of amazon-vpc-cni-k8s look at: its metrics on :61678, its introspection on 127.0.0.1:61679, its log file and the
 * settings that move or close them; and, beside it, health and the conflist of an installed ipamd.
 */
import { existsSync, readFileSync } from 'node:fs';
import { request, type RequestOptions } from 'node:http';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { addPod, converged, deletePods, heldBy } from '#test/support/cluster-facts.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import type { Cluster } from '#test/support/cluster.ts';
import { connectInNamespace } from '#test/support/listen-in-namespace.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

/** Name -> type and labels, as the peer has them in version 1.23. */
const METRICS: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  awscni_ipamd_error_count: ['counter', ['fn']],
  awscni_reconcile_count: ['counter', ['fn']],
  awscni_add_ip_req_count: ['counter', []],
  awscni_del_ip_req_count: ['counter', ['reason']],
  awscni_pod_eni_error_count: ['counter', ['fn']],
  awscni_aws_api_error_count: ['counter', ['api', 'error']],
  awscni_aws_utils_error_count: ['counter', ['fn', 'error']],
  awscni_ec2api_req_count: ['counter', ['fn']],
  awscni_ec2api_error_count: ['counter', ['fn']],
  awscni_force_removed_enis: ['counter', []],
  awscni_force_removed_ips: ['counter', []],
  awscni_no_available_ip_addresses: ['counter', []],
  awscni_connmark_reconcile_total: ['counter', ['result']],
  awscni_ipamd_action_inprogress: ['gauge', ['fn']],
  awscni_eni_max: ['gauge', []],
  awscni_ip_max: ['gauge', []],
  awscni_eni_allocated: ['gauge', []],
  awscni_total_ip_addresses: ['gauge', []],
  awscni_assigned_ip_addresses: ['gauge', []],
  awscni_total_ipv4_prefixes: ['gauge', []],
  awscni_assigned_ip_per_cidr: ['gauge', ['cidr']],
  awscni_assigned_ip_per_eni: ['gauge', ['eni']],
  awscni_connmark_backend: ['gauge', ['backend']],
  awscni_build_info: ['gauge', ['version', 'goversion']],
  awscni_aws_api_latency_ms: ['summary', ['api', 'error', 'status']],
  awscni_ipamd_startup_duration_seconds: ['histogram', ['success', 'with_api_server', 'failure_reason']],
  awscni_ipamd_node_initialization_duration_seconds: ['histogram', ['success']],
};
/** What is counted only when something fails has no labels to show here. */
const FAILURES = ['awscni_aws_api_error_count', 'awscni_aws_utils_error_count', 'awscni_ec2api_error_count'];
const NOT_HERE = [...FAILURES, 'awscni_pod_eni_error_count'];

interface Answer {
  readonly status: number;
  readonly body: string;
}

let cluster: Cluster;
let node: ClusterNode;
let confDirectory: string;
let logFile: string;

function get(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ ...options, timeout: 10_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error('no answer')));
    call.on('error', reject);
    call.end();
  });
}

const onPort = (port: number, path: string) =>
  get({ path, createConnection: () => new Socket({ fd: connectInNamespace(node.netns, port) }) });
const metrics = async () => (await onPort(61678, '/metrics')).body;
const asJson = async (path: string): Promise<unknown> => JSON.parse((await onPort(61679, path)).body);

/** Names of the labels that a metric is shown with, other than those of its type. */
function labelsIn(text: string, name: string): readonly string[] {
  const line = new RegExp(`^${name}(?:_count|_sum|_bucket)?\\{([^}]*)\\}`, 'm').exec(text)?.[1] ?? '';
  const labels = [...line.matchAll(/(\w+)="/g)].map(([, label = '']) => label);
  return labels.filter((label) => label !== 'le' && label !== 'quantile');
}

function valueIn(text: string, series: string): number {
  const escaped = series.replaceAll(/[{}".]/g, String.raw`\$&`);
  return Number(new RegExp(`^${escaped} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** Every listener is open when it resolves: the first of them answers before the last is there. */
async function start(env: Readonly<Record<string, string>>): Promise<void> {
  const path = env['AWS_VPC_K8S_CNI_LOG_FILE'] ?? node.logPath;
  const count = () => (existsSync(path) ? readFileSync(path, 'utf8').split('"msg":"serving"').length : 1);
  const before = count();
  await node.startDaemon(env);
  await until('all of it is served', 60_000, () => count() > before);
}

describeWith(['root', 'ip', 'nft'], 'the surface of amazon-vpc-cni-k8s', () => {
  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['t3.medium'] });
    [node] = cluster.nodes as [ClusterNode];
    confDirectory = join(node.directory, 'net.d');
    logFile = join(node.directory, 'logs', 'ipamd.log');
    await start({
      HOST_CNI_CONFDIR_PATH: confDirectory,
      WELLSPRING_HEALTH_BIND_ADDRESS: '127.0.0.1:61680',
      WARM_IP_TARGET: '1',
      MINIMUM_IP_TARGET: '6',
      AWS_VPC_K8S_CNI_LOG_FILE: logFile,
      AWS_VPC_K8S_CNI_LOGLEVEL: 'debug',
    });
    await converged(cluster, node);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('has every metric with its type and labels, and no other name in awscni_', async () => {
    const pods = [];
    for (const name of ['m1', 'm2', 'm3', 'm4', 'm5', 'm6']) pods.push(await addPod(node, name));
    await converged(cluster, node);
    const text = await metrics();
    const types = [...text.matchAll(/^# TYPE (awscni_\w+) (\w+)$/gm)].map(([, name, type]) => [name, type]);
    expect(Object.fromEntries(types)).toEqual(
      Object.fromEntries(Object.entries(METRICS).map(([name, [type]]) => [name, type])),
    );
    await deletePods(node, pods.slice(0, 3));
    const after = await metrics();
    for (const [name, [, labels]] of Object.entries(METRICS))
      if (!NOT_HERE.includes(name)) expect([name, labelsIn(after, name)]).toEqual([name, labels]);
    expect(valueIn(after, 'awscni_assigned_ip_addresses')).toBe(3);
    const perCidr = [...after.matchAll(/^awscni_assigned_ip_per_cidr\{cidr="[\d.]+\/32"\} 1$/gm)];
    expect(perCidr).toHaveLength(3);
    expect(valueIn(after, 'awscni_connmark_backend{backend="nftables"}')).toBe(1);
    expect(valueIn(after, 'awscni_connmark_reconcile_total{result="success"}')).toBeGreaterThanOrEqual(1);
    expect(after).toMatch(
      /^awscni_aws_api_latency_ms_count\{api="AssignPrivateIpAddresses",error="false",status="200"\} [1-9]|^awscni_aws_api_latency_ms_count\{api="CreateNetworkInterface",error="false",status="200"\} [1-9]/m,
    );
    expect(after).toMatch(
      /^awscni_ipamd_startup_duration_seconds_count\{success="true",with_api_server="false",failure_reason=""\} 1$/m,
    );
    expect(valueIn(after, 'awscni_ipamd_action_inprogress{fn="nodeInit"}')).toBe(0);
    await deletePods(node, pods.slice(3));
  });

  it('counts an ENI that somebody else attaches', async () => {
    const { region } = cluster.cloud;
    const count = async (fn: string) => valueIn(await metrics(), `awscni_reconcile_count{fn="${fn}"}`);
    expect([await count('eniReconcileAdd'), await count('eniReconcileDel')]).toEqual([0, 0]);
    const subnetId = heldBy(cluster, node)[0]?.subnetId ?? '';
    const made = region.execute('CreateNetworkInterface', { SubnetId: subnetId, SecondaryPrivateIpAddressCount: 1 });
    const id = made.NetworkInterface?.NetworkInterfaceId ?? '';
    region.execute('AttachNetworkInterface', { NetworkInterfaceId: id, InstanceId: node.instanceId, DeviceIndex: 2 });
    await until('it is counted', 20_000, async () => (await count('eniReconcileAdd')) === 1);
    expect(valueIn(await metrics(), 'awscni_force_removed_enis')).toBe(0);
  });

  it('answers the paths of introspection', async () => {
    expect(await asJson('/')).toEqual(
      expect.arrayContaining([
        '/v1/enis',
        '/v1/eni-configs',
        '/v1/ipamd-env-settings',
        '/v1/networkutils-env-settings',
      ]),
    );
    expect(await asJson('/v1/enis')).toMatchObject({ 0: { ENIs: expect.anything(), TotalIPs: expect.any(Number) } });
    expect(await asJson('/v1/eni-configs')).toBeNull();
    expect(await asJson('/v1/ipamd-env-settings')).toMatchObject({ WARM_ENI_TARGET: 1, AWS_VPC_ENI_MTU: 9001 });
    const network = (await asJson('/v1/networkutils-env-settings')) as object;
    expect(network).toMatchObject({ AWS_VPC_K8S_CNI_EXTERNALSNAT: false, AWS_VPC_ENI_MTU: 9001 });
    expect(network).not.toHaveProperty('WARM_ENI_TARGET');
  });

  it('is healthy and ready, and has its conflist in place', async () => {
    expect(await onPort(61680, '/healthz')).toMatchObject({ status: 200 });
    expect(await onPort(61680, '/metrics')).toMatchObject({ status: 404 });
    const path = join(confDirectory, '10-wellspring.conflist');
    await until('the conflist is there', 10_000, () => existsSync(path));
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(node.conflist);
    expect(await onPort(61680, '/readyz')).toMatchObject({ status: 200, body: 'ok\n' });
  });

  it('logs to the file and at the level that were set', () => {
    const lines = readFileSync(logFile, 'utf8').trim().split('\n');
    const parsed = lines.map((line) => JSON.parse(line) as { level: number; msg: string });
    expect(parsed.map(({ msg }) => msg)).toEqual(expect.arrayContaining(['starting', 'serving', 'pod attached']));
    expect(parsed.some(({ level }) => level === 20)).toBe(true);
  });

  it('is healthy and not ready while it cannot serve, leaves its conflist, and closes what is disabled', async () => {
    const path = join(confDirectory, '10-wellspring.conflist');
    await node.stopDaemon('SIGTERM');
    expect(existsSync(path)).toBe(true);
    const introspection = join(node.directory, 'other.sock');
    await start({
      DISABLE_METRICS: 'true',
      INTROSPECTION_BIND_ADDRESS: `unix:${introspection}`,
      // A file is in the way.
      HOST_CNI_CONFDIR_PATH: join(logFile, 'net.d'),
      WELLSPRING_HEALTH_BIND_ADDRESS: '127.0.0.1:61680',
      HTTP_TIMEOUT: '20',
      CLUSTER_ENDPOINT: 'https://192.0.2.1:6443',
    });
    expect(() => connectInNamespace(node.netns, 61678)).toThrow(/connect/);
    expect(() => connectInNamespace(node.netns, 61679)).toThrow(/connect/);
    const settings = JSON.parse(
      (await get({ socketPath: introspection, path: '/v1/ipamd-env-settings' })).body,
    ) as object;
    expect(settings).toMatchObject({ HTTP_TIMEOUT: 20, CLUSTER_ENDPOINT: 'https://192.0.2.1:6443' });
    expect(await onPort(61680, '/healthz')).toMatchObject({ status: 200 });
    await until('it says why it is not ready', 10_000, async () => {
      const { status, body } = await onPort(61680, '/readyz');
      return status === 503 && body.includes('cannot be written');
    });
    await node.stopDaemon('SIGTERM');
    await start({ DISABLE_INTROSPECTION: 'true' });
    expect(() => connectInNamespace(node.netns, 61679)).toThrow(/connect/);
    expect(await onPort(61678, '/readyz')).toMatchObject({ status: 200 });
  });
});
