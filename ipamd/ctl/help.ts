/** `--help`, of the whole and of each command. */
import { type Command, COMMANDS } from './commands.ts';
import { aligned } from './table.ts';

export const DEFAULT_SOCKET = '/run/wellspring/introspect.sock';

const OPTIONS: readonly (readonly [string, string])[] = [
  ['--socket PATH', `introspection socket of ipamd (default $WELLSPRING_INTROSPECT_SOCKET, then ${DEFAULT_SOCKET})`],
  ['--json, -o json', 'the answer as one JSON document'],
  ['--help, -h', 'this text; after a command, the text of that command'],
];

const EXIT = 'Exit status: 0 answered · 1 not answered, or nothing of that name · 2 asked wrongly.';

export function generalHelp(): string {
  const commands = COMMANDS.map(({ name, synopsis, summary }) => [`  ${`${name} ${synopsis}`.trimEnd()}`, summary]);
  return `wellspringctl COMMAND [options]: asks the ipamd of this node what it knows.\n\n${aligned([
    ...commands,
    [],
    ...options(),
  ])}\n${EXIT}\n`;
}

export function commandHelp({ name, synopsis, summary, help }: Command): string {
  const line = `wellspringctl ${name} ${synopsis}`.trimEnd();
  return `${line} [--socket PATH] [--json]: ${summary}\n\n${help}\n\n${aligned(options())}\n${EXIT}\n`;
}

function options(): readonly (readonly string[])[] {
  return OPTIONS.map(([option, meaning]) => [`  ${option}`, meaning]);
}
