/** The alerts of deploy/alerts in a real Prometheus that scrapes a real controller and a real ipamd, driven into each state on the emulator. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ALERTS, alertRules } from '#test/support/alert-rules.ts';
import { addPod, heldBy } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { run, runCommand } from '#test/support/command.ts';
import { BUILD } from '#test/support/daemon-program.ts';
import { freePort } from '#test/support/free-port.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const DEADLINE_MS = 180_000;
const START_MS = 120_000;

/** What is at a port of ours is what `text` says; without it, nobody answers. */
async function door(port: number, text: () => Promise<string>): Promise<Server> {
  const server = createServer((_request, response) => {
    text().then(
      (page) => response.end(page),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}

function pageAt(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout: 10_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve(body)).on('error', reject);
    });
    asked.on('error', reject).end();
  });
}

/** The same rules, in the time of a test. */
function quickRules(): string {
  return readFileSync(ALERTS, 'utf8')
    .replaceAll(/\bfor: \w+/g, 'for: 2s')
    .replace('timestamp_seconds) > 900', 'timestamp_seconds) > 8')
    .replaceAll('[5m]', '[30s]');
}

describeWith(['root', 'ip', 'nft', 'prometheus'], 'alerts in a real Prometheus', () => {
  let directory: string;
  let cluster: Cluster;
  let node: ClusterNode;
  let subnetId: string;
  let doors: readonly Server[] = [];
  let prometheus: string;
  const children: ChildProcess[] = [];

  const start = (
    command: string,
    args: readonly string[],
    more: Readonly<Record<string, string>> = {},
  ): ChildProcess => {
    const env = { ...process.env, KUBECONFIG: '', ...more };
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env,
    });
    children.push(child);
    return child;
  };
  const answers = (url: string): Promise<boolean> =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'wellspring-alerts-'));
    // Eleven usable addresses for the node's own subnet; what the controller judges is a subnet of its own.
    cluster = await testCluster({ subnetPrefixLength: 28 });
    [node] = cluster.nodes as [ClusterNode];
    subnetId = makeSubnet(cluster, vpcOf(cluster, node));
    await node.startDaemon();
    const [ours, theirs, bind] = [await freePort(), await freePort(), `127.0.0.1:${await freePort()}`];
    // Both are in the node's network; Prometheus asks through doors.
    const socketPath = join(directory, 'subnets.sock');
    const ofNode = async (): Promise<string> => {
      const page = await node.page('/metrics');
      return page.slice(page.indexOf(' ') + 1);
    };
    doors = [await door(ours, ofNode), await door(theirs, () => pageAt(socketPath, '/metrics'))];
    writeRisingHistory(join(directory, 'history.json'), subnetId);
    const program = ['--no-warnings', join(process.env[BUILD] ?? '', 'wellspring-subnets.cjs')];
    const controller = [
      '--region',
      cluster.cloud.region.name,
      '--subnet',
      subnetId,
      '--interval',
      '1',
      '--bind',
      `unix:${socketPath}`,
      '--history',
      join(directory, 'history.json'),
    ];
    start('nsenter', [`--net=${node.netnsPath}`, process.execPath, ...program, ...controller], node.daemonEnv);
    await until('the controller serves', START_MS, () => pageAt(socketPath, '/healthz').then(Boolean, () => false));
    const configuration = {
      global: { scrape_interval: '1s', evaluation_interval: '1s', scrape_timeout: '1s' },
      rule_files: [join(directory, 'rules.yaml')],
      scrape_configs: [
        { job_name: 'wellspring', static_configs: [{ targets: [`127.0.0.1:${ours}`] }] },
        { job_name: 'wellspring-subnets', static_configs: [{ targets: [`127.0.0.1:${theirs}`] }] },
      ],
    };
    writeFileSync(join(directory, 'rules.yaml'), quickRules());
    writeFileSync(join(directory, 'prometheus.yaml'), JSON.stringify(configuration));
    mkdirSync(join(directory, 'data'));
    start('prometheus', [
      `--config.file=${join(directory, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${bind}`,
      '--log.level=error',
    ]);
    prometheus = `http://${bind}`;
    await until('Prometheus serves', START_MS, () => answers(`${prometheus}/-/ready`));
  }, 600_000);

  afterAll(async () => {
    for (const child of children) {
      const exit = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await exit;
    }
    for (const each of doors) {
      each.closeAllConnections();
      await new Promise<void>((resolve) => each.close(() => resolve()));
    }
    await cluster?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const alerts = async (): Promise<readonly { state: string; labels: { alertname: string } }[]> => {
    const answer = (await (await fetch(`${prometheus}/api/v1/alerts`)).json()) as {
      data: { alerts: Awaited<ReturnType<typeof alerts>> };
    };
    return answer.data.alerts;
  };
  const firing = async (): Promise<readonly string[]> =>
    (await alerts()).filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname);
  const fires = (alert: string) => until(`${alert} fires`, DEADLINE_MS, async () => (await firing()).includes(alert));
  const ends = (alert: string) => until(`${alert} ends`, DEADLINE_MS, async () => !(await firing()).includes(alert));
  const seen = new Set<string>();
  const proved = async (alert: string): Promise<void> => {
    await fires(alert);
    seen.add(alert);
  };
  const execute = () => cluster.cloud.region;

  it('none fires on a quiet cluster', async () => {
    await until('both targets are scraped', DEADLINE_MS, async () => {
      const { data } = (await (await fetch(`${prometheus}/api/v1/query?query=up`)).json()) as {
        data: { result: readonly { value: readonly [number, string] }[] };
      };
      return data.result.length === 2 && data.result.every(({ value }) => value[1] === '1');
    });
    // A machine that stands still for two seconds is seen, too; what is wrong with a rule stays.
    await until('none fires or is about to', DEADLINE_MS, async () => {
      const names = (await alerts()).map(({ labels }) => labels.alertname);
      return names.every((alert) => alert.startsWith('WellspringSubnetRunsDry'));
    });
  }, 600_000);

  it('a subnet fills: within a day, within the hour, without a /28; a leaked ENI is among what fills it', async () => {
    const made = execute().execute('CreateNetworkInterface', {
      SubnetId: subnetId,
      Ipv4PrefixCount: 1,
      Description: 'aws-K8S-i-0',
      TagSpecifications: [
        {
          ResourceType: 'network-interface',
          Tags: [{ Key: 'node.k8s.amazonaws.com/createdAt', Value: '2020-01-01T00:00:00Z' }],
        },
      ],
    }).NetworkInterface;
    fill(cluster, subnetId, 11);
    await proved('WellspringSubnetRunsDryWithinDay');
    await proved('WellspringLeakedInterfaces');
    fill(cluster, subnetId, 0);
    await proved('WellspringSubnetRunsDryWithinHour');
    await proved('WellspringSubnetWithoutFreePrefix');
    execute().execute('DeleteNetworkInterface', { NetworkInterfaceId: made?.NetworkInterfaceId ?? '' });
    await ends('WellspringLeakedInterfaces');
  }, 600_000);

  it('EC2 throttles, and nobody looks at the subnets any more', async () => {
    cluster.cloud.failNext('DescribeSubnets', {
      kind: 'error',
      code: 'RequestLimitExceeded',
      status: 503,
      message: 'slower',
      times: 'always',
    });
    await proved('WellspringCallsThrottled');
    await proved('WellspringSubnetsNotWatched');
    cluster.cloud.clearFaults();
    await ends('WellspringSubnetsNotWatched');
  }, 600_000);

  it('a node whose subnet is full: the pool is empty, and pods wait', async () => {
    const [own] = heldBy(cluster, node);
    const free =
      execute().execute('DescribeSubnets', { SubnetIds: [own?.subnetId ?? ''] }).Subnets?.[0]
        ?.AvailableIpAddressCount ?? 0;
    if (free > 1)
      execute().execute('CreateNetworkInterface', {
        SubnetId: own?.subnetId ?? '',
        SecondaryPrivateIpAddressCount: free - 1,
      });
    const pods = Array.from({ length: 12 }, (_, index) => `a${index}`);
    let isFull = false;
    for (const name of pods) {
      if (isFull) break;
      isFull = await addPod(node, name).then(
        () => false,
        () => true,
      );
    }
    await proved('WellspringPoolEmpty');
    const waiting = await node.createSandbox('waits');
    const outcome = node.cni('ADD', waiting, { deadlineMs: 60_000 });
    await proved('WellspringAddsWaiting');
    await outcome;
  }, 600_000);

  it('somebody takes rules away again and again', async () => {
    let done = false;
    const damage = (async () => {
      while (!done) {
        await run('ip', ['-n', node.netns, 'rule', 'flush', 'protocol', '87']);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    })();
    try {
      await proved('WellspringDriftRepeated');
    } finally {
      done = true;
      await damage;
    }
  }, 600_000);

  it('ipamd is gone', async () => {
    if (node.daemonPid !== undefined) process.kill(node.daemonPid, 'SIGKILL');
    await proved('WellspringNotServing');
  }, 600_000);

  it('that was every alert', () => {
    expect([...seen].toSorted()).toEqual(
      alertRules()
        .map(({ alert }) => alert)
        .toSorted(),
    );
  });

  it('promtool takes the rules as they are in this Prometheus', async () => {
    await runCommand('promtool', ['check', 'rules', join(directory, 'rules.yaml')]);
  });
});

function vpcOf(cluster: Cluster, node: ClusterNode): string {
  const id = heldBy(cluster, node)[0]?.subnetId ?? '';
  return cluster.cloud.region.execute('DescribeSubnets', { SubnetIds: [id] }).Subnets?.[0]?.VpcId ?? '';
}

/** A /26 beside the node's subnet: 59 addresses. */
function makeSubnet(cluster: Cluster, vpcId: string): string {
  const { region } = cluster.cloud;
  const cidr = region.execute('DescribeVpcs', { VpcIds: [vpcId] }).Vpcs?.[0]?.CidrBlock ?? '';
  const CidrBlock = cidr.replace(/\.\d+\.\d+\/\d+$/, '.200.0/26');
  return region.execute('CreateSubnet', { VpcId: vpcId, CidrBlock }).Subnet?.SubnetId ?? '';
}

/** Others take addresses until so many are left. */
function fill(cluster: Cluster, subnetId: string, left: number): void {
  const { region } = cluster.cloud;
  const free = () =>
    region.execute('DescribeSubnets', { SubnetIds: [subnetId] }).Subnets?.[0]?.AvailableIpAddressCount ?? 0;
  while (free() > left) {
    const count = Math.min(20, free() - left - 1);
    region.execute('CreateNetworkInterface', {
      SubnetId: subnetId,
      ...(count > 0 ? { SecondaryPrivateIpAddressCount: count } : {}),
    });
  }
}

/** A day in which ever more of the 59 addresses were held: some hours are left. */
function writeRisingHistory(path: string, subnetId: string): void {
  const now = Date.now();
  const rows = Array.from({ length: 96 }, (_, i) => [
    now - (95 - i) * 900_000 - 30_000,
    Math.round(2 + (48 * i) / 95),
    0,
  ]);
  writeFileSync(path, JSON.stringify({ version: 1, subnets: { [subnetId]: rows } }));
}
