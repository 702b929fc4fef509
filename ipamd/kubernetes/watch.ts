/** What the API server says, kept up to date by watches that are scoped to this node. Reading never blocks. */
import type { Clock } from '#cloud/decorate/clock.ts';
import type { Log } from '../observe/log.ts';
import { errorFields } from '../observe/log.ts';
import type { ApiServer } from './api-server.ts';
import type { BackOff } from './back-off.ts';
import type { ClusterPod, ClusterView, EniConfigLookup } from './cluster-view.ts';
import { type EniConfigKeys, lookUpEniConfig } from './eni-config.ts';
import type { ClusterMetrics } from './metrics.ts';
import { eniConfigFacts, type EniConfigFacts, type NodeFacts, nodeFacts, podFacts, type PodFacts } from './objects.ts';
import { Outage } from './outage.ts';
import { ResourceWatch } from './resource-watch.ts';

export interface WatchOptions {
  readonly api: ApiServer;
  readonly nodeName: string;
  /** What is watched beside the node. */
  readonly pods: boolean;
  readonly eniConfigs: boolean;
  readonly eniConfigKeys: EniConfigKeys;
  readonly clock: Clock;
  readonly random: () => number;
  readonly backOff: BackOff;
  readonly metrics: ClusterMetrics;
  readonly log: Log;
}

/** The node is drained or cordoned (well-known taint of the node lifecycle controller). */
const UNSCHEDULABLE = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

export class WatchedCluster implements ClusterView {
  readonly #options: WatchOptions;
  readonly #outage: Outage;
  readonly #listeners = new Set<() => void>();
  readonly #malformedTold = new Set<string>();
  readonly #watches: readonly ResourceWatch[];
  #node: NodeFacts | undefined;
  /** The API server had the node once: without it now, it was deleted. */
  #wasThere = false;
  #pods: Map<string, PodFacts> | undefined;
  #eniConfigs: Map<string, EniConfigFacts> | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    const { nodeName, log, clock } = options;
    this.#outage = new Outage(log, () => clock.now());
    const nodes = this.#watch('nodes', '/api/v1/nodes', `metadata.name=${nodeName}`, nodeFacts, (nodes) => {
      this.#node = nodes.get(nodeName);
      this.#wasThere ||= this.#node !== undefined;
    });
    const others = [
      options.pods &&
        this.#watch('pods', '/api/v1/pods', `spec.nodeName=${nodeName}`, podFacts, (pods) => (this.#pods = pods)),
      options.eniConfigs &&
        this.#watch(
          'eniconfigs',
          '/apis/crd.k8s.amazonaws.com/v1alpha1/eniconfigs',
          undefined,
          eniConfigFacts,
          (all) => {
            this.#eniConfigs = all;
          },
        ),
    ];
    this.#watches = [nodes, ...others.filter((each) => each !== false)];
  }

  /** The node as it was last seen; undefined before the first answer, and where the API server has none of this name. */
  get node(): NodeFacts | undefined {
    return this.#node;
  }

  get isAway(): boolean {
    return this.#outage.isAway;
  }

  eniConfig(): EniConfigLookup {
    return lookUpEniConfig(this.#node, this.#eniConfigs, this.#options.eniConfigKeys);
  }

  schedulable(): boolean | undefined {
    if (this.#node === undefined) return this.#wasThere ? false : undefined;
    return this.#node.taints.every(({ key, effect }) => key !== UNSCHEDULABLE.key || effect !== UNSCHEDULABLE.effect);
  }

  podCapacity(): number | undefined {
    return this.#node?.podCapacity;
  }

  podAnnotations(namespace: string, name: string): Readonly<Record<string, string>> | undefined {
    return this.#pods?.get(`${namespace}/${name}`)?.annotations;
  }

  pod(namespace: string, name: string): ClusterPod | undefined {
    const facts = this.#pods?.get(`${namespace}/${name}`);
    return facts === undefined ? undefined : { ...facts, limits: facts.limits ?? [] };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Keeps the facts of one resource by `namespace/name`, or by name, and tells of each change. */
  #watch<T extends { readonly name: string; readonly namespace?: string }>(
    resource: string,
    path: string,
    fieldSelector: string | undefined,
    facts: (object: unknown) => T | undefined,
    store: (known: Map<string, T>) => void,
  ): ResourceWatch {
    const { api, clock, random, backOff, metrics } = this.#options;
    let known = new Map<string, T>();
    const keyOf = ({ name, namespace }: T) => (namespace === undefined ? name : `${namespace}/${name}`);
    const read = (object: unknown): T | undefined => {
      const fact = facts(object);
      if (fact === undefined) this.#malformed(resource);
      return fact;
    };
    const changed = () => {
      store(known);
      this.#tell();
    };
    metrics.watchConnected.set({ resource }, 0);
    return new ResourceWatch({
      resource,
      path,
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      api,
      clock,
      random,
      backOff,
      onState: (error) => this.#state(resource, error),
      sink: {
        replace: (objects) => {
          const all = objects.map(read).filter((fact) => fact !== undefined);
          known = new Map(all.map((fact) => [keyOf(fact), fact]));
          changed();
        },
        put: (object) => {
          const fact = read(object);
          if (fact === undefined) return;
          known.set(keyOf(fact), fact);
          changed();
        },
        removed: (object) => {
          const fact = read(object);
          if (fact !== undefined && known.delete(keyOf(fact))) changed();
        },
      },
    });
  }

  #state(resource: string, error: unknown): void {
    const { metrics } = this.#options;
    metrics.watchConnected.set({ resource }, error === undefined ? 1 : 0);
    if (error === undefined) this.#outage.worked(resource);
    else {
      metrics.watchFailures.inc({ resource });
      this.#outage.failed(resource, error);
    }
  }

  #malformed(resource: string): void {
    const { metrics, log } = this.#options;
    metrics.malformedObjects.inc({ resource });
    // Once: it comes again with every list.
    if (this.#malformedTold.has(resource)) return;
    this.#malformedTold.add(resource);
    log.warn({ resource }, 'the API server sent an object without a name; it is left out');
  }

  #tell(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#options.log.error(errorFields(error), 'a change of the cluster could not be taken in');
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch[Symbol.asyncDispose]()));
  }
}
