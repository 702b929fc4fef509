/** `wellspringctl`: asks a node's ipamd what it knows, over its introspection socket. */
import { type Invocation, parseArguments } from './arguments.ts';
import { ask } from './ask.ts';
import { COMMANDS } from './commands.ts';
import { Failure, failureLines } from './failure.ts';
import { commandHelp, generalHelp } from './help.ts';

async function main(argv: readonly string[]): Promise<void> {
  const own = COMMANDS.find(({ name }) => name === argv[0])?.run;
  if (own !== undefined && !argv.includes('--help') && !argv.includes('-h')) {
    process.stdout.write(await own(argv.slice(1)));
    return;
  }
  const invocation = parseArguments(argv, process.env);
  if (invocation.kind === 'help') {
    process.stdout.write(invocation.command === undefined ? generalHelp() : commandHelp(invocation.command));
    return;
  }
  process.stdout.write(await answerTo(invocation));
}

async function answerTo(invocation: Extract<Invocation, { kind: 'ask' }>): Promise<string> {
  const { command, question, socket, asJson, yes = false } = invocation;
  try {
    const answer =
      (await command.act?.({ yes, socket })) ??
      command.offline?.(question) ??
      (await ask(socket, command.path(question)));
    return asJson ? document(answer) : command.show(answer, Date.now());
  } catch (error) {
    // Who reads JSON gets the daemon's refusal as JSON too.
    if (asJson && error instanceof Failure && error.answer !== undefined) process.stdout.write(document(error.answer));
    throw error;
  }
}

function document(answer: unknown): string {
  return `${JSON.stringify(answer, undefined, 2)}\n`;
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
