/** The demo as a user runs it: one JSON document, every check held, nothing left behind, also when it is interrupted. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import { run } from '#test/support/command.ts';
import { until } from '#test/support/until.ts';
import type { DemoReport } from '#tools/demo/report.ts';

const DEMO = new URL('../../tools/demo/main.ts', import.meta.url).pathname;
const NODE = ['--no-warnings', DEMO];
/** Half a minute where nothing else runs; a minute beside the other tests. */
const DEADLINE_MS = 280_000;

let temporary = '';
beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'wellspring-demo-test-'));
});
afterAll(() => rm(temporary, { recursive: true, force: true }));

/** Processes that were started with this variable in their environment, wherever they went since. */
async function processesWith(variable: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const environments = await Promise.all(
    // A process may end while it is looked at.
    pids.map((pid) => readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')),
  );
  return pids.filter((_, index) => environments[index]?.split('\0').includes(variable));
}

describeWith(['root', 'ip', 'nft'], 'the demo', () => {
  it('prints one JSON document in which every check holds', async () => {
    const { code, stdout, stderr } = await run(process.execPath, [...NODE, '--json'], { timeoutMs: DEADLINE_MS });
    const report = JSON.parse(stdout) as DemoReport;
    expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(report.checks.length).toBeGreaterThanOrEqual(10);
    expect(report.pods).toHaveLength(40);
    expect(new Set(report.pods.map(({ routeTable }) => routeTable)).size).toBeGreaterThan(1);
    expect(report.ec2Calls['CreateNetworkInterface']).toBe(4);
    expect(stderr).toContain('Attaching 40 pods');
    expect(code).toBe(0);
  });

  it('leaves nothing behind when it is interrupted while pods wait', async () => {
    const env = { ...process.env, TMPDIR: temporary };
    const child = spawn(process.execPath, [...NODE, '--json'], { stdio: ['ignore', 'pipe', 'pipe'], env });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('Attaching')) child.kill('SIGINT');
    });
    expect(await ended).toBe(130);
    expect(await readdir(temporary)).toEqual([]);
    await until(
      'no process of it is left',
      5000,
      async () => (await processesWith(`TMPDIR=${temporary}`)).length === 0,
    );
  });

  it('refuses an option it does not know, with its help and status 2', async () => {
    const { code, stdout, stderr } = await run(process.execPath, [...NODE, '--nope']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('--keep');
  });
});
