/**
 * What the API server says that decisions of the pool depend on. One implementation watches (`watch.ts`); where no API
 * server is configured, `WITHOUT_CLUSTER` answers. Reading never blocks and never fails: what is not known yet says so.
 */

/** An ENIConfig (crd.k8s.amazonaws.com/v1alpha1): where this node's pods get their interfaces. */
export interface EniConfig {
  readonly name: string;
  readonly subnetId: string;
  /** Empty: those of the primary interface. */
  readonly securityGroupIds: readonly string[];
}

export type EniConfigLookup =
  | { readonly kind: 'found'; readonly eniConfig: EniConfig }
  /** The node names one that does not exist, or that cannot be used; `why` is a sentence for people. */
  | { readonly kind: 'missing'; readonly name: string; readonly why: string }
  /** The API server has not answered yet. */
  | { readonly kind: 'unknown' };

/** What decisions need to know of a pod. */
export interface ClusterPod {
  readonly uid: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Names of the resources that any of its containers, those for its start included, has limits of. */
  readonly limits: readonly string[];
}

export interface ClusterView {
  /** The ENIConfig that the node's label or annotation names (peer's precedence). */
  eniConfig(): EniConfigLookup;
  /**
   * False while the node carries the taint node.kubernetes.io/unschedulable:NoSchedule, and once its Node was deleted: its
   * instance is about to go, and an ENI that is then half made or half given back would outlive it. undefined: not known.
   */
  schedulable(): boolean | undefined;
  /** status.capacity.pods of the node. */
  podCapacity(): number | undefined;
  /** Annotations of a pod of this node; undefined: the pod is not known here. */
  podAnnotations(namespace: string, name: string): Readonly<Record<string, string>> | undefined;
  /** A pod of this node as the API server has it; undefined: not known here. Absent where pods are not watched. */
  pod?(namespace: string, name: string): ClusterPod | undefined;
  /** Called after any of the answers above may have changed. The returned function ends it. */
  onChange(listener: () => void): () => void;
}

export const WITHOUT_CLUSTER: ClusterView = {
  eniConfig: () => ({ kind: 'unknown' }),
  schedulable: () => undefined,
  podCapacity: () => undefined,
  podAnnotations: () => undefined,
  onChange: () => () => undefined,
};
