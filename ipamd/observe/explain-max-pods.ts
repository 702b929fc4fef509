/** What kubelet should be told of this node's size, and how that number comes about. */
import { HOST_NETWORK_PODS, maxPodsOf } from '#warm-pool/max-pods.ts';
import type { AllocationMode } from '#warm-pool/model.ts';

export interface MaxPodsSource {
  readonly instanceType: string;
  readonly maxInterfaces: number;
  readonly ipv4PerInterface: number;
  readonly vcpus: number;
  readonly mode: AllocationMode;
  readonly customNetworking: boolean;
}

export type MaxPodsAnswer = ReturnType<typeof maxPodsAnswer>;

export function maxPodsAnswer(source: MaxPodsSource) {
  const { instanceType, maxInterfaces, ipv4PerInterface, vcpus, mode, customNetworking } = source;
  const { maxPods, uncapped, cap } = maxPodsOf(source);
  return {
    instanceType,
    maxPods,
    uncapped,
    cap,
    vcpus,
    mode,
    customNetworking,
    /** Those that host pods. */
    interfaces: Math.max(0, maxInterfaces - (customNetworking ? 1 : 0)),
    addressesPerInterface: ipv4PerInterface - 1,
    hostNetworkPods: HOST_NETWORK_PODS,
    kubelet: {
      flag: `--max-pods=${maxPods}`,
      /** For the directory that kubelet is given with --config-dir. */
      dropIn: `apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: ${maxPods}\n`,
    },
  };
}
