/** The `Datapath` that speaks netlink: composes the host's and the pods' share over one standing access to the kernel. */
import {
  DatapathError,
  type Damage,
  type Datapath,
  type HostConfig,
  type HostInterface,
  type KernelPod,
  type OwnershipMarks,
  type PodAttachment,
  type PodLinks,
} from './datapath.ts';
import { HostNetwork } from './host/host-network.ts';
import { asDatapathError, openKernel, type Kernel } from './kernel.ts';
import { waitForLink } from './link-watch.ts';
import { completeMarks } from './marks.ts';
import { podDamage } from './pod/check.ts';
import { PodNetwork } from './pod/pod-network.ts';

/** How to open the datapath. */
export interface KernelDatapathOptions {
  /** Numbers that differ from `DEFAULT_MARKS`. */
  readonly marks?: Partial<OwnershipMarks>;
  /** Where /proc/sys is mounted. */
  readonly procSys?: string;
  /** Path of the network namespace to act as the host's; this process's own if left out. */
  readonly hostNetns?: string;
}

/** Opens the datapath. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN. Throws `DatapathError`. */
export async function createKernelDatapath(options: KernelDatapathOptions = {}): Promise<Datapath> {
  const marks = completeMarks(options.marks);
  const kernel = await openKernel({ hostNetns: options.hostNetns, procSys: options.procSys });
  try {
    return new KernelDatapath(kernel, marks);
  } catch (error) {
    kernel[Symbol.dispose]();
    throw asDatapathError(error);
  }
}

class KernelDatapath implements Datapath {
  readonly #kernel: Kernel;
  readonly #marks: OwnershipMarks;
  readonly #host: HostNetwork;
  readonly #pods: PodNetwork;
  readonly #background: ReturnType<Kernel['openInHost']>;

  constructor(kernel: Kernel, marks: OwnershipMarks) {
    this.#kernel = kernel;
    this.#marks = marks;
    this.#background = kernel.openInHost({ family: 'route' });
    this.#host = new HostNetwork(kernel, marks);
    this.#pods = new PodNetwork(kernel, marks, this.#background);
  }

  setUpHost(config: HostConfig): Promise<void> {
    return guard(() => this.#host.setUp(config));
  }

  waitForLink(mac: string, signal: AbortSignal): Promise<void> {
    return waitForLink(this.#kernel, mac, signal);
  }

  setUpInterface(networkInterface: HostInterface): Promise<void> {
    return guard(() => this.#host.setUpInterface(networkInterface));
  }

  tearDownInterface(deviceIndex: number, networkCardIndex: number): Promise<void> {
    return guard(() => this.#host.tearDownInterface({ deviceIndex, networkCardIndex }));
  }

  addPod(pod: PodAttachment): Promise<PodLinks> {
    return guard(() => {
      if (!this.#host.isSetUp(pod)) {
        const place = `device ${pod.deviceIndex} on card ${pod.networkCardIndex}`;
        throw new DatapathError('no-such-link', `the ENI of ${pod.address} (${place}) has not been set up`);
      }
      return this.#pods.add(pod, this.#host.nodeAddress);
    });
  }

  deletePod(pod: { readonly hostIfName: string; readonly addresses: readonly string[] }): Promise<void> {
    return guard(() => this.#pods.remove(pod.hostIfName));
  }

  checkPod(pod: PodAttachment): Promise<readonly Damage[]> {
    return guard(() => [
      ...podDamage(this.#kernel, this.#marks, pod, this.#host.nodeAddress),
      ...this.#host.damage(pod),
    ]);
  }

  listPods(): Promise<readonly KernelPod[]> {
    return guard(() => this.#pods.list());
  }

  settled(): Promise<void> {
    return guard(() => this.#pods.settled());
  }

  cleanUp(): Promise<void> {
    return guard(async () => {
      this.#host.cleanUp();
      this.#pods.removeAll();
      await this.#pods.settled();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.settled();
    } finally {
      this.#background.close();
      this.#kernel[Symbol.dispose]();
    }
  }
}

/** Every failure leaves as a `DatapathError`. */
async function guard<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asDatapathError(error);
  }
}
