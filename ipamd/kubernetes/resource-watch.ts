/**
 * One resource of the API server, listed once and then watched: what it holds reaches `sink`. It ends never by itself:
 * a broken watch goes on from the last version, a version that is too old (410) is listed anew, and a server that is
 * away is asked again with back-off and jitter.
 */
import type { Clock } from '#cloud/decorate/clock.ts';
import { ApiError, fieldsOf } from './api-error.ts';
import type { ApiServer } from './api-server.ts';
import { type BackOff, delayAfter } from './back-off.ts';
import { versionOf, watchEvent } from './watch-event.ts';

export interface Sink {
  /** All there is; what was there before and is not among it is gone. */
  replace(objects: readonly unknown[]): void;
  put(object: unknown): void;
  removed(object: unknown): void;
}

export interface ResourceWatchOptions {
  /** For logs and metrics, e.g. `nodes`. */
  readonly resource: string;
  readonly path: string;
  readonly fieldSelector?: string;
  readonly api: ApiServer;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly random: () => number;
  readonly backOff: BackOff;
  /** `undefined`: what is known is current from now on. Otherwise why it may not be, once for every failed attempt. */
  readonly onState: (error: unknown) => void;
}

const PAGE = 100;
/** The server ends a watch after this long, jittered by us, and it goes on at once. */
const WATCH_SECONDS = 480;

export class ResourceWatch {
  readonly #options: ResourceWatchOptions;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  /** Watched from here on; undefined: to be listed first. */
  #version: string | undefined;
  /** The server's cache gave a version that it no longer watches from: the next list must not come from it. */
  #isStale = false;

  constructor(options: ResourceWatchOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  async #run(): Promise<void> {
    const { clock, random, backOff, onState } = this.#options;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted;) {
      const from = clock.now();
      let retryAfterMs = 0;
      try {
        await this.#follow();
        // A server that ends every watch at once must not be asked in a tight loop.
        failures = clock.now() - from < 1000 ? failures + 1 : 0;
      } catch (error) {
        if (signal.aborted) return;
        if (isGone(error)) {
          this.#version = undefined;
          this.#isStale = true;
          failures = clock.now() - from < 1000 ? failures + 1 : 0;
        } else {
          // What cannot be read may have hidden a change.
          if (error instanceof ApiError && error.kind === 'malformed') this.#version = undefined;
          failures = clock.now() - from > backOff.maxMs ? 1 : failures + 1;
          retryAfterMs = (error instanceof ApiError ? error.retryAfterMs : undefined) ?? 0;
          onState(error);
        }
      }
      if (failures > 0) await clock.sleep(Math.max(delayAfter(backOff, failures, random()), retryAfterMs), signal);
    }
  }

  /** Lists where that is needed, then watches until the server ends it. */
  async #follow(): Promise<void> {
    const { api, sink, path, fieldSelector, onState, random } = this.#options;
    const { signal } = this.#stop;
    if (this.#version === undefined) {
      const { objects, version } = await this.#list();
      sink.replace(objects);
      this.#version = version;
      this.#isStale = false;
      onState(undefined);
    }
    const timeoutSeconds = Math.round(WATCH_SECONDS * (0.75 + random() / 2));
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#version,
      fieldSelector,
      timeoutSeconds,
    };
    for await (const line of api.watch({ method: 'GET', path, query, signal }, () => onState(undefined))) {
      const event = watchEvent(line);
      if (event.kind === 'put') sink.put(event.object);
      if (event.kind === 'removed') sink.removed(event.object);
      this.#version = event.version ?? this.#version;
    }
  }

  async #list(): Promise<{ readonly objects: readonly unknown[]; readonly version: string }> {
    const { api, path, fieldSelector } = this.#options;
    const objects: unknown[] = [];
    let next: string | undefined;
    for (;;) {
      // Version 0: from the server's cache, which is cheap for it and recent enough, as the watch goes on from there.
      const cached = next === undefined && !this.#isStale ? '0' : undefined;
      const query = { fieldSelector, limit: PAGE, continue: next, resourceVersion: cached };
      const answer = await api.request({ method: 'GET', path, query, signal: this.#stop.signal });
      const { items, metadata } = fieldsOf(answer);
      if (!Array.isArray(items)) throw new ApiError('malformed', `the API server's list of ${path} has no items`);
      objects.push(...(items as readonly unknown[]));
      const more = fieldsOf(metadata)['continue'];
      if (typeof more === 'string' && more !== '') {
        next = more;
        continue;
      }
      const version = versionOf(answer);
      if (version === undefined) throw new ApiError('malformed', `the API server's list of ${path} has no version`);
      return { objects, version };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    await this.#ended;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.kind === 'refused' && error.status === 410;
}
