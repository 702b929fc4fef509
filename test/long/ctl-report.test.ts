/** `--html FILE` of simulate, recommend and forecast as they are released, and what a browser makes of the files. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SimulateAnswer } from '#ipamd/ctl/simulate/command.ts';
import { subnetsPage } from '#ipamd/report/subnets-page.ts';
import { Browser } from '#test/support/browser.ts';
import { type Output, run } from '#test/support/command.ts';
import { BUILD } from '#test/support/daemon-program.ts';
import { subnetsAnswer } from '#test/support/report-subjects.ts';
import { describeWith } from '#test/support/require.ts';

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1000, height: 800 };
const REPORTS = ['simulate', 'recommend', 'forecast'] as const;
const CLUSTER = {
  durationHours: 0.5,
  subnets: [{ id: 'subnet-a', cidr: '10.0.0.0/24' }],
  groups: [{ name: '<b onclick="x">workers', instanceType: 'm5.large', count: 3 }],
};
const WORKLOAD = [{ kind: 'churn', podsPerHour: 300, lifetimeSeconds: 120 }];

let directory: string;
let server: Server;
let origin: string;
let outputs: Readonly<Record<(typeof REPORTS)[number], Output>>;

const bundle = (name: string): string => join(process.env[BUILD] ?? '', `${name}.cjs`);
const ctl = (...args: readonly string[]): Promise<Output> =>
  run(process.execPath, ['--no-warnings', bundle('wellspringctl'), ...args]);
const pathOf = (name: string): string => join(directory, `${name}.html`);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'wellspring-report-'));
  // Worked out before anybody waits for it: on a busy machine it takes longer than `forecast` has patience.
  const subnets = subnetsAnswer();
  const [json, page] = [JSON.stringify(subnets), subnetsPage(subnets, false)];
  server = createServer((request, response) => {
    const isJson = request.url === '/v1/subnets';
    response.setHeader('content-type', isJson ? 'application/json' : 'text/html; charset=utf-8');
    response.end(isJson ? json : page);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(join(directory, 'cluster.json'), JSON.stringify(CLUSTER));
  writeFileSync(join(directory, 'pods.json'), JSON.stringify(WORKLOAD));
  const subject = ['--cluster', join(directory, 'cluster.json'), '--workload', join(directory, 'pods.json')];
  const [simulate, recommend, forecast] = await Promise.all([
    ctl('simulate', ...subject, '--policy', 'both', '--html', pathOf('simulate'), '--json'),
    ctl('recommend', ...subject, '--runs', '8', '--seeds', '1', '--html', pathOf('recommend'), '--json'),
    ctl('forecast', '--from', origin, `--html=${pathOf('forecast')}`),
  ]);
  outputs = { simulate, recommend, forecast };
});
afterAll(async () => {
  await new Promise<void>((resolve) => server.close(() => resolve()));
  rmSync(directory, { recursive: true, force: true });
});

describe('--html', () => {
  it('writes the file beside what is printed, which with --json stays one document', () => {
    for (const name of ['simulate', 'recommend'] as const) {
      const { code, stdout, stderr } = outputs[name];
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toBe(`${JSON.stringify(JSON.parse(stdout), undefined, 2)}\n`);
    }
    expect(outputs.forecast).toMatchObject({ code: 0, stderr: '' });
    expect(outputs.forecast.stdout).toMatch(new RegExp(`\\nReport: ${pathOf('forecast')}\\n$`));
    expect(readdirSync(directory).toSorted()).toEqual(
      ['cluster.json', 'forecast.html', 'pods.json', 'recommend.html', 'simulate.html'].toSorted(),
    );
    for (const name of REPORTS)
      expect(readFileSync(pathOf(name), 'utf8')).toMatch(/^<!doctype html>[\s\S]*<\/html>\s*$/);
  });

  it('has a distribution of all delays', () => {
    const answer = JSON.parse(outputs.simulate.stdout) as SimulateAnswer;
    for (const { delayed, delayMs, delayBuckets } of [answer, answer.peer ?? answer]) {
      expect(delayBuckets.reduce((sum, { pods }) => sum + pods, 0)).toBe(delayed);
      const last = delayBuckets.findLast(({ pods }) => pods > 0);
      expect(last?.atMostMs ?? Infinity).toBeGreaterThanOrEqual(delayed === 0 ? 0 : delayMs.max);
    }
  });

  it.each([
    ['a directory that is not there', () => join(directory, 'absent', 'x.html')],
    ['a directory', () => directory],
    ['a device', () => '/dev/null'],
  ])('refuses %s before it works', async (_what, path) => {
    const { code, stdout, stderr } = await ctl('simulate', '--preset', '5000-nodes-24h', '--html', path());
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^wellspringctl: the report .+ cannot be written\nwhy: .+\ndo: {2}.*--html\.\n$/);
  });

  it.each([
    ['recommend', ['--compare']],
    ['simulate', ['--list-presets']],
  ])('is refused by %s where there is nothing to report', async (command, more) => {
    expect(await ctl(command, ...more, '--html', pathOf('never'))).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('the chart library', () => {
  it('is in a file of its own, which the daemon and the controller do not have and other commands do not load', () => {
    const isIn = (name: string): boolean => readFileSync(bundle(name), 'utf8').includes('zrender');
    expect(isIn('report-renderer')).toBe(true);
    for (const name of ['ipamd', 'wellspringctl', 'wellspring-subnets', 'wellspring-install'])
      expect([name, isIn(name)]).toEqual([name, false]);
  });
});

/** What axe finds against WCAG and good practice: the rule and the places. Paths within a drawing are one picture. */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const JUDGED = `${AXE}; axe.run({ exclude: 'figure svg > *' }).then(({ violations, passes }) => ({
  passed: passes.length,
  violations: violations.map(({ id, help, nodes }) => [id, help, nodes.slice(0, 3).map(({ html }) => html.slice(0, 200))]),
}))`;

describeWith(['chromium'], 'in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await Browser.start();
  });
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
  });

  it.each([...REPORTS, 'live map'])(
    '%s asks for nothing, complains of nothing, and fits a phone and a desk in light and dark',
    async (name) => {
      const url = name === 'live map' ? `${origin}/` : `file://${pathOf(name)}`;
      const backgrounds = [];
      for (const view of [
        { ...PHONE, isDark: false },
        { ...DESK, isDark: true },
      ]) {
        const script = `({
        background: getComputedStyle(document.body).backgroundColor,
        shown: [...document.querySelectorAll('figure svg[role=img]')].filter((each) => each.checkVisibility()).length,
        figures: document.querySelectorAll('figure').length,
        smallest: Math.min(...[...document.querySelectorAll('figure svg[role=img] text')].filter((each) => each.checkVisibility()).map((each) => each.getBoundingClientRect().height)),
        scripts: document.scripts.length,
      })`;
        const opened = await browser.open({ url, ...view }, script);
        const value = opened.value as Readonly<Record<string, number>>;
        expect({ requests: opened.requests, complaints: opened.complaints }).toEqual({
          requests: [url],
          complaints: [],
        });
        expect(opened.contentWidth).toBeLessThanOrEqual(view.width);
        // Of the drawings of a chart, for narrow and for wide places, one is to be seen.
        expect(value).toMatchObject({ shown: value['figures'], scripts: 0 });
        expect(value['figures']).toBeGreaterThan(2);
        if (name !== 'live map') expect(value['smallest']).toBeGreaterThan(8);
        expect(opened.png.subarray(1, 4).toString()).toBe('PNG');
        expect(opened.png.length).toBeGreaterThan(10_000);
        backgrounds.push(value['background']);
      }
      expect(new Set(backgrounds).size).toBe(2);
    },
  );

  it.each([...REPORTS, 'live map'])('%s has nothing that an accessibility checker objects to', async (name) => {
    const url = name === 'live map' ? `${origin}/` : `file://${pathOf(name)}`;
    for (const view of [
      { ...PHONE, isDark: true },
      { ...DESK, isDark: false },
    ]) {
      const { violations, passed } = (await browser.open({ url, ...view }, JUDGED)).value as {
        readonly violations: readonly unknown[];
        readonly passed: number;
      };
      expect(violations).toEqual([]);
      expect(passed).toBeGreaterThan(15);
    }
  });
});
