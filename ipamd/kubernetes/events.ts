/** Events of the API server (core/v1), written without anybody waiting for them. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '#cloud/decorate/clock.ts';
import { ApiError } from './api-error.ts';
import type { ApiServer } from './api-server.ts';
import { emptySeries, hear, type News, type Series, seriesKey, type SeriesRules } from './event-series.ts';
import type { Outbox } from './outbox.ts';

export interface EventsOptions {
  readonly api: ApiServer;
  readonly outbox: Outbox;
  /** Component and host, as `kubectl describe` shows them. */
  readonly source: { readonly component: string; readonly host: string };
  readonly rules: SeriesRules;
  readonly clock: Clock;
  readonly onDropped: () => void;
}

interface Sending {
  /** Of the event, should it be a new one: the same however often it is repeated. */
  readonly name: string;
  readonly at: number;
  readonly signal: AbortSignal;
}

/** The API server refuses longer messages (core/v1 validation: 1024 characters). */
const LONGEST_MESSAGE = 1024;
/** The API server's own default; an event that is older may be gone. */
const MEMORY = 1024;

export class Events {
  readonly #options: EventsOptions;
  /** Series key -> name of the event that the API server holds. */
  readonly #names = new Map<string, string>();
  #state;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#state = emptySeries(options.rules, options.clock.now());
  }

  /** Counted, and sent when it is due. Never throws and never waits. */
  report(news: News): void {
    const { clock, rules, outbox, onDropped } = this.#options;
    const heard = hear(this.#state, news, clock.now(), rules);
    this.#state = heard.state;
    if (heard.dropped) onDropped();
    const { send: series } = heard;
    if (series === undefined) return;
    const key = seriesKey(news);
    const at = clock.wallTime();
    // The count of the moment of sending: more may have come while it waited.
    const latest = () => this.#state.byKey.get(key) ?? series;
    const name = eventName(news.regarding.name);
    outbox.put({ key: `event/${key}`, send: (signal) => this.#send(key, latest(), { name, at, signal }) });
  }

  async #send(key: string, series: Series, { name, at, signal }: Sending): Promise<void> {
    const { api } = this.#options;
    const { namespace } = series.news.regarding;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;
    const known = this.#names.get(key);
    if (known !== undefined) {
      const body = { count: series.count, lastTimestamp: seconds(at), message: cut(series.news.message) };
      try {
        const contentType = 'application/merge-patch+json';
        await api.request({ method: 'PATCH', path: `${path}/${known}`, body, contentType, signal });
        return;
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        this.#names.delete(key);
      }
    }
    try {
      await api.request({ method: 'POST', path, body: this.#event(series, name, at), signal });
    } catch (error) {
      // The answer to an earlier attempt was lost.
      if (!(error instanceof ApiError && error.status === 409)) throw error;
    }
    this.#remember(key, name);
  }

  #remember(key: string, name: string): void {
    this.#names.set(key, name);
    const [oldest] = this.#names.keys();
    if (this.#names.size > MEMORY && oldest !== undefined) this.#names.delete(oldest);
  }

  #event(
    { news: { regarding, reason, action, message, type }, count, firstAt, lastAt }: Series,
    eventName: string,
    at: number,
  ): unknown {
    const { source } = this.#options;
    const { kind, namespace, name, uid } = regarding;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, name: eventName },
      involvedObject: {
        apiVersion: 'v1',
        kind,
        name,
        ...(kind === 'Node' ? {} : { namespace }),
        ...(uid === '' ? {} : { uid }),
      },
      reason,
      ...(action === undefined ? {} : { action }),
      message: cut(message),
      type,
      count,
      firstTimestamp: seconds(at - (lastAt - firstAt)),
      lastTimestamp: seconds(at),
      source,
      reportingComponent: source.component,
      reportingInstance: source.host,
    };
  }
}

/** A DNS subdomain, as metadata.name must be. */
function eventName(of: string): string {
  return `${of.slice(0, 200).replace(/[^a-z0-9]+$/, '')}.${randomUUID()}`;
}

/** metav1.Time has whole seconds. */
function seconds(wallTime: number): string {
  return new Date(wallTime).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

function cut(message: string): string {
  return message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, LONGEST_MESSAGE - 1)}…`;
}
