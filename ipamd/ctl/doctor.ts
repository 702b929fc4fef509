/** `doctor` and `analyze`: the same checks, of this node and of a bundle. */
import { parseArgs } from 'node:util';
import manifest from '../../package.json' with { type: 'json' };
import type { Finding, Severity } from '../check-node/finding.ts';
import type { NodeFacts } from '../check-node/facts.ts';
import { counted } from '../observe/explain-action.ts';
import { Failure, usage } from './failure.ts';
import type { Paint } from './output.ts';
import { aligned } from './table.ts';
import type { WorkContext, Worked } from './work.ts';

/** What `--json` prints. */
export interface DoctorAnswer {
  readonly takenAt: string;
  readonly version: string;
  readonly counts: Readonly<Record<Severity, number>>;
  readonly findings: readonly Finding[];
}

/** Checks this node. Ends with 3 where a finding is an error. */
export async function doctor(argv: readonly string[], context: WorkContext): Promise<Worked> {
  const { values } = parsed('doctor', () =>
    parseArgs({ args: [...argv], options: { 'no-cloud': { type: 'boolean' }, root: { type: 'string' } } }),
  );
  return judged(await factsOfNode({ asksCloud: values['no-cloud'] !== true, root: values.root ?? '/' }, context));
}

/** Loaded when needed: the other commands need neither native code nor the EC2 client. */
export async function factsOfNode(
  how: { readonly asksCloud: boolean; readonly root: string },
  { socket, environment, now }: WorkContext,
): Promise<NodeFacts> {
  const { collectFacts } = await import('../check-node/collect.ts');
  return collectFacts({ ...how, socket, environment, now, version: manifest.version });
}

/** Checks a bundle. */
export async function analyze(argv: readonly string[]): Promise<Worked> {
  const { positionals } = parsed('analyze', () => parseArgs({ args: [...argv], allowPositionals: true }));
  const [path, ...more] = positionals;
  if (path === undefined)
    throw usage('`analyze` lacks its BUNDLE', 'it reads a file that `wellspringctl bundle` wrote.');
  if (more.length > 0) throw usage(`${JSON.stringify(more[0])} does not go here`, '`analyze` takes one BUNDLE.');
  return judged((await bundleAt(path)).facts);
}

/** Throws Failure with exit status 1 that says what is wrong with the file. */
export async function bundleAt(path: string) {
  const { BundleError, readBundle } = await import('../check-node/bundle/read-bundle.ts');
  try {
    return await readBundle(path);
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    throw new Failure(1, {
      what: `the bundle ${path} cannot be read`,
      why: `${error.message}.`,
      fix: FIXES[error.code],
    });
  }
}

const FIXES = {
  unreadable: 'Check the path and your permission to read it.',
  'not-gzip': 'Name a file that `wellspringctl bundle` wrote, not one of those in it.',
  'cut-off': 'Copy the bundle again, or make a new one with `wellspringctl bundle`; compare the sizes.',
  'not-a-bundle': 'Name a file that `wellspringctl bundle` wrote.',
  'other-version': 'Use the wellspringctl of the release that wrote it; `tar -xzOf BUNDLE bundle.json` says which.',
} as const;

async function judged(facts: NodeFacts): Promise<Worked> {
  const { checkNode } = await import('../check-node/check.ts');
  const findings = checkNode(facts);
  const count = (severity: Severity): number => findings.filter((one) => one.severity === severity).length;
  const answer: DoctorAnswer = {
    takenAt: facts.takenAt,
    version: facts.version,
    counts: {
      error: count('error'),
      warning: count('warning'),
      unknown: count('unknown'),
      info: count('info'),
      ok: count('ok'),
    },
    findings,
  };
  return { answer, show: (paint) => showDoctor(answer, paint), exitCode: answer.counts.error > 0 ? 3 : 0 };
}

const WORDS: Readonly<Record<Severity, readonly [word: string, colour: Parameters<Paint>[1]]>> = {
  error: ['ERROR', 'red'],
  warning: ['WARNING', 'yellow'],
  unknown: ['UNKNOWN', 'yellow'],
  info: ['INFO', 'dim'],
  ok: ['ok', 'green'],
};

export function showDoctor({ findings, counts }: DoctorAnswer, paint: Paint): string {
  const problems = findings.filter(({ severity }) => severity !== 'ok');
  const fine = findings.filter(({ severity }) => severity === 'ok');
  const blocks = problems.map(({ check, severity, seen, cure, runbook }) => {
    const [word, colour] = WORDS[severity];
    const lines = [
      `${paint(word, colour)} ${check}: ${seen}`,
      ...(cure === null ? [] : [`  do:  ${cure}`]),
      ...(runbook === null ? [] : [`  see: docs/runbooks/${runbook}`]),
    ];
    return `${lines.join('\n')}\n`;
  });
  const rows = aligned(fine.map(({ check, seen }) => ['ok', check, seen])).replaceAll(/^ok/gm, () =>
    paint('ok', 'green'),
  );
  const sum = [
    counted(counts.error, 'error'),
    counted(counts.warning, 'warning'),
    `${counts.unknown} unknown`,
    counted(counts.info, 'note'),
    `${counts.ok} fine`,
  ].join(', ');
  return [...blocks, ...(fine.length === 0 ? [] : [rows]), `${sum}.\n`].join('\n');
}

/** Node's text of a wrong command line, as ours. */
export function parsed<T>(command: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const [first] = (error as Error).message.split(/[.\n]/);
    throw usage('the command line is not understood', `${first}.`, `See \`wellspringctl ${command} --help\`.`);
  }
}
