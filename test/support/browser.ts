/** A headless Chromium that opens one page after the other and tells what each asked for and complained of. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

export interface View {
  readonly url: string;
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
  readonly isDark?: boolean;
}

export interface Opened {
  /** Addresses of all requests, that of the page the first. */
  readonly requests: readonly string[];
  /** Errors and warnings of the console, refused loads and exceptions. */
  readonly complaints: readonly string[];
  /** Of the whole content; more than the view's width is scrolled sideways. */
  readonly contentWidth: number;
  /** What `evaluate` gave, where it was asked. */
  readonly value: unknown;
  readonly png: Buffer;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

const DEADLINE_MS = 120_000;
const ARGUMENTS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-extensions',
  '--no-first-run',
  '--hide-scrollbars',
  '--force-color-profile=srgb',
  '--remote-debugging-pipe',
];

export class Browser {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, PromiseWithResolvers<Readonly<Record<string, unknown>>>>();
  #listener: (message: Message) => void = () => undefined;
  #last = 0;
  #rest = '';

  private constructor(child: ChildProcess, profile: string) {
    this.#child = child;
    this.#profile = profile;
    const fail = (): void => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the browser has ended'));
      this.#waiting.clear();
    };
    child.once('exit', fail);
    (child.stdio[4] as Readable).setEncoding('utf8').on('data', (chunk: string) => this.#read(chunk));
  }

  static async start(): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), 'wellspring-browser-'));
    const child = spawn('chromium', [...ARGUMENTS, `--user-data-dir=${profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      // A group of its own: Chromium is many processes.
      detached: true,
      env: { ...process.env, HOME: profile },
    });
    await once(child, 'spawn');
    return new Browser(child, profile);
  }

  /** `script`: an expression of JavaScript, evaluated in the page; of a promise, what it resolves to. */
  async open({ url, width, height, isDark = false }: View, script = 'null', isWhole = false): Promise<Opened> {
    const { targetId } = (await this.#ask('Target.createTarget', { url: 'about:blank' })) as { targetId: string };
    const { sessionId } = (await this.#ask('Target.attachToTarget', { targetId, flatten: true })) as {
      sessionId: string;
    };
    const ask = (method: string, params: object = {}) => this.#ask(method, params, sessionId);
    const [requests, complaints]: [string[], string[]] = [[], []];
    const loaded = Promise.withResolvers<void>();
    this.#listener = ({ method = '', params }) => {
      if (method === 'Network.requestWillBeSent') requests.push((params as { request: { url: string } }).request.url);
      else if (/^(Runtime\.(consoleAPICalled|exceptionThrown)|Log\.entryAdded|Network\.loadingFailed)$/.test(method))
        complaints.push(JSON.stringify(params));
      else if (method === 'Page.loadEventFired') loaded.resolve();
    };
    for (const domain of ['Network', 'Runtime', 'Log', 'Page']) await ask(`${domain}.enable`);
    const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 500 };
    await ask('Emulation.setDeviceMetricsOverride', metrics);
    const features = [{ name: 'prefers-color-scheme', value: isDark ? 'dark' : 'light' }];
    await ask('Emulation.setEmulatedMedia', { features });
    await ask('Page.navigate', { url });
    await within(loaded.promise, `${url} is loaded`);
    const evaluate = async (expression: string): Promise<unknown> => {
      const { result } = (await ask('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })) as {
        result: { value: unknown };
      };
      return result.value;
    };
    const contentWidth = Number(await evaluate('document.documentElement.scrollWidth'));
    const value = await evaluate(script);
    const { data } = (await ask('Page.captureScreenshot', { format: 'png', captureBeyondViewport: isWhole })) as {
      data: string;
    };
    await this.#ask('Target.closeTarget', { targetId });
    return { requests, complaints, contentWidth, value, png: Buffer.from(data, 'base64') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid } = this.#child;
    const ended =
      this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, 'exit') : undefined;
    if (pid !== undefined && ended !== undefined) process.kill(-pid, 'SIGKILL');
    await ended;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  #ask(method: string, params: object, sessionId?: string): Promise<Readonly<Record<string, unknown>>> {
    this.#last += 1;
    const answer = Promise.withResolvers<Readonly<Record<string, unknown>>>();
    this.#waiting.set(this.#last, answer);
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id: this.#last, method, params, sessionId })}\0`);
    return within(answer.promise, method);
  }

  #read(chunk: string): void {
    const parts = `${this.#rest}${chunk}`.split('\0');
    this.#rest = parts.pop() ?? '';
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      const waiting = this.#waiting.get(message.id ?? 0);
      if (waiting === undefined) this.#listener(message);
      else if (message.error === undefined) waiting.resolve(message.result ?? {});
      else waiting.reject(new Error(message.error.message));
      this.#waiting.delete(message.id ?? 0);
    }
  }
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`the browser did not say within 120 s: ${what}`)), DEADLINE_MS);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
