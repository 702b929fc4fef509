/** The CNI program under Node: `node cni/main.ts`. The fallback where the compiled binary cannot be built, and its twin in tests. */
import { randomBytes } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { exchangeText } from './protocol/client.ts';
import { ProtocolError } from './protocol/errors.ts';
import { fail, pickEnvironment, run } from './run.ts';
import { MAX_STDIN_BYTES } from './spec/config.ts';
import { writeDurably } from './spool-file.ts';
import type { ExchangeOutcome, ExchangeStep, Exit, StdinOutcome, Step } from './step.ts';

const exit = await main();
// Standard output may be a full pipe, where one write takes a part only.
const bytes = Buffer.from(exit.stdout);
for (let done = 0; done < bytes.length;) done += writeSync(1, bytes, done);
process.exit(exit.exitCode);

async function main(): Promise<Exit> {
  try {
    const env = pickEnvironment((name) => process.env[name]);
    return await perform(run({ env, stdin: readStdin(), id: randomBytes(8).toString('hex') }));
  } catch (error) {
    return fail(error);
  }
}

async function perform(first: Step): Promise<Exit> {
  let step = first;
  for (;;) {
    switch (step.kind) {
      case 'exit':
        return step;
      case 'exchange':
        step = step.next(await exchange(step));
        break;
      case 'wait':
        await delay(step.ms);
        step = step.next();
        break;
      case 'spool':
        step = step.next(writeDurably(step.directory, step.name, step.text));
        break;
      default:
        return step satisfies never;
    }
  }
}

async function exchange(step: ExchangeStep): Promise<ExchangeOutcome> {
  try {
    return { kind: 'answered', text: await exchangeText(step.socketPath, step.text, { timeoutMs: step.timeoutMs }) };
  } catch (error) {
    if (error instanceof ProtocolError) return { kind: 'failed', code: error.code, reason: error.message };
    throw error;
  }
}

/** Standard input whole. A terminal reads as empty: a person who asks for VERSION should not have to end it. */
function readStdin(): StdinOutcome {
  if (isatty(0)) return { kind: 'read', text: '' };
  const buffer = Buffer.alloc(MAX_STDIN_BYTES + 1);
  let length = 0;
  try {
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = readSync(0, buffer, length, buffer.length - length, null);
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return { kind: 'failed', reason: code };
  }
  if (length > MAX_STDIN_BYTES) return { kind: 'failed', reason: 'too-large' };
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return { kind: 'read', text: decoder.decode(buffer.subarray(0, length)) };
  } catch {
    return { kind: 'failed', reason: 'not-utf8' };
  }
}
