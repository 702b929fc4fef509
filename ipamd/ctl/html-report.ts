/** `--html FILE` of the commands that write a report beside what they print. */
import { checkWritable, openRenderer } from '../report/open.ts';
import { writeWhole } from '../store/write-whole.ts';
import { Failure, usage } from './failure.ts';

/** For `parseArgs`. */
export const HTML_OPTION = { html: { type: 'string' } } as const;

type Renderer = Awaited<ReturnType<typeof openRenderer>>;

/** Before the work that is reported on. `path` undefined: no report is wanted. Throws Failure. */
export async function checkReportPath(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  if (path === '') throw usage('--html names no file', 'its value is empty.');
  await checkWritable(path).catch((error: unknown) => {
    throw notWritten(path, error);
  });
}

/** Gives what is said of it to people: `''` where no report is wanted. Throws Failure. */
export async function writeReport(path: string | undefined, render: (renderer: Renderer) => string): Promise<string> {
  if (path === undefined) return '';
  const text = render(await openRenderer());
  await writeWhole(path, text, 0o644).catch((error: unknown) => {
    throw notWritten(path, error);
  });
  return `\nReport: ${path}\n`;
}

function notWritten(path: string, error: unknown): Failure {
  return new Failure(1, {
    what: `the report ${path} cannot be written`,
    why: `${error instanceof Error ? error.message : String(error)}.`,
    fix: 'Name a file in a directory that is there and can be written to, with --html.',
  });
}
