/** `simulate`, `recommend` and `record` as processes: the same bytes twice, clear refusals, Ctrl-C. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Output, run } from '#test/support/command.ts';
import { until } from '#test/support/until.ts';

const MAIN = new URL('../../ipamd/ctl/main.ts', import.meta.url).pathname;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'wellspring-simulate-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const ctl = (...args: readonly string[]): Promise<Output> => run(process.execPath, ['--no-warnings', MAIN, ...args]);

function file(name: string, content: unknown): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

async function refused(code: number, ...args: readonly string[]): Promise<string> {
  const output = await ctl(...args);
  expect(output).toMatchObject({ code, stdout: '' });
  expect(output.stderr).toMatch(/^wellspringctl: .+\nwhy: .+\ndo: {2}.+\n$/);
  return output.stderr;
}

const CLUSTER = {
  durationHours: 0.5,
  subnets: [{ id: 'subnet-a', cidr: '10.0.0.0/24' }],
  groups: [{ name: 'workers', instanceType: 'm5.large', count: 3 }],
};
const WORKLOAD = [{ kind: 'churn', podsPerHour: 300, lifetimeSeconds: 120 }];

describe('the same input', () => {
  it.each([
    ['simulate', ['--policy', 'both', '--seed', '7']],
    ['recommend', ['--runs', '12', '--seeds', '2', '--seed', '7']],
  ])('gives the same bytes from two processes of %s', async (command, more) => {
    const subject = ['--cluster', file('cluster.json', CLUSTER), '--workload', file('pods.json', WORKLOAD)];
    const [one, other] = await Promise.all([
      ctl(command, ...subject, ...more, '--json'),
      ctl(command, ...subject, ...more, '--json'),
    ]);
    expect({ code: one.code, stderr: one.stderr }).toEqual({ code: 0, stderr: '' });
    expect(one.stdout.length).toBeGreaterThan(500);
    expect(other.stdout).toBe(one.stdout);
    expect(one.stdout).toBe(`${JSON.stringify(JSON.parse(one.stdout), undefined, 2)}\n`);
  });
});

describe('what cannot be simulated', () => {
  let traces = 0;
  const trace = (text: string) => ['--preset', 'churn', '--workload', file(`pods-${(traces += 1)}.csv`, text)];
  const cases: readonly (readonly [string, number, () => readonly string[], RegExp])[] = [
    [
      'malformed JSON',
      2,
      () => ['--cluster', file('a.json', '{"durationHours":'), '--preset', 'churn'],
      /a\.json is not JSON/,
    ],
    [
      'no file',
      1,
      () => ['--preset', 'churn', '--workload', join(directory, 'none.csv')],
      /none\.csv cannot be read\nwhy: ENOENT/,
    ],
    [
      'an unknown key',
      2,
      () => ['--preset', 'churn', '--cluster', file('b.json', { ...CLUSTER, nodes: 3 })],
      /the cluster\.nodes is not known; known are durationHours/,
    ],
    [
      'an unknown generator',
      2,
      () => ['--preset', 'churn', '--workload', file('c.json', [{ kind: 'flood' }])],
      /workload\[0\]\.kind must be one of churn/,
    ],
    [
      'an absurd count',
      2,
      () => ['--preset', 'churn', '--workload', file('d.json', [{ ...WORKLOAD[0], podsPerHour: 1e300 }])],
      /workload\[0\]\.podsPerHour must not be 1e\+300/,
    ],
    [
      'a year',
      2,
      () => ['--preset', 'churn', '--cluster', file('e.json', { ...CLUSTER, durationHours: 8760 })],
      /the cluster\.durationHours must not be 8760/,
    ],
    [
      'an unknown type',
      2,
      () => [
        '--preset',
        'churn',
        '--cluster',
        file('f.json', { ...CLUSTER, groups: [{ ...CLUSTER.groups[0], instanceType: 'm5.huge' }] }),
      ],
      /instance type "m5\.huge" is not in the table/,
    ],
    [
      'a subnet too small',
      2,
      () => [
        '--preset',
        'churn',
        '--cluster',
        file('g.json', { ...CLUSTER, subnets: [{ id: 'a', cidr: '10.0.0.0/29' }] }),
      ],
      /CIDR "10\.0\.0\.0\/29" of a is not/,
    ],
    [
      'a setting out of range',
      2,
      () => ['--preset', 'churn', '--set', 'WARM_IP_TARGET=-1'],
      /a setting is not allowed\nwhy: WARM_IP_TARGET="-1"/,
    ],
    ['an empty trace', 2, () => trace(''), /is not a trace\nwhy: .+\n/],
    ['a trace of a heading', 2, () => trace('start,stop,node\n'), /is not a trace\nwhy: there is no pod in it\./],
    [
      'a trace with a wrong line',
      2,
      () => trace('start,stop\n1,2\n5,4\n'),
      /is not a trace\nwhy: line 3 is not a pod: 5,4\./,
    ],
    ['a trace of a node too many', 2, () => trace('start,stop,node\n1,2,99\n'), /the workload names node 99 of 20/],
    [
      'an answer of Prometheus to another query',
      2,
      () => [
        '--preset',
        'churn',
        '--workload',
        file('h.json', { status: 'success', data: { resultType: 'vector', result: [] } }),
      ],
      /h\.json is not an answer of Prometheus to a range query\nwhy: its resultType is "vector"/,
    ],
    ['a seed that is none', 2, () => ['--preset', 'churn', '--seed', '1.5'], /--seed "1\.5" is not a seed/],
    [
      'an unknown preset',
      2,
      () => ['--preset', 'nope'],
      /there is no preset "nope"\nwhy: there are 5000-nodes-24h, churn/,
    ],
    ['nothing', 2, () => [], /it is not said what to simulate/],
  ];
  it('is refused with what is wrong, where, and what to do; by recommend in the same words', async () => {
    const answers = cases.map(async ([name, code, args, text], index) => {
      const stderr = await refused(code, index % 2 === 0 ? 'simulate' : 'recommend', ...args());
      return { name, text, stderr };
    });
    for (const { name, text, stderr } of await Promise.all(answers)) expect(`${name}: ${stderr}`).toMatch(text);
    expect(await refused(2, 'recommend', '--preset', 'churn', '--objective', 'all')).toMatch(
      /it is balanced, idle, delay, calls/,
    );
    expect(await refused(2, 'recommend', '--preset', 'churn', '--instance-types', 'm5.huge')).toMatch(
      /"m5\.huge" is not in the table/,
    );
    expect(await refused(2, 'recommend', '--preset', 'churn', '--group', 'x')).toMatch(
      /there is no group "x"\nwhy: the cluster has workers/,
    );
  });
});

/** Started, and sent SIGINT once it is at work. */
async function interrupted(args: readonly string[], isAtWork: (child: ChildProcess) => boolean): Promise<Output> {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args], { stdio: 'pipe' });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  try {
    await until('it is at work', 60_000, () => isAtWork(child));
    child.kill('SIGINT');
    await until('it has ended', 60_000, () => child.exitCode !== null || child.signalCode !== null);
    return { code: child.exitCode ?? -1, ...output };
  } finally {
    child.kill('SIGKILL');
  }
}

/** Its thread runs (proc(5), comm); signals are taken care of before it is started. */
function simulates({ pid }: ChildProcess): boolean {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return false;
  return readdirSync(tasks).some((task) => {
    const path = join(tasks, task, 'comm');
    return existsSync(path) && readFileSync(path, 'utf8').startsWith('WorkerThread');
  });
}

describe('Ctrl-C', () => {
  it.each(['simulate', 'recommend'])('ends %s with status 130 and no document', async (command) => {
    const output = await interrupted([command, '--preset', '5000-nodes-24h', '--json'], simulates);
    expect(output).toMatchObject({ code: 130, stdout: '' });
    expect(output.stderr).toMatch(/^wellspringctl: the (simulation|search) was interrupted\nwhy: .+\ndo: {2}.+\n$/);
  });
});

describe('record', () => {
  let server: Server;
  let rows: readonly object[] = [];
  let looks = 0;
  const socket = (): string => join(directory, 'introspect.sock');
  const row = (name: string) => ({
    namespace: 'default',
    name,
    containerId: name,
    ifName: 'eth0',
    vlanId: null,
    parent: null,
    since: new Date().toISOString(),
  });
  beforeAll(async () => {
    server = createServer((_request, response) => {
      looks += 1;
      response.setHeader('content-type', 'application/json').end(JSON.stringify(rows));
    });
    await new Promise<void>((resolve) => void server.listen(socket(), resolve));
  });
  afterAll(() => void server?.close());

  it('writes a trace that simulate takes, and Ctrl-C leaves it whole', async () => {
    const out = join(directory, 'recorded.jsonl');
    rows = [row('stays'), row('goes')];
    const args = ['record', '--socket', socket(), '--out', out, '--interval', '20ms', '--json'];
    const steps = [
      () => looks >= 3 && ((rows = [row('stays')]), true),
      () => existsSync(out) && readFileSync(out, 'utf8').includes('goes'),
    ];
    const output = await interrupted(args, () => {
      if (steps[0]?.() === true) steps.shift();
      return steps.length === 0;
    });
    expect({ code: output.code, stderr: output.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(output.stdout)).toMatchObject({ file: out, pods: 2, running: 1, missed: 0 });
    const lines = readFileSync(out, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { start: 0, stop: expect.any(Number), node: 0, pod: 'default/goes' },
      { start: 0, node: 0, pod: 'default/stays' },
    ]);
    const simulated = await ctl('simulate', '--cluster', file('one.json', CLUSTER), '--workload', out, '--json');
    expect(JSON.parse(simulated.stdout)).toMatchObject({ podEvents: 3, nodes: 3 });
  });

  it('ends by itself when its time is over, and refuses what it cannot do', async () => {
    const out = join(directory, 'short.jsonl');
    const { code, stdout } = await ctl(
      'record',
      '--socket',
      socket(),
      '--out',
      out,
      '--duration',
      '50ms',
      '--interval',
      '20ms',
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d pods? in [\d.]+ s, \d of them still there: /);
    expect(await refused(1, 'record', '--socket', join(directory, 'nobody'), '--out', out)).toMatch(
      /ipamd cannot be asked/,
    );
    expect(await refused(1, 'record', '--socket', socket(), '--out', join(directory, 'no', 'where'))).toMatch(
      /cannot be written\nwhy: ENOENT/,
    );
    expect(await refused(2, 'record', '--duration', 'long')).toMatch(/--duration "long" is not a time/);
    expect(await refused(2, 'record', '--out', 'x.json')).toMatch(/--out "x\.json" is not for a trace/);
  });
});
