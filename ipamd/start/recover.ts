/**
 * What a restarted daemon believes. Pure: the journal says what was promised, the kernel what is there, the boot id
 * whether the two can be about the same thing. What disagrees is settled by a rule and reported, never guessed.
 */
import type { CoolDown, NetworkInterface } from '#warm-pool/model.ts';
import { cidr, contains, ipv4 } from '#warm-pool/address.ts';
import type { KernelPod } from '../datapath/datapath.ts';
import type { JournalState, StoredAssignment } from '../store/records.ts';

export interface RecoveryInput {
  readonly journal: JournalState;
  readonly bootId: string;
  readonly kernelPods: readonly KernelPod[];
  readonly interfaces: readonly NetworkInterface[];
  readonly now: number;
  readonly coolDownMs: number;
}

export interface Recovery {
  readonly rebooted: boolean;
  readonly assignments: readonly StoredAssignment[];
  readonly coolDowns: readonly CoolDown[];
  /** Links of ours that belong to no attachment: halves of an ADD that a crash interrupted. */
  readonly orphans: readonly KernelPod[];
  readonly findings: readonly Finding[];
}

export interface Finding {
  readonly kind: 'attachment-void-after-reboot' | 'link-gone' | 'adopted-from-kernel' | 'orphan-link';
  readonly address: string;
  readonly key: string;
}

export function recover(input: RecoveryInput): Recovery {
  const { journal, bootId, now, coolDownMs } = input;
  const rebooted = journal.bootId !== undefined && journal.bootId !== bootId;
  const byKey = new Map(input.kernelPods.map((pod) => [pod.key, pod]));
  const assignments: StoredAssignment[] = [];
  const coolDowns = new Map([...journal.coolDowns].filter(([, coolDown]) => coolDown.until > now));
  const findings: Finding[] = [];
  for (const stored of journal.assignments.values()) {
    const key = kernelKey(stored);
    const link = byKey.get(key);
    if (!rebooted && link?.addresses.includes(stored.address)) {
      assignments.push({ ...stored, hostIfName: link.hostIfName });
      byKey.delete(key);
      continue;
    }
    coolDowns.set(stored.address, { address: stored.address, until: now + coolDownMs });
    findings.push({ kind: rebooted ? 'attachment-void-after-reboot' : 'link-gone', address: stored.address, key });
  }
  const orphans: KernelPod[] = [];
  const taken = new Set(assignments.map(({ address }) => address));
  for (const pod of byKey.values()) {
    const adopted = adopt(pod, input, taken);
    findings.push({
      kind: adopted === undefined ? 'orphan-link' : 'adopted-from-kernel',
      address: pod.addresses[0] ?? '',
      key: pod.key,
    });
    if (adopted === undefined) orphans.push(pod);
    else {
      assignments.push(adopted);
      coolDowns.delete(adopted.address);
      taken.add(adopted.address);
    }
  }
  return { rebooted, assignments, coolDowns: [...coolDowns.values()], orphans, findings };
}

/**
 * A link that names its attachment and routes an address is a pod whose record was lost. That no interface is known to
 * hold the address is no reason to unplug it: what is known may be older than the pod.
 */
function adopt(pod: KernelPod, input: RecoveryInput, taken: ReadonlySet<string>): StoredAssignment | undefined {
  const [address] = pod.addresses;
  const slash = pod.key.lastIndexOf('/');
  if (address === undefined || slash < 1 || taken.has(address)) return undefined;
  const { interfaceId, cidr: block } = placeOf(address, input.interfaces);
  return {
    attachment: { networkName: '', containerId: pod.key.slice(0, slash), ifName: pod.key.slice(slash + 1) },
    pod: { namespace: '', name: '', uid: '' },
    address,
    interfaceId,
    cidr: block,
    assignedAt: input.now,
    hostIfName: pod.hostIfName,
    netns: '',
  };
}

function placeOf(address: string, interfaces: readonly NetworkInterface[]) {
  for (const networkInterface of interfaces) {
    const block = networkInterface.blocks.find((each) => contains(cidr(each.cidr), ipv4(address)));
    if (block !== undefined) return { interfaceId: networkInterface.id, cidr: block.cidr };
  }
  return { interfaceId: '', cidr: `${address}/32` };
}

function kernelKey(stored: StoredAssignment): string {
  return `${stored.attachment.containerId}/${stored.attachment.ifName}`;
}
