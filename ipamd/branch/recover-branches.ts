/** What a restarted daemon believes of branch pods: the journal says what was promised, the kernel what is there. Pure. */
import type { KernelBranchPod } from '../datapath/datapath.ts';
import type { JournalState, StoredBranch } from '../store/records.ts';
import { isIpv6Text } from '#warm-pool/ipv6.ts';

export interface BranchRecovery {
  readonly kept: readonly StoredBranch[];
  /** Of `kept`, those whose record was lost. */
  readonly adopted: readonly StoredBranch[];
  /** Attachments of the journal that are no more. */
  readonly gone: readonly StoredBranch[];
  /** What is left of them, and of ADDs that a crash interrupted, by the name of the pod's link. */
  readonly remains: readonly string[];
}

/** A pod whose link is there runs, whatever else of it is damaged; one whose link is gone is no more. */
export function recoverBranches(
  { branches, bootId: earlier }: Pick<JournalState, 'branches' | 'bootId'>,
  kernelPods: readonly KernelBranchPod[],
  { bootId, now }: { readonly bootId: string; readonly now: number },
): BranchRecovery {
  const rebooted = earlier !== undefined && earlier !== bootId;
  const running = new Map(kernelPods.filter(({ ifIndex }) => ifIndex !== 0).map((pod) => [pod.key, pod]));
  const kept: StoredBranch[] = [];
  const gone: StoredBranch[] = [];
  for (const stored of branches.values()) {
    const { containerId, ifName } = stored.attachment;
    const link = rebooted ? undefined : running.get(`${containerId}/${ifName}`);
    if (link === undefined) gone.push(stored);
    else kept.push({ ...stored, hostIfName: link.hostIfName });
  }
  const names = new Set(kept.map(({ hostIfName }) => hostIfName));
  const unknown = kernelPods.filter(({ hostIfName }) => !names.has(hostIfName));
  const adopted = unknown.flatMap((pod) => adopt(pod, now) ?? []);
  const adoptedNames = new Set(adopted.map(({ hostIfName }) => hostIfName));
  const remains = new Set([...unknown, ...gone].map(({ hostIfName }) => hostIfName));
  return {
    kept: [...kept, ...adopted],
    adopted,
    gone,
    remains: [...remains].filter((name) => !adoptedNames.has(name)),
  };
}

/** Whole in the kernel, and no record: it runs. Which ENI it is and what subnet it is in is known to nobody here any more. */
function adopt(pod: KernelBranchPod, now: number): StoredBranch | undefined {
  const { key, vlanId, mac, addresses, hostIfName, mode, ifIndex } = pod;
  const slash = key.lastIndexOf('/');
  const ipv6Address = addresses.find(isIpv6Text);
  const address = addresses.find((each) => !isIpv6Text(each)) ?? ipv6Address;
  if (ifIndex === 0 || vlanId === undefined || mac === undefined || address === undefined || slash < 1)
    return undefined;
  return {
    attachment: { networkName: '', containerId: key.slice(0, slash), ifName: key.slice(slash + 1) },
    pod: { namespace: '', name: '', uid: '' },
    address,
    ...(ipv6Address === undefined || ipv6Address === address ? {} : { ipv6Address }),
    interfaceId: '',
    cidr: '',
    assignedAt: now,
    hostIfName,
    netns: '',
    branch: { mac, vlanId, trunkMac: '', mode },
  };
}
