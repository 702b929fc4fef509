/** What is needed of the API server's objects. Total: a field that is not what the API promises counts as absent. */
import { fieldsOf } from './api-error.ts';

type Texts = Readonly<Record<string, string>>;

export interface Taint {
  readonly key: string;
  readonly effect: string;
  /** As it came, for writing it back unchanged. */
  readonly raw: unknown;
}

export interface NodeFacts {
  readonly name: string;
  readonly uid: string;
  readonly version: string;
  readonly labels: Texts;
  readonly annotations: Texts;
  readonly taints: readonly Taint[];
  /** status.capacity.pods; undefined where kubelet has not said. */
  readonly podCapacity: number | undefined;
  /** Status of each condition by its type. */
  readonly conditions: Texts;
}

export interface PodFacts {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly annotations: Texts;
  /** Names of resources in the limits of containers of every kind; absent for none. */
  readonly limits?: readonly string[];
}

export interface EniConfigFacts {
  readonly name: string;
  readonly subnetId: string;
  readonly securityGroupIds: readonly string[];
}

/** undefined: it has no name, so it is no object. */
export function nodeFacts(object: unknown): NodeFacts | undefined {
  const { name, uid, version, labels, annotations } = metadataOf(object);
  if (name === '') return undefined;
  const { spec, status } = fieldsOf(object);
  const { pods } = fieldsOf(fieldsOf(status)['capacity']);
  const capacity = typeof pods === 'string' || typeof pods === 'number' ? quantity(String(pods)) : undefined;
  return {
    name,
    uid,
    version,
    labels,
    annotations,
    taints: list(fieldsOf(spec)['taints']).map((raw) => ({
      key: text(fieldsOf(raw)['key']),
      effect: text(fieldsOf(raw)['effect']),
      raw,
    })),
    podCapacity: capacity,
    conditions: Object.fromEntries(
      list(fieldsOf(status)['conditions']).map((each) => [
        text(fieldsOf(each)['type']),
        text(fieldsOf(each)['status']),
      ]),
    ),
  };
}

/** undefined: it has no name. */
export function podFacts(object: unknown): PodFacts | undefined {
  const { name, namespace, uid, annotations } = metadataOf(object);
  if (name === '') return undefined;
  const { containers, initContainers } = fieldsOf(fieldsOf(object)['spec']);
  const limits = new Set([...list(containers), ...list(initContainers)].flatMap(limitsOf));
  return { name, namespace, uid, annotations, ...(limits.size === 0 ? {} : { limits: [...limits].toSorted() }) };
}

function limitsOf(container: unknown): readonly string[] {
  return Object.keys(fieldsOf(fieldsOf(fieldsOf(container)['resources'])['limits']));
}

/** What is absent is `''` or empty; whether it can be used is judged by `usableEniConfig`. undefined: it has no name. */
export function eniConfigFacts(object: unknown): EniConfigFacts | undefined {
  const { name } = metadataOf(object);
  if (name === '') return undefined;
  const { subnet, securityGroups } = fieldsOf(fieldsOf(object)['spec']);
  return {
    name,
    subnetId: text(subnet).trim(),
    securityGroupIds: list(securityGroups).map((each) => text(each).trim()),
  };
}

function metadataOf(object: unknown) {
  const { name, namespace, uid, resourceVersion, labels, annotations } = fieldsOf(fieldsOf(object)['metadata']);
  return {
    name: text(name),
    namespace: text(namespace),
    uid: text(uid),
    version: text(resourceVersion),
    labels: texts(labels),
    annotations: texts(annotations),
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function texts(value: unknown): Texts {
  return Object.fromEntries(
    Object.entries(fieldsOf(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

/** A whole number as a Kubernetes quantity: `110`, `1k`. undefined: it is none that counts pods. */
function quantity(value: string): number | undefined {
  const match = /^(\d{1,9})(k?)$/.exec(value);
  return match === null ? undefined : Number(match[1]) * (match[2] === 'k' ? 1000 : 1);
}
