/** The trunk ENI of this node: the VPC resource controller attaches it, and what EC2 says of attached interfaces tells which. */
import type { InstanceTypeDescription, NetworkInterfaceDescription } from '#cloud/provider.ts';

/** The one interface type that carries branches (DescribeNetworkInterfaces, InterfaceType). */
const TRUNK = 'trunk';

/** Known from the first look at EC2 on; changed by every later one. */
export class Trunk {
  #mac: string | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #onChange: (mac: string | undefined) => void;

  /** The listener is called whenever the trunk came, went, or is another one. */
  constructor(onChange: (mac: string | undefined) => void = () => undefined) {
    this.#onChange = onChange;
  }

  get mac(): string | undefined {
    return this.#mac;
  }

  /** Told of what is attached to this instance, all of it. */
  seen(attached: readonly Pick<NetworkInterfaceDescription, 'interfaceType' | 'attachment' | 'mac'>[]): void {
    const found = attached.find(
      ({ interfaceType, attachment }) => interfaceType === TRUNK && attachment?.status !== 'detaching',
    );
    if (found?.mac === this.#mac) return;
    this.#mac = found?.mac;
    this.#onChange(this.#mac);
    for (const tell of this.#waiting) tell();
  }

  /** Calls the listener at every change, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#waiting.add(listener);
    return () => void this.#waiting.delete(listener);
  }
}

/**
 * Whether an instance of this type can have a trunk. DescribeInstanceTypes does not tell; what the controller's own table
 * amounts to is: Nitro and bare metal, and none of the families T (EC2 has none of those with trunks). A type of which that
 * is not known is taken for one that can, as the peer does.
 */
export function canHaveTrunk({
  instanceType,
  hypervisor,
  bareMetal,
}: Pick<InstanceTypeDescription, 'instanceType' | 'hypervisor' | 'bareMetal'>): boolean {
  if (/^t\d/.test(instanceType)) return false;
  return bareMetal || hypervisor !== 'xen';
}
