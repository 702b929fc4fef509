/** `bundle`: the facts of this node in one redacted archive. */
import { parseArgs } from 'node:util';
import { factsOfNode, parsed } from './doctor.ts';
import { Failure } from './failure.ts';
import type { WorkContext, Worked } from './work.ts';

/** What `--json` prints. */
export interface BundleAnswer {
  readonly path: string;
  readonly bytes: number;
  readonly files: readonly string[];
}

/** Of `--out`, for containers in which no file can be written. */
const STANDARD_OUTPUT = '-';

export async function bundle(argv: readonly string[], context: WorkContext): Promise<Worked> {
  const { values } = parsed('bundle', () =>
    parseArgs({
      args: [...argv],
      options: {
        out: { type: 'string' },
        'redact-accounts': { type: 'boolean' },
        'no-cloud': { type: 'boolean' },
        root: { type: 'string' },
      },
    }),
  );
  const root = values.root ?? '/';
  const facts = await factsOfNode({ asksCloud: values['no-cloud'] !== true, root }, context);
  const { bundleFiles, packBundle, writeBundle } = await import('../check-node/bundle/write-bundle.ts');
  const path = values.out ?? `wellspring-${facts.takenAt.replaceAll(/[-:]|\.\d+/g, '')}.tar.gz`;
  const files = await bundleFiles(facts, { root, redaction: { accounts: values['redact-accounts'] === true } });
  if (path === STANDARD_OUTPUT) {
    const bytes = await packBundle(files, facts.takenAt);
    const answer: BundleAnswer = { path, bytes: bytes.length, files: files.map((file) => file.path) };
    const show = (): string =>
      `${files.length} files, ${Math.ceil(bytes.length / 1024)} KiB. Look through it before you give it away.\n`;
    return { answer, show, bytes, exitCode: 0 };
  }
  try {
    const bytes = await writeBundle(path, files, facts.takenAt);
    const answer: BundleAnswer = { path, bytes, files: files.map((file) => file.path) };
    const show = (): string =>
      `${path}: ${files.length} files, ${Math.ceil(bytes / 1024)} KiB. Look through it before you give it away: \`tar -tzf ${path}\`.\n`;
    return { answer, show, exitCode: 0 };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Failure(1, {
      what: `the bundle ${path} cannot be written`,
      why: `${code ?? message}.`,
      fix: 'Name a file in a directory that you may write to, with --out FILE.',
    });
  }
}
