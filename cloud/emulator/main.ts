#!/usr/bin/env node
/** `wellspring-cloud`: the embedded cloud as a process of its own, for any EC2 client, and what is asked of one. */
import type { Command, UpCommand } from './command-line.ts';
import { parseCommandLine, USAGE, UsageError } from './command-line.ts';
import { ask, AskError } from './commands/ask.ts';
import { detach, removeOwnLog } from './commands/detach.ts';
import { becomeRouter, isRouter, runRouter } from './commands/router-process.ts';
import { readDescription, up } from './commands/up.ts';
import { DescriptionError } from './description/fields.ts';
import { Ec2Error } from './ec2-error.ts';
import { IsolationError } from './fabric/isolate.ts';
import { ListenError } from './http-listen.ts';

async function run(args: readonly string[]): Promise<number> {
  let command: Command;
  try {
    command = parseCommandLine(args, process.env);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(`${error.message}\nSee wellspring-cloud --help.`);
    return 2;
  }
  if (command.kind === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort());
  try {
    if (command.kind === 'up') {
      const code = await runUp(command, args, stop.signal);
      if (code === 0 && !command.detach && !isRouter()) removeOwnLog();
      return code;
    }
    await ask(command, stop.signal);
    return 0;
  } catch (error) {
    if (stop.signal.aborted && error instanceof Error && error.name === 'AbortError') return 130;
    if (!isExpected(error)) throw error;
    say(error.message);
    return 1;
  }
}

async function runUp(command: UpCommand, args: readonly string[], stopped: AbortSignal): Promise<number> {
  if (command.detach) return detach(args, command.json);
  if (command.fabric !== undefined && !isRouter()) return runRouter(command.listen, stopped);
  const listen = command.fabric === undefined ? command.listen : { server: await becomeRouter() };
  const description = await described(command);
  await up(command, description, listen, stopped);
  return 0;
}

async function described({ file }: UpCommand): ReturnType<typeof readDescription> {
  try {
    return await readDescription(file);
  } catch (error) {
    if (!(error instanceof DescriptionError)) throw error;
    throw new DescriptionError(`${file ?? ''}: ${error.message}`);
  }
}

/** Errors that say in a sentence what is wrong, and need no trace. */
function isExpected(error: unknown): error is Error {
  return [ListenError, DescriptionError, IsolationError, AskError, Ec2Error].some((kind) => error instanceof kind);
}

function say(text: string): void {
  process.stderr.write(`wellspring-cloud: ${text}\n`);
}

process.exitCode = await run(process.argv.slice(2));
