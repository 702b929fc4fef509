/**
 * Bandwidth limits (capability `bandwidth` of the CNI conventions: rates in bits per second, bursts in bits) as token
 * buckets of the kernel (rates in bytes per second, sizes in bytes). Pure.
 */
import type { Bandwidth } from '#cni/spec/runtime-config.ts';

/** A token bucket: `burst` bytes at once, `rate` bytes a second in the long run, `queue` bytes wait for tokens, the rest is dropped. */
export interface TokenBucket {
  readonly rate: number;
  readonly burst: number;
  readonly queue: number;
}

/** Kubernetes refuses `kubernetes.io/ingress-bandwidth` and its twin outside of 1k to 1P. */
const RATE_BITS = { min: 1000, max: 10 ** 15 };
/** TCA_TBF_BURST is a u32 of bytes. */
const MOST_BURST_BITS = 8 * 0xffff_ffff;
/** The longest that a packet waits at the limit, as in the bandwidth plugin of the CNI project. */
const WAIT_SECONDS = 0.025;
/** The queue holds two of the largest packets that the kernel hands over in one piece (GSO, 64 KiB), however slow it is. */
const LEAST_QUEUE = 128 * 1024;
const ETHERNET_HEADER = 14;

/** To the pod (`ingress`) or from it (`egress`), as seen from the pod. */
export type Direction = 'ingress' | 'egress';

/** The bucket of one direction; undefined where there is no limit. The values have passed `bandwidthProblem`. */
export function tokenBucket(bandwidth: Bandwidth | undefined, direction: Direction): TokenBucket | undefined {
  const rate = Math.floor((bandwidth?.[`${direction}Rate`] ?? 0) / 8);
  if (rate === 0) return undefined;
  // The queue does not grow with the burst, which containerd sets to 512 MiB: nothing waits while there are tokens.
  const queue = Math.min(Math.max(Math.ceil(rate * WAIT_SECONDS), LEAST_QUEUE), 0xffff_ffff);
  return { rate, burst: Math.floor((bandwidth?.[`${direction}Burst`] ?? 0) / 8), queue };
}

/** Why a pod with this MTU cannot have these limits, with the key at fault; undefined if it can. */
export function bandwidthProblem(bandwidth: Bandwidth | undefined, mtu: number): string | undefined {
  return directionProblem(bandwidth, 'ingress', mtu) ?? directionProblem(bandwidth, 'egress', mtu);
}

function directionProblem(bandwidth: Bandwidth | undefined, direction: Direction, mtu: number): string | undefined {
  const [rateKey, burstKey] = [`${direction}Rate`, `${direction}Burst`] as const;
  const [rate, burst] = [bandwidth?.[rateKey] ?? 0, bandwidth?.[burstKey] ?? 0];
  const refuse = (key: string, value: number, allowed: string): string =>
    `runtimeConfig.bandwidth.${key}: ${value} is not allowed; expected ${allowed}`;
  if (rate === 0) return burst === 0 ? undefined : refuse(burstKey, burst, `0, because there is no ${rateKey}`);
  if (rate < RATE_BITS.min || rate > RATE_BITS.max)
    return refuse(rateKey, rate, `0 or ${RATE_BITS.min}..${RATE_BITS.max} bits per second`);
  // A packet that is larger than the bucket would never pass.
  const least = 8 * (mtu + ETHERNET_HEADER);
  if (burst < least || burst > MOST_BURST_BITS)
    return refuse(burstKey, burst, `${least}..${MOST_BURST_BITS} bits: at least one packet of the pod's MTU, ${mtu}`);
  return undefined;
}
