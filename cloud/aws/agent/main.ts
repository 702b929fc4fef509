/**
 * `ec2-agent`: makes the daemon's EC2 calls in a process of its own, which holds the SDK and the credentials and lives
 * only while there is something to ask (docs/decisions/0017). It ends when its input does, and so never outlives the daemon.
 */
import { Console } from 'node:console';
import { callOf } from '../../decorate/decorate.ts';
import { CloudError } from '../../errors.ts';
import type { CloudProvider } from '../../provider.ts';
import { createEc2ClientSend } from '../ec2-client.ts';
import { createEc2Provider } from '../ec2-provider.ts';
import { encode, type FromAgent, imageOf, LineReader, type ToAgent } from './messages.ts';

// Its output belongs to the protocol: whatever a library has to say goes to the daemon's standard error.
globalThis.console = new Console(process.stderr);

const calls = new Map<number, AbortController>();
let provider: CloudProvider | undefined;

function say(message: FromAgent): void {
  process.stdout.write(encode(message));
}

async function call({ id, operation, request, cause }: Extract<ToAgent, { kind: 'call' }>): Promise<void> {
  const caller = new AbortController();
  calls.set(id, caller);
  try {
    if (provider === undefined) throw new CloudError('invalid', operation, 'the agent was not started');
    const result = await callOf(provider)(operation, request, { signal: caller.signal, cause });
    say({ kind: 'answer', id, result });
  } catch (error) {
    // Providers throw nothing else; were one broken, whether the call took effect would be unknown.
    const known = error instanceof CloudError ? error : new CloudError('unavailable', operation, String(error));
    say({ kind: 'refusal', id, error: imageOf(known) });
  } finally {
    calls.delete(id);
  }
}

function hear(message: ToAgent): void {
  switch (message.kind) {
    case 'start': {
      const onKeys = (keys: NonNullable<typeof message.keys>): void => say({ kind: 'keys', keys });
      provider = createEc2Provider(createEc2ClientSend({ ...message, onKeys }));
      return;
    }
    case 'call':
      void call(message);
      return;
    case 'abort':
      calls.get(message.id)?.abort(new Error('the daemon gave the call up'));
      return;
    default:
      message satisfies never;
  }
}

const reader = new LineReader((line) => hear(JSON.parse(line) as ToAgent));
process.stdin.setEncoding('utf8').on('data', (piece: string) => reader.push(piece));
process.stdin.on('end', () => process.exit(0));
// The daemon is gone: there is nobody to tell.
process.stdout.on('error', () => process.exit(0));
// The daemon decides when the agent ends; a terminal's Ctrl-C reaches both.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
