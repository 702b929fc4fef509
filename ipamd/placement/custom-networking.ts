/** Custom networking on a running node: the ENIConfig that counts now. Reads, decides by eni-config.ts, and has no effect. */
import type { InstanceIdentity } from '#cloud/provider.ts';
import type { NetworkInterface } from '#warm-pool/model.ts';
import type { ClusterView, EniConfig } from '../kubernetes/cluster-view.ts';
import { eniConfigOf, type EniConfigPlace, isOutside, placeOf, type SubnetWord } from './eni-config.ts';

export class CustomNetworking {
  readonly #cluster: Pick<ClusterView, 'eniConfig'>;
  readonly #identity: Pick<InstanceIdentity, 'vpcId' | 'availabilityZone'>;
  #wordOn: (subnetId: string) => SubnetWord = () => undefined;
  #onWord: () => void = () => undefined;
  #remembered: EniConfig | undefined;

  /** `remembered` is the ENIConfig that was usable last, from the journal. */
  constructor(
    cluster: Pick<ClusterView, 'eniConfig'>,
    identity: Pick<InstanceIdentity, 'vpcId' | 'availabilityZone'>,
    remembered: EniConfig | undefined,
  ) {
    this.#cluster = cluster;
    this.#identity = identity;
    this.#remembered = remembered;
  }

  /** Whom to ask what the cloud says of a subnet. */
  askWord(wordOn: (subnetId: string) => SubnetWord): void {
    this.#wordOn = wordOn;
  }

  get place(): EniConfigPlace {
    return placeOf(this.#cluster.eniConfig(), this.#remembered, this.#wordOn, this.#identity);
  }

  /** Called when the cloud's word on subnets may have changed. One listener. */
  onWord(listener: () => void): void {
    this.#onWord = listener;
  }

  /** The cloud has been asked. */
  wordCame(): void {
    this.#onWord();
  }

  /** The subnet that the cloud must be able to describe; undefined where no ENIConfig counts. */
  get subnetId(): string | undefined {
    return eniConfigOf(this.#cluster.eniConfig(), this.#remembered)?.subnetId;
  }

  isOutside(networkInterface: Pick<NetworkInterface, 'isPrimary' | 'subnetId'>): boolean | undefined {
    return isOutside(networkInterface, this.place);
  }

  /**
   * What a restart without the API server should go on with, where that changed since the last call: the ENIConfig, or
   * null for none. Undefined where nothing is to be noted.
   */
  toRemember(): EniConfig | null | undefined {
    const { place } = this;
    const said = this.#cluster.eniConfig().kind;
    if (place.kind === 'waits' || said === 'unknown') return undefined;
    const now = place.kind === 'usable' ? place.eniConfig : undefined;
    if (JSON.stringify(now) === JSON.stringify(this.#remembered)) return undefined;
    this.#remembered = now;
    return now ?? null;
  }
}
