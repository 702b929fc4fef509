/** The `Datapath` that speaks netlink: composes the host's and the pods' share over one standing access to the kernel. */
import {
  DatapathError,
  type AdoptedPod,
  type Damage,
  type Datapath,
  type DriftRepair,
  type DriftReport,
  type HostConfig,
  type HostInterface,
  type KernelBranchPod,
  type KernelPod,
  type KeptPod,
  type LinkMacs,
  type OwnershipMarks,
  type PeerRemain,
  type PodAttachment,
  type PodLinks,
  type PodRemoval,
} from './datapath.ts';
import { asDamage } from './drift/difference.ts';
import { KernelDrift } from './drift/kernel-drift.ts';
import { KernelState } from './drift/kernel-state.ts';
import { BranchNetwork } from './branch/branch-network.ts';
import { isBranchPod, type BranchPod } from './branch/desired.ts';
import { HostPorts } from './host-port/host-ports.ts';
import { forgetStaleFlows, NO_CHANGE } from './host-port/stale-flows.ts';
import { HostNetwork } from './host/host-network.ts';
import { removePeerPod } from './host/peer-pod.ts';
import { adoptPeerPod } from './peer/adopt.ts';
import { peerRemains, removePeerRemains } from './peer/remains.ts';
import { asDatapathError, openKernel, type Kernel, readLinks } from './kernel.ts';
import { couldBeInterface, watchLinks } from './link-events.ts';
import { waitForLink } from './link-watch.ts';
import { completeMarks } from './marks.ts';
import { podDamage } from './pod/check.ts';
import { EgressAddresses } from './pod/egress-addresses.ts';
import { NamespaceDoor } from './namespace-door.ts';
import { PodNetwork } from './pod/pod-network.ts';
import { damageOfSwitches, switchOffIpv6 } from './pod/without-ipv6.ts';

/** How to open the datapath. */
export interface KernelDatapathOptions {
  /** Numbers that differ from `DEFAULT_MARKS`. */
  readonly marks?: Partial<OwnershipMarks>;
  /** Where /proc/sys is mounted. */
  readonly procSys?: string;
  /** Path of the network namespace to act as the host's; this process's own if left out. */
  readonly hostNetns?: string;
  /** How much news of changes the kernel keeps between two looks; 4 MiB if left out. More is lost, and all is compared. */
  readonly newsBytes?: number;
}

/** Opens the datapath. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN. Throws `DatapathError`. */
export async function createKernelDatapath(options: KernelDatapathOptions = {}): Promise<Datapath> {
  const marks = completeMarks(options.marks);
  const kernel = await openKernel({ hostNetns: options.hostNetns, procSys: options.procSys });
  try {
    return new KernelDatapath(kernel, marks, options.newsBytes);
  } catch (error) {
    kernel[Symbol.dispose]();
    throw asDatapathError(error);
  }
}

class KernelDatapath implements Datapath {
  readonly #kernel: Kernel;
  readonly #marks: OwnershipMarks;
  readonly #host: HostNetwork;
  readonly #hostPorts: HostPorts;
  readonly #pods: PodNetwork;
  readonly #egress: EgressAddresses;
  readonly #branches: BranchNetwork;
  readonly #background: ReturnType<Kernel['openInHost']>;
  readonly #drift: KernelDrift;
  readonly #door = new NamespaceDoor();

  constructor(kernel: Kernel, marks: OwnershipMarks, newsBytes: number | undefined) {
    this.#kernel = kernel;
    this.#marks = marks;
    this.#background = kernel.openInHost({ family: 'route' });
    this.#hostPorts = new HostPorts(kernel, marks.nftTable, () => this.#host.replaceTable());
    this.#pods = new PodNetwork(kernel, marks, this.#background);
    this.#branches = new BranchNetwork(kernel, marks, this.#pods.retirement);
    this.#host = new HostNetwork(kernel, marks, this.#hostPorts, this.#branches);
    this.#egress = new EgressAddresses(kernel, marks);
    this.#drift = new KernelDrift({
      kernel,
      marks,
      host: this.#host,
      hostPorts: this.#hostPorts,
      branches: this.#branches,
      own: [this.#background],
      newsBytes,
    });
  }

  setUpHost(config: HostConfig): Promise<void> {
    return guard(() => {
      this.#hostPorts.adopt(config.publishing ?? []);
      this.#host.setUp(config);
    });
  }

  waitForLink(mac: string, signal: AbortSignal): Promise<void> {
    return waitForLink(this.#kernel, mac, signal);
  }

  watchLinks(listener: () => void): AsyncDisposable {
    return watchLinks(this.#kernel, this.#marks, listener);
  }

  listLinks(): Promise<readonly string[]> {
    return guard(() =>
      readLinks(this.#kernel)
        .filter((link) => couldBeInterface(link, this.#marks))
        .map(({ mac, permanentMac }) => permanentMac ?? mac),
    );
  }

  setUpInterface(networkInterface: HostInterface): Promise<void> {
    return guard(() => this.#host.setUpInterface(networkInterface));
  }

  tearDownInterface(deviceIndex: number, networkCardIndex: number): Promise<void> {
    return guard(() => this.#host.tearDownInterface({ deviceIndex, networkCardIndex }));
  }

  addPod(pod: PodAttachment): Promise<PodLinks> {
    return guard(async () => {
      await this.#door.reach(pod.netns);
      if (isBranchPod(pod)) return this.#addBranchPod(pod);
      if (!this.#host.isSetUp(pod)) {
        const place = `device ${pod.deviceIndex} on card ${pod.networkCardIndex}`;
        throw new DatapathError(
          'no-such-link',
          `the ENI of ${pod.addresses.join(' and ')} (${place}) has not been set up`,
        );
      }
      const plumbed = this.#egress.equip(pod, this.#host.egress);
      if (this.#host.disablesPodIpv6) switchOffIpv6(this.#kernel, plumbed);
      return this.#plug(plumbed, pod);
    });
  }

  deletePod(pod: PodRemoval): Promise<void> {
    return guard(async () => {
      this.#drift.release(pod.hostIfName);
      const change = this.#hostPorts.withdraw(pod.hostIfName);
      this.#branches.remove(pod.hostIfName);
      // One that is being adopted may have something of both.
      this.#pods.remove(pod.hostIfName);
      if (pod.plumbedBy !== undefined)
        for (const address of pod.addresses) removePeerPod(this.#kernel.route, this.#marks, address);
      await forgetStaleFlows(this.#kernel, change);
    });
  }

  checkPod(pod: PodAttachment): Promise<readonly Damage[]> {
    return guard(async () => {
      await this.#door.reach(pod.netns);
      const state = new KernelState(this.#kernel, this.#marks);
      const { nodeAddresses } = this.#host;
      return [
        ...podDamage(this.#kernel, state, this.#marks, this.#equipped(pod), nodeAddresses),
        ...(isBranchPod(pod) ? this.#branches.differences(state, pod).map(asDamage) : []),
        ...(this.#host.disablesPodIpv6 ? damageOfSwitches(this.#kernel, pod) : []),
        ...this.#host.damage(state, pod),
        ...this.#hostPorts.damage(pod),
      ];
    });
  }

  listPods(): Promise<readonly KernelPod[]> {
    return guard(() => {
      const published = this.#hostPorts.found();
      const branches = new Set(this.#branches.list(this.#pods.list()).map(({ hostIfName }) => hostIfName));
      const pods = this.#pods.list().filter(({ hostIfName }) => !branches.has(hostIfName));
      return pods.map((pod) => {
        const portMappings = pod.addresses.flatMap((address) => published.get(address) ?? []);
        return portMappings.length === 0 ? pod : { ...pod, portMappings };
      });
    });
  }

  listBranchPods(): Promise<readonly KernelBranchPod[]> {
    return guard(() => this.#branches.list(this.#pods.list()));
  }

  keepPods(pods: readonly KeptPod[]): Promise<void> {
    return guard(() => {
      const { egress } = this.#host;
      for (const pod of pods)
        this.#drift.keep(pod.branch === undefined ? { ...pod, addresses: this.#egress.known(pod, egress) } : pod);
    });
  }

  adoptPod(pod: AdoptedPod): Promise<LinkMacs> {
    return guard(() => {
      if (!this.#host.isSetUp(pod))
        throw new DatapathError('no-such-link', `the ENI of ${pod.addresses.join(' and ')} has not been set up`);
      return adoptPeerPod(this.#kernel, this.#marks, pod, this.#host.nodeAddresses);
    });
  }

  peerRemains({ remove }: { readonly remove: boolean }): Promise<readonly PeerRemain[]> {
    return guard(() => (remove ? removePeerRemains : peerRemains)(this.#kernel, this.#marks));
  }

  repairDrift(report: (report: DriftReport) => void): DriftRepair {
    return this.#drift.begin(report);
  }

  settled(): Promise<void> {
    return guard(() => this.#pods.settled());
  }

  cleanUp(): Promise<void> {
    return guard(async () => {
      this.#drift.releaseAll();
      this.#host.cleanUp();
      this.#hostPorts.forgetAll();
      this.#branches.forgetAll();
      this.#pods.removeAll();
      await this.#pods.settled();
    });
  }

  /** A branch pod leaves by its own ENI; helper addresses, which leave by the node's, are not for it. */
  #equipped(pod: PodAttachment): PodAttachment {
    return isBranchPod(pod) ? pod : this.#egress.equipped(pod, this.#host.egress);
  }

  async #addBranchPod(pod: BranchPod): Promise<PodLinks> {
    try {
      await this.#branches.make(pod, this.#host.eniMtu);
      this.#host.applyRules();
      if (this.#host.disablesPodIpv6) switchOffIpv6(this.#kernel, pod);
      return await this.#plug(pod, pod);
    } catch (error) {
      this.#branches.remove(pod.hostIfName);
      throw error;
    }
  }

  /** The link first, its host ports last: a port that is published has a pod behind it. */
  async #plug(plumbed: Parameters<PodNetwork['add']>[0], pod: PodAttachment): Promise<PodLinks> {
    let change = NO_CHANGE;
    // What an earlier ADD made may have to go first.
    this.#drift.release(pod.hostIfName);
    const links = await this.#pods.add(plumbed, this.#host.nodeAddresses, () => {
      change = this.#hostPorts.publish(pod);
      // Also where nobody listens to news: kube-proxy may have come since.
      if (change !== NO_CHANGE) this.#host.followAddresses();
      this.#drift.promise(plumbed);
    });
    try {
      await forgetStaleFlows(this.#kernel, change);
      return links;
    } catch (error) {
      this.#drift.release(pod.hostIfName);
      this.#hostPorts.withdraw(pod.hostIfName);
      this.#pods.remove(pod.hostIfName);
      throw error;
    }
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
