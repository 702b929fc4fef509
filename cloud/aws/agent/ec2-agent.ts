/**
 * The provider of the daemon: EC2 calls by a child process that is started when there is something to ask and ended
 * when there was nothing for a while. The SDK takes about as much memory as the whole daemon besides
 * (docs/decisions/0017); an idle node does without it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Operation, providerOf, type RequestOf } from '../../decorate/decorate.ts';
import { CloudError } from '../../errors.ts';
import type { CloudProvider } from '../../provider.ts';
import type { Keys } from '../ec2-session.ts';
import { abortedError } from '../map-errors.ts';
import { decodeResult, encode, errorOf, type FromAgent, LineReader, type ToAgent } from './messages.ts';

export interface Ec2AgentOptions {
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly httpTimeoutSeconds?: number | undefined;
  readonly version: string;
  /** The agent ends after so many milliseconds without a call. Default 30 s. */
  readonly idleMs?: number | undefined;
  /** Variables of the agent. Default: this process's. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Told when an agent starts and when one ends that was not told to. */
  readonly onEvent?: ((event: AgentEvent) => void) | undefined;
}

export type AgentEvent =
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'ended'; readonly pid: number }
  | { readonly kind: 'failed'; readonly why: string };

const DEFAULT_IDLE_MS = 30_000;
/** One that was told to end and did not is ended. */
const END_DEADLINE_MS = 2000;
const PROGRAM = fileURLToPath(new URL('./main.ts', import.meta.url));
/** The agent is young: less room for garbage costs it no time that matters. */
const FLAGS = ['--no-warnings', '--max-semi-space-size=2'];

interface Waiting {
  readonly operation: Operation;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: CloudError) => void;
}

interface Running {
  readonly process: ChildProcess;
  readonly waiting: Map<number, Waiting>;
}

export class Ec2Agent implements AsyncDisposable {
  /** Promises what cloud/provider.ts says; an agent that dies leaves its calls `unavailable`. */
  readonly provider: CloudProvider;
  readonly #options: Ec2AgentOptions;
  readonly #ending = new Set<Promise<void>>();
  #running: Running | undefined;
  #idle: NodeJS.Timeout | undefined;
  #keys: Keys | undefined;
  #sequence = 0;
  #disposed = false;

  constructor(options: Ec2AgentOptions) {
    this.#options = options;
    this.provider = providerOf(
      (operation, request, { signal, cause }) =>
        // The agent runs the provider of the same source: what it answers has the operation's type.
        this.#call(operation, request, cause, signal) as Promise<never>,
    );
  }

  /** The process that holds the SDK, while there is one. */
  get pid(): number | undefined {
    return this.#running?.process.pid;
  }

  /** Has the agent ready for a call that is likely to come: a start takes a while. */
  prepare(): void {
    if (this.#disposed) return;
    this.#running ??= this.#start();
    if (this.#running.waiting.size === 0) this.#endWhenIdle();
  }

  /** Ends the agent; calls under way fail with `aborted`. Resolves when its process is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const running = this.#running;
    if (running !== undefined) {
      this.#running = undefined;
      for (const { operation, reject } of running.waiting.values())
        reject(new CloudError('aborted', actionOf(operation), 'the daemon stops'));
      running.waiting.clear();
      this.#end(running);
    }
    await Promise.all(this.#ending);
  }

  #call(
    operation: Operation,
    request: RequestOf<Operation>,
    cause: string,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (signal?.aborted) return Promise.reject(abortedError(actionOf(operation), signal));
    if (this.#disposed)
      return Promise.reject(new CloudError('aborted', actionOf(operation), 'the daemon stops; nothing was sent'));
    clearTimeout(this.#idle);
    const running = (this.#running ??= this.#start());
    const id = (this.#sequence += 1);
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        signal?.removeEventListener('abort', onAbort);
        running.waiting.delete(id);
        if (running.waiting.size === 0 && running === this.#running) this.#endWhenIdle();
      };
      const onAbort = (): void => {
        settle();
        tell(running, { kind: 'abort', id });
        reject(abortedError(actionOf(operation), signal));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      running.waiting.set(id, {
        operation,
        resolve: (result) => (settle(), resolve(result)),
        reject: (error) => (settle(), reject(error)),
      });
      tell(running, { kind: 'call', id, operation, request, cause });
    });
  }

  #start(): Running {
    const { region, endpoint, httpTimeoutSeconds, version, environment, onEvent } = this.#options;
    const child = spawn(process.execPath, [...FLAGS, PROGRAM], {
      stdio: ['pipe', 'pipe', 'inherit'],
      ...(environment && { env: { ...environment } }),
    });
    const running: Running = { process: child, waiting: new Map() };
    const reader = new LineReader((line) => {
      const message = parsed(line);
      if (message !== undefined) this.#hear(running, message);
      else child.kill('SIGKILL');
    });
    child.stdout.setEncoding('utf8').on('data', (piece: string) => reader.push(piece));
    // What cannot be written is told by the end of the process.
    child.stdin.on('error', () => undefined);
    child.once('error', (error) => this.#gone(running, `it cannot be started: ${error.message}`));
    child.once('close', (code, signal) => this.#gone(running, `it ended with ${signal ?? `status ${String(code)}`}`));
    if (child.pid !== undefined) onEvent?.({ kind: 'started', pid: child.pid });
    tell(running, { kind: 'start', region, endpoint, httpTimeoutSeconds, version, keys: this.#keys });
    return running;
  }

  #hear({ waiting }: Running, message: FromAgent): void {
    switch (message.kind) {
      case 'keys':
        this.#keys = message.keys;
        return;
      case 'answer':
        waiting.get(message.id)?.resolve(decodeResult(message.result));
        return;
      case 'refusal':
        waiting.get(message.id)?.reject(errorOf(message.error));
        return;
      default:
        message satisfies never;
    }
  }

  /** Not told to end: whether its calls took effect is unknown. The next call starts another. */
  #gone(running: Running, why: string): void {
    if (running !== this.#running) return;
    this.#running = undefined;
    clearTimeout(this.#idle);
    this.#options.onEvent?.({ kind: 'failed', why });
    for (const { operation, reject } of running.waiting.values())
      reject(new CloudError('unavailable', actionOf(operation), `the process that asks EC2 gave no answer: ${why}`));
  }

  #endWhenIdle(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      const running = this.#running;
      if (running === undefined || running.waiting.size > 0) return;
      this.#running = undefined;
      this.#end(running);
    }, this.#options.idleMs ?? DEFAULT_IDLE_MS);
  }

  #end({ process: child }: Running): void {
    clearTimeout(this.#idle);
    const ended = new Promise<void>((resolve) => {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
        resolve();
        return;
      }
      const { pid } = child;
      const late = setTimeout(() => child.kill('SIGKILL'), END_DEADLINE_MS);
      child.once('close', () => {
        clearTimeout(late);
        this.#options.onEvent?.({ kind: 'ended', pid });
        resolve();
      });
      child.stdin?.end();
    });
    this.#ending.add(ended);
    void ended.then(() => this.#ending.delete(ended));
  }
}

/** Undefined where it is not JSON: then what the agent said and will say cannot be told apart. */
function parsed(line: string): FromAgent | undefined {
  try {
    return JSON.parse(line) as FromAgent;
  } catch {
    return undefined;
  }
}

function tell({ process: child }: Running, message: ToAgent): void {
  child.stdin?.write(encode(message));
}

/** EC2's name of the action, as the adapter's errors have it. */
function actionOf(operation: Operation): string {
  return `${operation.charAt(0).toUpperCase()}${operation.slice(1)}`;
}
