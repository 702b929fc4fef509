/**
 * Takes the pictures of docs/images: `node tools/report-pictures.ts [--out DIRECTORY] [--all]`. `--all`: dark and narrow ones as well, to be
 * looked at. Needs chromium.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { forecastReport } from '#ipamd/report/forecast.ts';
import { subnetsPage } from '#ipamd/report/subnets-page.ts';
import { Browser } from '#test/support/browser.ts';
import { subnetsAnswer } from '#test/support/report-subjects.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const CTL = join(ROOT, 'ipamd/ctl/main.ts');
const VIEWS = [
  { suffix: '', width: 1000, height: 3000, isDark: false },
  { suffix: '-dark', width: 1000, height: 3000, isDark: true },
  { suffix: '-phone', width: 390, height: 3000, isDark: false },
] as const;

/** Where each picture begins, and how high it is. */
const PICTURES = [
  { name: 'report-simulate', from: '', wide: 1000, high: 1010 },
  { name: 'report-recommend', from: '#frontier', wide: 1000, high: 700 },
  { name: 'report-forecast', from: '#s-subnet-0a11', wide: 900, high: 1015 },
  { name: 'subnet-map', from: '#s-subnet-0a11', wide: 900, high: 620 },
] as const;

async function reports(directory: string): Promise<typeof PICTURES> {
  const ctl = async (command: string, ...more: readonly string[]): Promise<void> => {
    const path = join(directory, `report-${command}.html`);
    await promisify(execFile)(process.execPath, ['--no-warnings', CTL, command, ...more, '--html', path], {
      maxBuffer: 1e8,
    });
  };
  await ctl('simulate', '--preset', 'scale-out', '--policy', 'both');
  await ctl('recommend', '--preset', 'cron-burst');
  await writeFile(join(directory, 'report-forecast.html'), forecastReport(subnetsAnswer()));
  await writeFile(join(directory, 'subnet-map.html'), subnetsPage(subnetsAnswer(), true));
  return PICTURES;
}

async function main(out: string, isAll: boolean): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'wellspring-pictures-'));
  await using browser = await Browser.start();
  try {
    await mkdir(out, { recursive: true });
    for (const { name, from, wide, high } of await reports(directory))
      for (const { suffix, ...view } of isAll ? VIEWS : VIEWS.slice(0, 1)) {
        const url = `file://${directory}/${name}.html${isAll ? '' : from}`;
        const { png, complaints, contentWidth } = await browser.open({
          url,
          ...view,
          ...(isAll ? {} : { width: wide, height: high }),
        });
        const path = join(out, `${name}${suffix}.png`);
        await writeFile(path, png);
        const { length } = await readFile(path);
        process.stdout.write(
          `${path}: ${length} bytes, content ${contentWidth} wide, complaints: ${complaints.join(' ') || 'none'}\n`,
        );
      }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { out: { type: 'string' }, all: { type: 'boolean' } } });
await main(values.out ?? join(ROOT, 'docs/images'), values.all === true);
