import { Agent, request } from 'node:http';
import { CloudError } from '../errors.ts';
import type { Clock } from '../decorate/clock.ts';

export interface MetadataClientOptions {
  /** Base URL, e.g. `http://169.254.169.254`. */
  readonly endpoint: string;
  readonly clock: Clock;
  /** In [0, 1); spreads the back-off. */
  readonly random: () => number;
  /** Limit of one request; the link-local service answers within milliseconds or not at all. */
  readonly timeoutMs?: number;
  /** Requests for one path, the first included, while the service does not answer or answers 5xx or 429. */
  readonly attempts?: number;
}

interface Answer {
  readonly kind: 'answer';
  readonly status: number;
  readonly body: string;
}

interface NoAnswer {
  readonly kind: 'none';
  readonly why: string;
  readonly cause: unknown;
}

const TOKEN_PATH = '/latest/api/token';
/** Six hours, the longest that IMDSv2 grants ("Use the Instance Metadata Service", token TTL 1 to 21600 s). */
const TOKEN_TTL_SECONDS = 21_600;
const BACK_OFF_MS = 100;
/** Metadata answers are a few KiB; more is not metadata. */
const MAX_BODY = 1 << 20;

/**
 * IMDSv2 over HTTP, one request after the other: a session token first, which is used for its life and asked for anew
 * after a 401, then GETs. Every failure is a `CloudError` that names the path, the endpoint and what to check.
 */
export class MetadataClient implements Disposable {
  readonly #options: Required<MetadataClientOptions>;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #token: { readonly value: string; readonly expires: number } | undefined;

  constructor(options: MetadataClientOptions) {
    this.#options = { timeoutMs: 1000, attempts: 4, ...options };
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  /** The text at `path`, e.g. `meta-data/mac` (below `/latest/`). */
  async get(path: string, signal?: AbortSignal): Promise<string> {
    const full = `/latest/${path}`;
    let answer = await this.#getWithToken(full, signal);
    if (answer.status === 401) {
      // The token is no longer honoured, e.g. after a hibernation: one new one, and no more.
      this.#token = undefined;
      answer = await this.#getWithToken(full, signal);
    }
    if (answer.status !== 200) throw this.#refused(full, answer);
    return answer.body.trim();
  }

  /** The same, undefined where the service has nothing at `path` (HTTP 404): an interface without prefixes, for example. */
  async find(path: string, signal?: AbortSignal): Promise<string | undefined> {
    try {
      return await this.get(path, signal);
    } catch (error) {
      if (error instanceof MetadataAbsent) return undefined;
      throw error;
    }
  }

  async #getWithToken(path: string, signal: AbortSignal | undefined): Promise<Answer> {
    const token = await this.#freshToken(signal);
    return this.#persist('GET', path, { 'x-aws-ec2-metadata-token': token }, signal);
  }

  async #freshToken(signal: AbortSignal | undefined): Promise<string> {
    const now = this.#options.clock.now();
    if (this.#token !== undefined && now < this.#token.expires) return this.#token.value;
    const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_TTL_SECONDS) };
    const answer = await this.#persist('PUT', TOKEN_PATH, headers, signal);
    const value = answer.body.trim();
    if (answer.status !== 200) throw this.#refused(TOKEN_PATH, answer);
    if (!/^[\x21-\x7e]+$/.test(value)) throw unreadable(TOKEN_PATH, this.#options.endpoint, 'a token', value);
    this.#token = { value, expires: now + TOKEN_TTL_SECONDS * 900 };
    return value;
  }

  /** Asks again, with growing jittered pauses, while there is no answer or one that says "later". */
  async #persist(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ) {
    const { attempts, clock, random } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      if (signal?.aborted) throw aborted(path, signal);
      const outcome = await this.#once(method, path, headers, signal);
      const later = outcome.kind === 'none' || outcome.status >= 500 || outcome.status === 429;
      if (signal?.aborted) throw aborted(path, signal);
      if (!later) return outcome;
      if (attempt >= attempts) throw this.#failed(path, outcome, attempt);
      await clock.sleep(BACK_OFF_MS * 2 ** (attempt - 1) * (0.5 + random() / 2), signal);
    }
  }

  #once(method: string, path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined) {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs);
    const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    return new Promise<Answer | NoAnswer>((resolve) => {
      const fail = (error: Error): void => {
        const why = timeout.aborted ? `no answer within ${String(this.#options.timeoutMs)} ms` : error.message;
        resolve({ kind: 'none', why, cause: error });
      };
      const url = new URL(path, this.#options.endpoint);
      const outgoing = request(url, { method, headers, agent: this.#agent, signal: either }, (incoming) => {
        let body = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => {
          body += chunk;
          if (body.length > MAX_BODY) incoming.destroy(new Error(`more than ${String(MAX_BODY)} bytes`));
        });
        incoming.on('error', fail);
        incoming.on('end', () => {
          resolve({ kind: 'answer', status: incoming.statusCode ?? 0, body });
        });
      });
      outgoing.on('error', fail);
      outgoing.end();
    });
  }

  #failed(path: string, outcome: Answer | NoAnswer, attempts: number): CloudError {
    const what = outcome.kind === 'none' ? outcome.why : `HTTP ${String(outcome.status)}`;
    const check =
      path === TOKEN_PATH
        ? 'check that instance metadata is enabled and that its hop limit (HttpPutResponseHopLimit) lets this network namespace reach it'
        : 'check that the metadata service is reachable from this network namespace';
    const message = `the metadata service at ${this.#options.endpoint} failed ${String(attempts)} times (${what}); ${check}`;
    return new CloudError('unavailable', path, message, { cause: outcome.kind === 'none' ? outcome.cause : undefined });
  }

  #refused(path: string, { status }: Answer): CloudError {
    const from = `the metadata service at ${this.#options.endpoint}`;
    // Shortly after the launch the service does not know the interfaces yet: worth asking again, so not `not-found`.
    if (status === 404) return new MetadataAbsent('unavailable', path, `${from} has nothing there (HTTP 404)`);
    if (status === 401 || status === 403) {
      const check = 'check that instance metadata is enabled (HttpEndpoint) and that no local firewall forbids it';
      return new CloudError(
        'unavailable',
        path,
        `${from} answered HTTP ${String(status)} also with a new token; ${check}`,
      );
    }
    return new CloudError('unavailable', path, `${from} answered HTTP ${String(status)}`);
  }
}

/** HTTP 404, told apart for what an interface may lack. */
class MetadataAbsent extends CloudError {}

/** The error of an answer that cannot be what the path holds. */
export function unreadable(path: string, endpoint: string, wanted: string, got: string): CloudError {
  const shown = JSON.stringify(got.length > 80 ? `${got.slice(0, 80)}...` : got);
  const message = `the metadata service at ${endpoint} answered ${shown}, which is not ${wanted}`;
  return new CloudError('unavailable', path, `${message}; check that ${endpoint} is the instance metadata service`);
}

function aborted(path: string, signal: AbortSignal): CloudError {
  return new CloudError('aborted', path, 'given up before the metadata service answered', { cause: signal.reason });
}
