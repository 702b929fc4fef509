/** What the demo has to say: progress while it runs, then a table and ticks, or one JSON document. */
import { table } from '#ipamd/ctl/table.ts';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export interface PodRow {
  readonly pod: string;
  readonly node: string;
  readonly eni: string;
  readonly address: string;
  readonly routeTable: number | 'main';
  readonly addMs: number;
}

export interface DemoReport {
  readonly ok: boolean;
  readonly cniBinary: { readonly kind: string; readonly bytes: number };
  readonly isolation: string;
  readonly pods: readonly PodRow[];
  readonly checks: readonly Check[];
  /** Milliseconds. */
  readonly timings: Readonly<Record<string, number>>;
  readonly ec2Calls: Readonly<Record<string, number>>;
}

/** Progress goes to standard error, so that standard output is the result alone. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

export class Checks {
  readonly #checks: Check[] = [];

  get all(): readonly Check[] {
    return this.#checks;
  }

  add(name: string, ok: boolean, detail: string): void {
    this.#checks.push({ name, ok, detail });
    say(`  ${tick(ok)} ${name}: ${detail}`);
  }

  /** A check that cannot be carried out has failed, and the rest goes on. */
  async attempt(
    name: string,
    carryOut: () => Promise<{ readonly ok: boolean; readonly detail: string }>,
  ): Promise<void> {
    try {
      const { ok, detail } = await carryOut();
      this.add(name, ok, detail);
    } catch (error) {
      this.add(name, false, error instanceof Error ? error.message : String(error));
    }
  }
}

export function render(report: DemoReport): string {
  const pods = table(
    [
      ['POD', 'pod'],
      ['NODE', 'node'],
      ['ENI', 'eni'],
      ['ADDRESS', 'address'],
      ['ROUTE TABLE', 'routeTable'],
      ['ADD ms', 'addMs'],
    ],
    report.pods.map((row) => ({ ...row, addMs: row.addMs.toFixed(1) })),
  );
  const checks = report.checks.map(({ name, ok, detail }) => `${tick(ok)} ${name}: ${detail}`);
  const calls = Object.entries(report.ec2Calls).map(([name, count]) => `${name} ${count}`);
  const failed = report.checks.filter(({ ok }) => !ok).length;
  // On a terminal they have just been seen, as they were made.
  const seen = process.stdout.isTTY && process.stderr.isTTY;
  return [
    pods,
    ...(seen ? [] : checks),
    '',
    `EC2 calls: ${calls.join(', ')}`,
    `Timings (ms): ${Object.entries(report.timings)
      .map(([name, ms]) => `${name} ${Math.round(ms)}`)
      .join(', ')}`,
    failed === 0 ? `All ${report.checks.length} checks held.` : `${failed} of ${report.checks.length} checks failed.`,
    '',
  ].join('\n');
}

function tick(ok: boolean): string {
  return ok ? '✓' : '✗';
}
