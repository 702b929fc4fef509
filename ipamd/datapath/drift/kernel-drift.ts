/** Drift repair of the datapath that speaks netlink: what should be there, out of what it was told. */
import type { DriftRepair, DriftReport, KeptPod, OwnershipMarks, PodAttachment } from '../datapath.ts';
import type { BranchNetwork } from '../branch/branch-network.ts';
import { hasBranch, type BranchShare } from '../branch/desired.ts';
import type { HostPorts } from '../host-port/host-ports.ts';
import type { HostNetwork } from '../host/host-network.ts';
import { isInterfaceWithMac, type Kernel } from '../kernel.ts';
import { submit } from '../netlink/exchange.ts';
import type { Link } from '../netlink/route/link.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';
import type { Difference } from './difference.ts';
import { Repairing } from './drift-repair.ts';
import { sysctlDifferences } from './host-differences.ts';
import { KernelState } from './kernel-state.ts';
import { DriftNews } from './news.ts';
import { hosted, keptPod, linkDifferences, podDifferences, podSysctls, type HostedPod } from './pod-differences.ts';

/** What it is made of. */
export interface KernelDriftParts {
  readonly kernel: Kernel;
  readonly marks: OwnershipMarks;
  readonly host: Pick<
    HostNetwork,
    'differences' | 'followAddresses' | 'macs' | 'nodeAddresses' | 'replaceTable' | 'tables'
  >;
  readonly hostPorts: Pick<HostPorts, 'damageOfAll'>;
  readonly branches: Pick<BranchNetwork, 'differences'>;
  /** Further sockets by which this process changes the kernel. */
  readonly own: readonly OpenNetlinkSocket[];
  /** How much news the kernel keeps for us between two looks. */
  readonly newsBytes?: number | undefined;
}

/** See the file's comment. It remembers the pods whose share of the host is to be there. */
export class KernelDrift {
  readonly #parts: KernelDriftParts;
  readonly #pods = new Map<string, HostedPod>();
  readonly #branchPods = new Map<string, BranchShare>();
  #repairing: Repairing | undefined;

  constructor(parts: KernelDriftParts) {
    this.#parts = parts;
  }

  /** From now on this pod's share is to be there, as it has just been made. */
  promise(pod: PodAttachment): void {
    this.#pods.set(pod.hostIfName, hosted(this.#parts.marks, pod));
    if (hasBranch(pod)) this.#branchPods.set(pod.hostIfName, pod);
  }

  /** Takes over a pod of an earlier life, unless more is known of it. */
  keep(pod: KeptPod): void {
    if (this.#pods.has(pod.hostIfName)) return;
    this.#pods.set(pod.hostIfName, keptPod(this.#parts.marks, pod));
    if (hasBranch(pod)) this.#branchPods.set(pod.hostIfName, pod);
  }

  /** Before a pod is taken away or made anew: what of it is lost from now on is no damage. */
  release(hostIfName: string): void {
    this.#pods.delete(hostIfName);
    this.#branchPods.delete(hostIfName);
    this.#repairing?.lookAgain();
  }

  releaseAll(): void {
    this.#pods.clear();
    this.#branchPods.clear();
  }

  /** Repairs until disposed of. Throws `NetlinkError` when the kernel does not let us listen. */
  begin(report: (report: DriftReport) => void): DriftRepair {
    const { kernel, marks, own, host, newsBytes } = this.#parts;
    const view = {
      judge: (link: Link) => this.#judge(link),
      isPod: (name: string) => this.#pods.has(name),
      get tables() {
        return new Set(host.tables);
      },
    };
    const news = new DriftNews(kernel, marks, { own: [kernel.route, kernel.nft, ...own], newsBytes }, view);
    const compare = (thorough: boolean): readonly Difference[] => {
      const state = new KernelState(kernel, marks);
      news.know(state.links.values());
      host.followAddresses();
      return this.#differences(state, thorough);
    };
    const repairing = new Repairing(
      {
        takeNews: () => news.take(),
        compare,
        mend: (difference) => this.#mend(difference),
        now: () => performance.now(),
      },
      report,
    );
    this.#repairing = repairing;
    return {
      unrepaired: () => repairing.unrepaired(),
      get comparisons() {
        return repairing.comparisons;
      },
      async [Symbol.asyncDispose]() {
        await repairing[Symbol.asyncDispose]();
        news[Symbol.dispose]();
      },
    };
  }

  #judge(link: Link): { readonly of: 'pod' | 'interface' | 'nobody'; readonly isRight: boolean } {
    const pod = this.#pods.get(link.name);
    if (pod !== undefined) return { of: 'pod', isRight: linkDifferences(pod, link, link.name).length === 0 };
    const isInterface = this.#parts.host.macs.some((mac) => isInterfaceWithMac(link, mac));
    return { of: isInterface ? 'interface' : 'nobody', isRight: true };
  }

  #differences(state: KernelState, thorough: boolean): readonly Difference[] {
    const { marks, host, hostPorts, branches } = this.#parts;
    const { ipv4, ipv6 } = host.nodeAddresses;
    const pods = [...this.#pods.values()];
    const sysctls: Readonly<Record<string, string>> = Object.assign({}, ...pods.map(podSysctls));
    const ofHost = host.differences(state);
    // A table that is put anew has the host ports in it.
    const isTableWhole = !ofHost.some(({ kind }) => kind === 'nft');
    return [
      ...ofHost,
      ...pods.flatMap((pod) => podDifferences(state, marks, pod, { ipv4, ipv6 })),
      ...[...this.#branchPods.values()].flatMap((pod) => branches.differences(state, pod)),
      ...(isTableWhole
        ? hostPorts
            .damageOfAll()
            .map((damage) => ({ ...damage, kind: 'nft' as const, repair: { by: 'table' as const } }))
        : []),
      ...(thorough ? sysctlDifferences(state, sysctls) : []),
    ];
  }

  #mend({ repair }: Difference): void {
    const { kernel, host } = this.#parts;
    switch (repair.by) {
      case 'netlink':
        submit(kernel.route, repair.requests);
        return;
      case 'sysctl':
        kernel.setSysctls(repair.values);
        return;
      case 'table':
        host.replaceTable();
        return;
      case 'nobody':
        return;
    }
  }
}
