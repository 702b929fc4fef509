/** How an answer is printed: one way for all commands. Pure. */
import { usage } from './failure.ts';
import { yaml } from './yaml.ts';

export type Format = 'table' | 'json' | 'yaml';

export const FORMATS: readonly Format[] = ['table', 'json', 'yaml'];

/** `-o FORMAT` and `--json`; `text` is another word for table. Throws Failure with exit status 2. */
export function formatOf({ json, output }: { readonly json?: boolean; readonly output?: string }): Format {
  const named = output === 'text' ? 'table' : output;
  const format = FORMATS.find((one) => one === named);
  if (output !== undefined && format === undefined)
    throw usage(`-o ${JSON.stringify(output)} is not known`, `the output is ${FORMATS.join(', ')}.`);
  if (json === true && format !== undefined && format !== 'json')
    throw usage(`--json and -o ${output} contradict each other`, 'both say how the answer is printed.');
  return json === true ? 'json' : (format ?? 'table');
}

/** One document of JSON or YAML. */
export function document(answer: unknown, format: Exclude<Format, 'table'>): string {
  return format === 'json' ? `${JSON.stringify(answer, undefined, 2)}\n` : yaml(answer);
}

/** Words in a colour, where colours are wanted. */
export type Paint = (text: string, colour: 'red' | 'yellow' | 'green' | 'dim') => string;

const CODES = { red: 31, yellow: 33, green: 32, dim: 2 } as const;

export const plain: Paint = (text) => text;

export const coloured: Paint = (text, colour) => `\u001B[${CODES[colour]}m${text}\u001B[0m`;

/** On a terminal, unless NO_COLOR is set (no-color.org) or the terminal is a dumb one. */
export function paintFor(
  screen: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): Paint {
  const wanted = screen.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  return wanted ? coloured : plain;
}

/** Takes `-o`, `--output` and `--json` out of a command line that a command reads by itself. Throws Failure. */
export function withoutFormat(argv: readonly string[]): { readonly format: Format; readonly rest: readonly string[] } {
  const rest: string[] = [];
  let json = false;
  let output: string | undefined;
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    const [, written] = /^(?:--output=|-o=?)(.+)$/.exec(word) ?? [];
    if (word === '--json') json = true;
    else if (word === '-o' || word === '--output') {
      at += 1;
      output = argv[at] ?? '';
    } else if (written !== undefined) output = written;
    else rest.push(word);
  }
  return { format: formatOf({ json, ...(output === undefined ? {} : { output }) }), rest };
}
