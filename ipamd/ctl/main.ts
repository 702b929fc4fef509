/** `wellspringctl`: asks a node's ipamd what it knows, over its introspection socket. */
import { type Invocation, parseArguments, socketOf } from './arguments.ts';
import { ask } from './ask.ts';
import { type Command, COMMANDS } from './commands.ts';
import { Failure, failureLines } from './failure.ts';
import { commandHelp, generalHelp } from './help.ts';
import { document, paintFor, withoutFormat } from './output.ts';
import { withoutSocket } from './work.ts';

async function main(argv: readonly string[]): Promise<void> {
  const command = COMMANDS.find(({ name }) => name === argv[0]);
  const asksHelp = argv.includes('--help') || argv.includes('-h');
  if (command?.run !== undefined && !asksHelp) return print(await ran(command.run, argv.slice(1)));
  if (command?.work !== undefined && !asksHelp) return worked(command.work, argv.slice(1));
  const invocation = parseArguments(argv, process.env);
  if (invocation.kind === 'help')
    return print(invocation.command === undefined ? generalHelp() : commandHelp(invocation.command));
  return print(await answerTo(invocation));
}

function print(text: string): void {
  process.stdout.write(text);
}

/** A command that prints by itself knows tables and JSON. */
async function ran(run: NonNullable<Command['run']>, argv: readonly string[]): Promise<string> {
  const { format, rest } = withoutFormat(argv);
  if (format === 'table') return run(rest);
  const json = await run([...rest, '--json']);
  return format === 'json' ? json : document(JSON.parse(json), format);
}

async function worked(work: NonNullable<Command['work']>, argv: readonly string[]): Promise<void> {
  const { format, rest } = withoutFormat(argv);
  const { socket = socketOf(process.env), rest: own } = withoutSocket(rest);
  const { answer, show, bytes, exitCode } = await work(own, {
    socket,
    environment: process.env,
    now: () => Date.now(),
  });
  const text = format === 'table' ? show(paintFor(process.stdout, process.env)) : document(answer, format);
  if (bytes === undefined) print(text);
  else {
    process.stdout.write(bytes);
    process.stderr.write(text);
  }
  process.exitCode = exitCode;
}

async function answerTo(invocation: Extract<Invocation, { kind: 'ask' }>): Promise<string> {
  const { command, question, socket, format, yes = false } = invocation;
  try {
    const answer =
      (await command.act?.({ yes, socket })) ??
      command.offline?.(question) ??
      (await ask(socket, command.path(question)));
    return format === 'table' ? command.show(answer, Date.now()) : document(answer, format);
  } catch (error) {
    // Who reads JSON or YAML gets the daemon's refusal in it, too.
    if (format !== 'table' && error instanceof Failure && error.answer !== undefined)
      print(document(error.answer, format));
    throw error;
  }
}

// `wellspringctl pods | head` closes the pipe early; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(failureLines(error.text));
  process.exitCode = error.exitCode;
});
