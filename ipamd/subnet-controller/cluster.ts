/** The controller's API-server side: the lease, events on its own pod, and which pods there are. */
import type { Clock } from '#cloud/decorate/clock.ts';
import { errorFields, type Log } from '../observe/log.ts';
import { ApiServer } from '../kubernetes/api-server.ts';
import { loadCredentials } from '../kubernetes/credentials.ts';
import { Events } from '../kubernetes/events.ts';
import { newKubeConfig } from '../kubernetes/narrow-import.ts';
import { podFacts } from '../kubernetes/objects.ts';
import { Outbox } from '../kubernetes/outbox.ts';
import type { ClusterSource } from '../kubernetes/source.ts';
import { whileLeading } from './lease.ts';
import type { SubnetMetrics } from './metrics.ts';
import type { Notice } from './notices.ts';
import { podAddresses } from './pods.ts';

export interface ControllerClusterOptions {
  readonly source: ClusterSource;
  readonly podName: string;
  readonly identity: string;
  readonly leaseName: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly metrics: SubnetMetrics;
  readonly log: Log;
  readonly version: string;
}

const RETRY = { baseMs: 500, maxMs: 30_000 };
const USUAL_NAMESPACE = 'kube-system';
/** A list of all pods is dear; who uses what is not news of a minute. */
const PODS_EVERY_MS = 300_000;

export class ControllerCluster implements AsyncDisposable {
  readonly #options: ControllerClusterOptions;
  readonly #api: ApiServer;
  readonly #outbox: Outbox;
  readonly #events: Events;
  #pods: { readonly at: number; readonly addresses: ReadonlySet<number> } | undefined;
  #uid: string | undefined;

  constructor(options: ControllerClusterOptions) {
    const { source, clock, random, metrics, log, version, identity } = options;
    this.#options = options;
    this.#api = new ApiServer({
      load: () => loadCredentials(source, newKubeConfig),
      userAgent: `wellspring-subnets/${version}`,
      timeoutMs: 10_000,
      silenceMs: 150_000,
    });
    this.#outbox = new Outbox({
      capacity: 500,
      maxAgeMs: 600_000,
      concurrency: 1,
      paceMs: 50,
      backOff: RETRY,
      clock,
      random,
      onOutcome: (outcome, error) => {
        metrics.writes.inc({ what: 'event', outcome });
        if (outcome === 'refused') log.warn(errorFields(error), 'the API server refused an event');
      },
    });
    this.#events = new Events({
      api: this.#api,
      outbox: this.#outbox,
      source: { component: 'wellspring-subnets', host: identity },
      rules: { intervalMs: 60_000, burst: 100, perMinute: 60, capacity: 1000 },
      clock,
      onDropped: () => metrics.writes.inc({ what: 'event', outcome: 'dropped' }),
    });
  }

  async whileLeading(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, identity, leaseName: name, log } = this.#options;
    const onError = (error: unknown): void => log.warn(errorFields(error), 'the lease could not be read or written');
    await whileLeading(
      { api: this.#api, namespace: await this.#namespace(), name, identity, clock, onError },
      lead,
      signal,
    );
  }

  /** Undefined while the API server does not say; the last answer for as long as it is young. */
  async pods(signal: AbortSignal): Promise<ReadonlySet<number> | undefined> {
    const { clock, log } = this.#options;
    if (this.#pods !== undefined && clock.now() - this.#pods.at < PODS_EVERY_MS) return this.#pods.addresses;
    try {
      this.#pods = { at: clock.now(), addresses: await podAddresses(this.#api, signal) };
    } catch (error) {
      if (!signal.aborted) log.warn(errorFields(error), 'which pods there are is not known');
      this.#pods = undefined;
    }
    return this.#pods?.addresses;
  }

  /** Written in the background. */
  tell({ subnet, kind, level, reason, message }: Notice): void {
    const { podName } = this.#options;
    if (podName === '') return;
    const send = async (signal: AbortSignal): Promise<void> => {
      const namespace = await this.#namespace();
      this.#uid ??= await this.#uidOf(namespace, signal);
      const type = level === 'calm' ? 'Normal' : 'Warning';
      const regarding = { kind: 'Pod', namespace, name: podName, uid: this.#uid } as const;
      this.#events.report({ regarding, reason, action: `${subnet}/${kind}`, message, type });
    };
    this.#outbox.put({ key: `notice/${subnet}/${kind}`, send });
  }

  /** `kubectl describe` finds events by it. */
  async #uidOf(namespace: string, signal: AbortSignal): Promise<string> {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(this.#options.podName)}`;
    return podFacts(await this.#api.request({ method: 'GET', path, signal }))?.uid ?? '';
  }

  async #namespace(): Promise<string> {
    return (await this.#api.namespace()) ?? USUAL_NAMESPACE;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#outbox[Symbol.asyncDispose]();
    this.#api[Symbol.dispose]();
  }
}
