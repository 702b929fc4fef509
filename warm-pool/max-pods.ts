/**
 * How many pods kubelet should admit on a node: as many as the node can have addresses for, and not more than EKS deems
 * sensible for its size. The formula is that of EKS, so that a node that moves between the two keeps its number.
 */

export interface MaxPodsInput {
  /** Of the instance type, or MAX_ENI where that is lower. */
  readonly maxInterfaces: number;
  /** The primary address of each included. */
  readonly ipv4PerInterface: number;
  readonly vcpus: number;
  /** `prefix`: every address but the primary one is a /28. */
  readonly mode: 'address' | 'prefix';
  /** The primary interface hosts no pods. */
  readonly customNetworking: boolean;
}

export interface MaxPods {
  readonly maxPods: number;
  /** Without EKS's bound. */
  readonly uncapped: number;
  /** EKS's bound for a node of this many vCPUs. */
  readonly cap: 110 | 250;
}

/** kube-proxy and the CNI itself run on the node's own address; EKS counts these two. */
export const HOST_NETWORK_PODS = 2;
const PREFIX_SIZE = 16;

export function maxPodsOf({ maxInterfaces, ipv4PerInterface, vcpus, mode, customNetworking }: MaxPodsInput): MaxPods {
  const interfaces = Math.max(0, maxInterfaces - (customNetworking ? 1 : 0));
  const addresses = interfaces * (ipv4PerInterface - 1) * (mode === 'prefix' ? PREFIX_SIZE : 1);
  const uncapped = addresses + HOST_NETWORK_PODS;
  const cap = vcpus > 30 ? 250 : 110;
  return { maxPods: Math.min(uncapped, cap), uncapped, cap };
}
