/** `--help`, of the whole and of each command. */
import { type Command, COMMANDS } from './commands.ts';
import { aligned } from './table.ts';

export const DEFAULT_SOCKET = '/run/wellspring/introspect.sock';

const OPTIONS: readonly (readonly [string, string])[] = [
  ['--socket PATH', `introspection socket of ipamd (default $WELLSPRING_INTROSPECT_SOCKET, then ${DEFAULT_SOCKET})`],
  ['-o table|json|yaml', 'how the answer is printed; --json is -o json'],
  ['--help, -h', 'this text; after a command, the text of that command'],
];

const EXIT =
  'Exit status: 0 answered · 1 not answered, or nothing of that name · 2 asked wrongly · 3 answered, and something is wrong · 130, 143 stopped by a signal.';

export function generalHelp(): string {
  const commands = COMMANDS.map(({ name, synopsis, summary }) => [`  ${invocation(name, synopsis)}`, summary]);
  return `wellspringctl COMMAND [options]: asks the ipamd of this node what it knows.\n\n${aligned([
    ...commands,
    [],
    ...options(),
  ])}\n${EXIT}\n`;
}

/** Longer ones would push all summaries off the screen; the help of the command has them. */
const LONGEST = 48;

function invocation(name: string, synopsis: string): string {
  const whole = `${name} ${synopsis}`.trimEnd();
  return whole.length <= LONGEST ? whole : `${name} ...`;
}

export function commandHelp({ name, synopsis, summary, help }: Command): string {
  const line = `wellspringctl ${name} ${synopsis}`.trimEnd();
  return `${line} [--socket PATH] [-o FORMAT]: ${summary}\n\n${help}\n\n${aligned(options())}\n${EXIT}\n`;
}

function options(): readonly (readonly string[])[] {
  return OPTIONS.map(([option, meaning]) => [`  ${option}`, meaning]);
}
