/** Which pod has which helper address for egress. The kernel's routes are all the memory there is. */
import { DatapathError, type OwnershipMarks, type PodAttachment } from '../datapath.ts';
import { EGRESS_ADDRESSES, EGRESS_BLOCKS, egressAddress, isEgressAddress, type Egress } from '../egress.ts';
import { familyOf, IP_FAMILIES, type IpFamily } from '../ip.ts';
import { routesToPods } from '../host/peer-pod.ts';
import { readLinkByName, readRoutes, type Kernel } from '../kernel.ts';

/** See the file's comment. */
export class EgressAddresses {
  readonly #kernel: Kernel;
  readonly #marks: OwnershipMarks;
  /** Goes round, so that ADDs under way at once take different ones, and one that was given back rests. */
  #next = process.pid;

  constructor(kernel: Kernel, marks: OwnershipMarks) {
    this.#kernel = kernel;
    this.#marks = marks;
  }

  /** The pod with a free helper address of each of the families that it lacks. Throws `DatapathError` if there is none. */
  equip(pod: PodAttachment, egress: readonly Egress[]): PodAttachment {
    const lacking = this.#lacking(pod, egress);
    if (lacking.length === 0) return pod;
    // Pods of amazon-vpc-cni-k8s have theirs of the same blocks, by routes in table main.
    const routes = [...this.#routes(), ...routesToPods(this.#kernel.route)];
    const taken = new Set(routes.map(({ destination }) => destination));
    return { ...pod, addresses: [...pod.addresses, ...lacking.map((family) => this.#free(family, taken))] };
  }

  /** The pod with the helper addresses that it should have, those that it has where it has them. */
  equipped(pod: PodAttachment, egress: readonly Egress[]): PodAttachment {
    const lacking = this.#lacking(pod, egress);
    if (lacking.length === 0) return pod;
    const link = readLinkByName(this.#kernel.route, pod.hostIfName)?.index;
    const own = this.#routes().filter((route) => route.link === link && isEgressAddress(route.destination));
    const found = lacking.map(
      (family) =>
        own.find(({ destination }) => familyOf(destination) === family)?.destination ?? egressAddress(family, 0),
    );
    return { ...pod, addresses: [...pod.addresses, ...found] };
  }

  /** The pod's addresses, and the helper addresses that the kernel's routes give it. */
  known(pod: Pick<PodAttachment, 'hostIfName' | 'addresses'>, egress: readonly Egress[]): readonly string[] {
    if (egress.length === 0) return pod.addresses;
    const link = readLinkByName(this.#kernel.route, pod.hostIfName)?.index;
    const helpers = this.#routes().filter((route) => route.link === link && isEgressAddress(route.destination));
    return [...pod.addresses, ...helpers.map(({ destination }) => destination)];
  }

  /** A pod leaves by its first interface in the family that it lacks. */
  #lacking({ addresses, index = 0 }: PodAttachment, egress: readonly Egress[]): readonly IpFamily[] {
    if (egress.length === 0 || index > 0) return [];
    const own = new Set(addresses.map(familyOf));
    return IP_FAMILIES.filter((family) => !own.has(family) && egress.some((each) => each.family === family));
  }

  #free(family: IpFamily, taken: ReadonlySet<string>): string {
    for (let tries = 0; tries < EGRESS_ADDRESSES; tries += 1) {
      this.#next += 1;
      const address = egressAddress(family, this.#next);
      if (!taken.has(address)) return address;
    }
    throw new DatapathError('kernel-refused', `every helper address of ${EGRESS_BLOCKS[family]} is in use`);
  }

  #routes(): ReturnType<typeof readRoutes> {
    return readRoutes(this.#kernel.route, this.#marks.protocol, this.#marks.podTable);
  }
}
