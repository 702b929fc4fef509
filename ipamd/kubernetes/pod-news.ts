/** What the handlers tell of pods. Nothing here may delay or fail a request. */
import type { CniError } from '#cni/spec/errors.ts';
import type { PodReference } from '#warm-pool/model.ts';

export interface PodNews {
  /**
   * An ADD found no free address and waits; `why` says at any later time what it waits for. To be called when that ends,
   * with the refusal where it got none.
   */
  waiting(pod: PodReference, why: () => CniError): (refusal?: CniError) => void;
  /** An ADD failed; `error` is what the runtime is told. */
  refused(pod: PodReference, error: CniError): void;
  /** A pod has these addresses, IPv4 first. */
  attached(pod: PodReference, addresses: readonly string[]): void;
  /** A pod has given these addresses back. */
  detached(pod: PodReference, addresses: readonly string[]): void;
}

export const NO_NEWS: PodNews = {
  waiting: () => () => undefined,
  refused: () => undefined,
  attached: () => undefined,
  detached: () => undefined,
};
