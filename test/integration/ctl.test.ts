/** wellspringctl as a process against a real ipamd: what it shows, what it foretells, how it fails. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { PlanAnswer } from '#ipamd/observe/explain-plan.ts';
import type { ExplainAnswer } from '#ipamd/observe/explain-subject.ts';
import type { SubnetAnswer } from '#ipamd/observe/explain-subnet.ts';
import {
  type AddedPod,
  addPod,
  converged,
  deletePods,
  ec2Calls,
  interfacesOf,
  poolOf,
} from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { type Output, run } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const MAIN = new URL('../../ipamd/ctl/main.ts', import.meta.url).pathname;

let cluster: Cluster;
let node: ClusterNode;
let pod: AddedPod;

const ctl = (...args: readonly string[]): Promise<Output> =>
  run(process.execPath, ['--no-warnings', MAIN, ...args, '--socket', node.introspectionSocket]);

async function shown(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await ctl(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

const answer = async <T>(...args: readonly string[]) => JSON.parse(await shown(...args, '--json')) as T;

async function refused(code: number, ...args: readonly string[]): Promise<string> {
  const output = await ctl(...args);
  expect(output).toMatchObject({ code, stdout: '' });
  expect(output.stderr).toMatch(/^wellspringctl: .+\nwhy: .+\ndo: {2}.+\n$/);
  return output.stderr;
}

describeWith(['root', 'ip', 'nft'], 'wellspringctl', () => {
  beforeAll(async () => {
    cluster = await testCluster();
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon();
    await converged(cluster, node);
    pod = await addPod(node, 'web');
    await converged(cluster, node);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('shows the node, its pods, ENIs, subnets and calls to people', async () => {
    expect(await shown('status')).toMatch(
      new RegExp(
        `^node +${node.instanceId} \\(m5\\.large\\), 10\\.0\\.0\\.\\d+ in subnet-\\S+\nipamd +\\S+, up [\\dms ]+\nENIs +2 of 3\naddresses +18: 1 assigned, 0 cooling down, 17 free; `,
      ),
    );
    expect(await shown('pods')).toMatch(
      new RegExp(`^NAMESPACE +POD +.*\ndefault +web +${pod.address} +eni-\\S+ +main +eni\\S+ +(now|[\\dms ]+ ago)\n$`),
    );
    expect((await shown('enis')).split('\n')).toHaveLength(4);
    expect(await shown('subnets')).toMatch(
      /^SUBNET +CIDR +AVAILABLE .*\nsubnet-\S+ +10\.0\.0\.0\/24 +\d+ +2 +18 +1 +- +-\n$/,
    );
    expect(await shown('calls')).toMatch(/^AT .*\n(.* ago +describeNetworkInterfaces +start +\d+ +ok\n)/i);
  });

  it('records its pods as a trace', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'wellspring-record-'));
    try {
      const out = join(directory, 'pods.jsonl');
      const recorded = await answer('record', '--out', out, '--duration', '50ms', '--interval', '20ms');
      expect(recorded).toMatchObject({ file: out, pods: 1, running: 1, missed: 0 });
      expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual({ start: 0, node: 0, pod: 'default/web' });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it.each(['status', 'pods', 'enis', 'subnets', 'plan', 'calls'])(
    '%s --json is one document, the daemon’s own',
    async (command) => {
      const withoutTime = (value: unknown) => JSON.stringify(value).replaceAll(/"(upSeconds|at)":("[^"]*"|\d+)/g, '');
      expect(withoutTime(await answer(command))).toBe(withoutTime(await node.introspect(`/v1/${command}`)));
      expect(withoutTime(JSON.parse(await shown(command, '-o', 'json')))).toBe(withoutTime(await answer(command)));
    },
  );

  it('plans nothing, here and under the settings that govern already', async () => {
    expect(await shown('plan')).toBe('Nothing is to be done now.\n\nTime alone changes nothing.\n');
    const {
      at: _,
      settled,
      refusals,
      ...after
    } = (await answer<PlanAnswer>('plan', '--set', 'WARM_ENI_TARGET=1')).after;
    const now = (await answer<PlanAnswer>('plan')).now;
    expect({ settled, refusals, after }).toEqual({ settled: true, refusals: [], after: now });
    expect(await shown('plan', '--set', 'IP_COOLDOWN_PERIOD=7')).toMatch(
      /\nNothing is to be done\.\n[\s\S]*\ncool-down +1 s +7 s\n\nNo EC2 call\. Nothing is left to do then\.\n/,
    );
  });

  it('shows what other settings would do, in sentences and a table', async () => {
    const text = await shown('plan', '--set', 'WARM_ENI_TARGET=5', '--set', 'MAX_ENI=2');
    expect(text).toMatch(/^With these settings\n {2}WARM_ENI_TARGET +5 +\(now 1\)\n {2}MAX_ENI +2 +\(now -1\)\n/);
    expect(text).toMatch(
      /Cannot be done, or not yet\n {2}- \d+ more blocks needed, but all 2 interfaces this node may have are attached and full/,
    );
    expect(text).toMatch(/\nENIs +2 of 3 +2 of 2\naddresses +18 +18\n/);
    const fewer = await shown('plan', '--set', 'WARM_IP_TARGET=2');
    expect(fewer).toMatch(
      /- detach and delete eni-\w+: 3 calls \(DescribeNetworkInterfaces, Detach.*\n {4}The pool has 17 free addresses .*\(above-warm-ip-target\)\n/,
    );
  });

  it('explains a pod by each of its names', async () => {
    const [row] = (await answer<ExplainAnswer>('explain', 'default/web')).matches;
    expect(row).toMatchObject({
      kind: 'pod',
      address: pod.address,
      routeTable: 'main',
      block: { cidr: `${pod.address}/32` },
    });
    for (const name of ['web', pod.pod.containerId])
      expect((await answer<ExplainAnswer>('explain', name)).matches).toEqual([row]);
    expect(await shown('explain', 'web')).toMatch(
      /^pod +default\/web\naddress [\s\S]*\n\nIts address is a secondary address of the primary ENI eni-/,
    );
  });

  it('explains why an ENI is kept', async () => {
    const [primary, other] = await interfacesOf(node);
    expect(await shown('explain', primary?.id ?? '')).toMatch(/\nIt is kept: it is the primary ENI/);
    expect(await shown('explain', other?.id ?? '')).toMatch(
      /\nIt is kept\. Without it: The pool has 8 free addresses, fewer than WARM_ENI_TARGET=1 keeps/,
    );
  });

  it('explains a subnet and every kind of address', async () => {
    const [subnet] = await answer<readonly SubnetAnswer[]>('subnets');
    expect(await shown('explain', subnet?.id ?? '')).toMatch(
      /^subnet +subnet-[\s\S]*This node has 2 ENIs in it with 18 addresses, 1 of them in use by pods\.\n$/,
    );
    const enis = await interfacesOf(node);
    const free = enis[1]?.blocks[0]?.cidr.replace('/32', '') ?? '';
    expect(await shown('explain', pod.address)).toMatch(/\nIt is in use by pod default\/web since \d\d:\d\d:\d\dZ \(/);
    expect(await shown('explain', free)).toMatch(
      /\nIt is free\.\nIt is a secondary address of eni-\S+ \(device 1\), which is ready\.\n$/,
    );
    expect(await shown('explain', '10.0.0.254')).toMatch(
      /\nIt is unknown here: [^\n]+\nIt lies in subnet-\S+ \(10\.0\.0\.0\/24\)/,
    );
    const { primaryAddress } = await answer<{ readonly primaryAddress: string }>('status');
    expect(await shown('explain', primaryAddress)).toMatch(/\nIt is the own address of the primary ENI eni-/);
  });

  it('names the nearest when it knows nothing of the name', async () => {
    const stderr = await refused(1, 'explain', 'default/wev');
    expect(stderr).toMatch(
      /knows nothing called "default\/wev"\nwhy: it has 1 pod, 2 ENIs and 1 subnet, none of that name\.\ndo: {2}Nearest names: default\/web, /,
    );
    const { code, stdout } = await ctl('explain', 'nothing', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      subject: 'nothing',
      candidates: expect.arrayContaining(['default/web']),
    });
  });

  it('refuses wrong arguments with status 2', async () => {
    expect(await refused(2, 'plan', '--set', 'WARM_IP_TARGET=many')).toContain(
      'WARM_IP_TARGET="many" is not allowed: it must be a whole number',
    );
    expect(await refused(2, 'plan', '--set', 'AWS_VPC_ENI_MTU=1500')).toContain('AWS_VPC_ENI_MTU cannot be set here');
    expect(await refused(2, 'plan', '--set', 'MAX_ENI')).toContain('KEY=VALUE');
    expect(await refused(2, 'pods', '--set', 'MAX_ENI=1')).toContain('--set does not go here');
    expect(await refused(2, 'nonsense')).toContain('the commands are status, pods');
    expect(await refused(2, 'status', '--nonsense')).toContain("Unknown option '--nonsense'");
    expect(await refused(2, 'status', '-o', 'xml')).toContain('table, json, yaml');
    expect(await refused(2, 'status', '--json', '-o', 'yaml')).toContain('contradict each other');
    expect(await refused(2, 'explain')).toContain('lacks its SUBJECT');
    expect(await refused(2, 'explain', 'a', 'b')).toContain('"b" does not go here');
  });

  it('has help for the whole and for each command', async () => {
    const help = await shown('--help');
    for (const command of ['status', 'pods', 'enis', 'subnets', 'plan', 'explain', 'calls']) {
      expect(help).toContain(`  ${command} `);
      expect(await shown(command, '--help')).toMatch(new RegExp(`^wellspringctl ${command} `));
    }
  });

  it.each([
    ['WARM_IP_TARGET=2'],
    ['ENABLE_PREFIX_DELEGATION=true'],
    ['MAX_ENI=2', 'WARM_ENI_TARGET=3'],
    ['MINIMUM_IP_TARGET=22', 'WARM_IP_TARGET=1'],
  ])(
    'foretells what a daemon does with other settings (%s): addresses, ENIs, prefixes and calls',
    async (...settings: readonly string[]) => {
      await node.stopDaemon('SIGTERM');
      await node.startDaemon();
      await converged(cluster, node);
      const { after, calls } = await answer<PlanAnswer>('plan', ...settings.flatMap((setting) => ['--set', setting]));
      await node.stopDaemon('SIGTERM');
      const mark = cluster.cloud.calls().length;
      await node.startDaemon(Object.fromEntries(settings.map((setting) => setting.split('=') as [string, string])));
      const { interfaces, addresses: total, prefixes, assigned, free } = after;
      const foretoldPool = { interfaces, total, prefixes, assigned, free };
      let pool: unknown;
      await until('the foretold pool is there', 10_000, async () => {
        pool = await poolOf(node);
        return Object.entries(foretoldPool).every(
          ([name, figure]) => (pool as Record<string, unknown>)[name] === figure,
        );
      }).catch(() => expect(pool).toMatchObject(foretoldPool));
      await converged(cluster, node);
      expect(await poolOf(node)).toMatchObject(foretoldPool);
      const changing = ec2Calls(cluster, mark).filter(
        ({ action, status }) => !action.startsWith('Describe') && status === 200,
      );
      const counts = Object.fromEntries(
        Object.entries(Object.groupBy(changing, ({ action }) => action)).map(([action, all]) => [action, all?.length]),
      );
      const foretold = Object.fromEntries(Object.entries(calls).filter(([action]) => !action.startsWith('Describe')));
      // While the new ENI attaches, blocks of the old mode may be given back one by one that its arrival would have sent
      // off with their ENI: a call more, which no forecast without latencies knows of.
      const spare = settings.some((setting) => setting.startsWith('ENABLE_PREFIX'))
        ? { UnassignPrivateIpAddresses: 0 }
        : {};
      expect({ ...counts, ...spare }).toEqual({ ...foretold, ...spare });
    },
  );

  it('says how long an address rests, and fails plainly when no ipamd runs', async () => {
    await node.stopDaemon('SIGTERM');
    await node.startDaemon({ IP_COOLDOWN_PERIOD: '60' });
    await deletePods(node, [pod]);
    expect(await shown('explain', pod.address)).toMatch(
      /\nIt rests until \d\d:\d\d:\d\dZ \(in (1m|\d+s)\), because a pod that had it was deleted/,
    );
    await node.stopDaemon('SIGTERM');
    expect(await refused(1, 'status')).toMatch(/cannot be asked on .*\nwhy: nobody listens there \(ENOENT\)/);
  });
});
