/** The command line as a question, or a Failure that says what is wrong with it. Pure. */
import { parseArgs } from 'node:util';
import { type Command, COMMANDS, type Question } from './commands.ts';
import { usage } from './failure.ts';
import { DEFAULT_SOCKET } from './help.ts';
import { type Format, formatOf } from './output.ts';

export type Invocation =
  | { readonly kind: 'help'; readonly command: Command | undefined }
  | {
      readonly kind: 'ask';
      readonly command: Command;
      readonly question: Question;
      readonly socket: string;
      readonly format: Format;
      /** --yes was given. */
      readonly yes?: true;
    };

/** Throws Failure with exit status 2. */
export function parseArguments(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Invocation {
  const { values, positionals } = tokens(argv);
  const [name, ...rest] = positionals;
  const command = name === undefined ? undefined : commandOf(name);
  if (values.help === true || command === undefined) return { kind: 'help', command };
  const settings = values.set ?? [];
  if (settings.length > 0 && command.takesSettings !== true)
    throw usage(
      '--set does not go here',
      `\`${command.name}\` shows what is; only \`plan\` thinks about other settings.`,
    );
  if (values.yes === true && command.act === undefined)
    throw usage('--yes does not go here', `\`${command.name}\` changes nothing.`);
  const wrong = settings.find((setting) => !/^[^=]+=/.test(setting));
  if (wrong !== undefined) throw usage(`--set ${JSON.stringify(wrong)} sets nothing`, 'it must read KEY=VALUE.');
  return {
    kind: 'ask',
    command,
    question: {
      argument: argumentOf(command, rest),
      settings,
      instanceType: instanceTypeOf(command, values, settings),
    },
    socket: values.socket ?? socketOf(env),
    format: formatOf(values),
    ...(values.yes === true ? { yes: values.yes } : {}),
  };
}

/** Where the environment or nobody says. */
export function socketOf(env: Readonly<Record<string, string | undefined>>): string {
  return env['WELLSPRING_INTROSPECT_SOCKET'] || DEFAULT_SOCKET;
}

function tokens(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        socket: { type: 'string' },
        json: { type: 'boolean' },
        output: { type: 'string', short: 'o' },
        set: { type: 'string', multiple: true },
        'instance-type': { type: 'string' },
        yes: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    // Node's text: "Unknown option '--x'. To specify ..."; its first sentence is what matters here.
    const [first] = (error as Error).message.split(/[.\n]/);
    throw usage('the command line is not understood', `${first}.`);
  }
}

function commandOf(name: string): Command {
  const command = COMMANDS.find((known) => known.name === name);
  if (command !== undefined) return command;
  throw usage(
    `unknown command ${JSON.stringify(name)}`,
    `the commands are ${COMMANDS.map((each) => each.name).join(', ')}.`,
  );
}

function argumentOf({ name, argument }: Command, rest: readonly string[]): string {
  const [first, ...more] = rest;
  if (argument === undefined) {
    if (first === undefined) return '';
    throw usage(`${JSON.stringify(first)} does not go here`, `\`${name}\` takes no argument.`);
  }
  if (first === undefined || first === '')
    throw usage(`\`${name}\` lacks its ${argument}`, 'it explains one thing: a pod, an ENI, a subnet or an address.');
  if (more.length > 0) throw usage(`${JSON.stringify(more[0])} does not go here`, `\`${name}\` takes one ${argument}.`);
  return first;
}

function instanceTypeOf(
  { name, offline }: Command,
  values: { readonly 'instance-type'?: string },
  settings: readonly string[],
): string {
  const instanceType = values['instance-type'] ?? '';
  if (instanceType !== '' && offline === undefined)
    throw usage('--instance-type does not go here', `\`${name}\` asks the daemon of this node.`);
  if (instanceType === '' && offline !== undefined && settings.length > 0)
    throw usage('--set needs --instance-type here', `without it, \`${name}\` answers for this node as its ipamd runs.`);
  return instanceType;
}
