/**
 * What a restarted daemon believes. Pure: the journal says what was promised, the kernel what is there, the boot id
 * whether the two can be about the same thing. What disagrees is settled by a rule and reported, never guessed.
 */
import type { Attachment, CoolDown, NetworkInterface } from '#warm-pool/model.ts';
import { cidr, contains, ipv4 } from '#warm-pool/address.ts';
import { canonicalIpv6, formatIpv6Prefix, isIpv6Text, parseIpv6 } from '#warm-pool/ipv6.ts';
import { addressesOf } from '#warm-pool/ledger.ts';
import { wholePods } from '../cards/whole-pods.ts';
import type { KernelPod } from '../datapath/datapath.ts';
import type { JournalState, StoredAssignment } from '../store/records.ts';

export interface RecoveryInput {
  readonly journal: JournalState;
  readonly bootId: string;
  readonly kernelPods: readonly KernelPod[];
  readonly interfaces: readonly NetworkInterface[];
  /** Names of the host's links, by which pods that another CNI plumbed are known to run; empty where there are none. */
  readonly links?: ReadonlySet<string>;
  readonly now: number;
  readonly coolDownMs: number;
}

export interface Recovery {
  readonly rebooted: boolean;
  readonly assignments: readonly StoredAssignment[];
  readonly coolDowns: readonly CoolDown[];
  /** Attachments of the journal that are no more; their addresses rest. */
  readonly voided: readonly Voided[];
  /** Links of ours that belong to no attachment: halves of an ADD that a crash interrupted. */
  readonly orphans: readonly KernelPod[];
  readonly findings: readonly Finding[];
}

/** As the journal's `unassign` record has it. */
export interface Voided {
  readonly attachment: Attachment;
  readonly coolDown: CoolDown;
  readonly ipv6CoolDown?: CoolDown;
}

export interface Finding {
  readonly kind:
    | 'attachment-void-after-reboot'
    | 'link-gone'
    | 'adopted-from-kernel'
    | 'orphan-link'
    /** A further interface of a multi-NIC pod whose first one is not there. */
    | 'first-interface-gone'
    /** The kernel routes a second address to the pod that its record does not have; the pod keeps it. */
    | 'second-address-adopted'
    /** The record has a second address that the kernel does not route to the pod; it is still the pod's. */
    | 'second-address-missing';
  readonly address: string;
  readonly key: string;
}

export function recover(input: RecoveryInput): Recovery {
  const { journal, bootId, now, coolDownMs } = input;
  const rebooted = journal.bootId !== undefined && journal.bootId !== bootId;
  const byKey = new Map(input.kernelPods.map((pod) => [pod.key, pod]));
  // Several links may have the same key: none, where a crash came before they were named.
  const unknown = new Set(input.kernelPods);
  const assignments: StoredAssignment[] = [];
  const coolDowns = new Map(stillResting(input, rebooted).map((coolDown) => [coolDown.address, coolDown]));
  const voided: Voided[] = [];
  const findings: Finding[] = [];
  for (const stored of journal.assignments.values()) {
    const key = kernelKey(stored);
    const link = byKey.get(key);
    if (!rebooted && link !== undefined && isItsLink(link, stored)) {
      const { assignment, finding } = withSecond({ ...stored, hostIfName: link.hostIfName }, link, journal);
      assignments.push(assignment);
      if (finding !== undefined) findings.push(finding);
      for (const address of addressesOf(assignment)) coolDowns.delete(address);
      unknown.delete(link);
      continue;
    }
    if (!rebooted && runsWithForeignLink(stored, input.links)) {
      assignments.push(stored);
      continue;
    }
    const rests = restsOf(stored, now + coolDownMs);
    for (const rest of [rests.coolDown, rests.ipv6CoolDown]) if (rest !== undefined) coolDowns.set(rest.address, rest);
    voided.push({ attachment: stored.attachment, ...rests });
    findings.push({ kind: rebooted ? 'attachment-void-after-reboot' : 'link-gone', address: stored.address, key });
  }
  const orphans: KernelPod[] = [];
  const taken = new Set(assignments.flatMap(addressesOf));
  for (const pod of unknown) {
    const adopted = adopt(pod, input, taken);
    findings.push({
      kind: adopted === undefined ? 'orphan-link' : 'adopted-from-kernel',
      address: pod.addresses[0] ?? '',
      key: pod.key,
    });
    if (adopted === undefined) orphans.push(pod);
    else {
      assignments.push(adopted);
      for (const address of addressesOf(adopted)) {
        coolDowns.delete(address);
        taken.add(address);
      }
    }
  }
  const { kept, left } = wholePods(assignments);
  for (const stored of left) {
    const key = kernelKey(stored);
    const rests = restsOf(stored, now + coolDownMs);
    for (const rest of [rests.coolDown, rests.ipv6CoolDown]) if (rest !== undefined) coolDowns.set(rest.address, rest);
    voided.push({ attachment: stored.attachment, ...rests });
    findings.push({ kind: 'first-interface-gone', address: stored.address, key });
    const link = byKey.get(key);
    if (link !== undefined) orphans.push(link);
  }
  return { rebooted, assignments: kept, coolDowns: [...coolDowns.values()], voided, orphans, findings };
}

/** A link that bears the attachment's name and has none but its addresses; routes that somebody took away are put back. */
function isItsLink({ addresses }: KernelPod, stored: StoredAssignment): boolean {
  if (addresses.includes(stored.address)) return true;
  const own = addressesOf(stored);
  return addresses.map(canonicalIpv6).every((address) => own.includes(address));
}

/**
 * Cool-downs that are not over. How long the node was down is not known for certain: what was not over by the last thing
 * known of the boot before rests anew. None lasts longer than a cool-down from now.
 */
function stillResting({ journal, now, coolDownMs }: RecoveryInput, rebooted: boolean): readonly CoolDown[] {
  const latest = now + coolDownMs;
  return [...journal.coolDowns.values()].flatMap(({ address, until }) => {
    if (rebooted) return until > journal.latest ? [{ address, until: latest }] : [];
    return until > now ? [{ address, until: Math.min(until, latest) }] : [];
  });
}

/**
 * A link that names its attachment and routes an address is a pod whose record was lost. That no interface is known to
 * hold the address is no reason to unplug it: what is known may be older than the pod.
 */
function adopt(pod: KernelPod, input: RecoveryInput, taken: ReadonlySet<string>): StoredAssignment | undefined {
  const addresses = pod.addresses.map(canonicalIpv6);
  const ipv6Address = addresses.find(isIpv6Text);
  const address = addresses.find((each) => !isIpv6Text(each)) ?? ipv6Address;
  const slash = pod.key.lastIndexOf('/');
  if (address === undefined || slash < 1 || addresses.some((each) => taken.has(each))) return undefined;
  const { interfaceId, cidr: block } = placeOf(address, input.interfaces);
  return {
    attachment: { networkName: '', containerId: pod.key.slice(0, slash), ifName: pod.key.slice(slash + 1) },
    pod: { namespace: '', name: '', uid: '' },
    address,
    ...(ipv6Address === undefined || ipv6Address === address ? {} : { ipv6Address }),
    interfaceId,
    cidr: block,
    assignedAt: input.now,
    hostIfName: pod.hostIfName,
    netns: '',
    ...(pod.portMappings === undefined ? {} : { portMappings: pod.portMappings }),
  };
}

/**
 * The two addresses of a pod go onto its link one after the other, and its record is written beside that: after a crash
 * the link may have a second address of which the record is lost, or lack one that is promised.
 */
function withSecond(
  stored: StoredAssignment,
  link: KernelPod,
  { assignments }: JournalState,
): { readonly assignment: StoredAssignment; readonly finding?: Finding } {
  const shown = link.addresses.map(canonicalIpv6).find((each) => isIpv6Text(each) && each !== stored.address);
  const { ipv6Address } = stored;
  if (shown === ipv6Address) return { assignment: stored };
  if (ipv6Address !== undefined) {
    return { assignment: stored, finding: { kind: 'second-address-missing', address: ipv6Address, key: link.key } };
  }
  const others = [...assignments.values()].some((other) => shown !== undefined && addressesOf(other).includes(shown));
  if (shown === undefined || others) return { assignment: stored };
  return {
    assignment: { ...stored, ipv6Address: shown },
    finding: { kind: 'second-address-adopted', address: shown, key: link.key },
  };
}

function restsOf({ address, ipv6Address }: StoredAssignment, until: number): Pick<Voided, 'coolDown' | 'ipv6CoolDown'> {
  const coolDown = { address, until };
  return ipv6Address === undefined ? { coolDown } : { coolDown, ipv6CoolDown: { address: ipv6Address, until } };
}

function placeOf(address: string, interfaces: readonly NetworkInterface[]) {
  const ipv6 = parseIpv6(address);
  if (ipv6 !== undefined) {
    const block = formatIpv6Prefix(ipv6);
    const holder = interfaces.find(({ ipv6Prefixes = [] }) => ipv6Prefixes.includes(block));
    return { interfaceId: holder?.id ?? '', cidr: block };
  }
  for (const networkInterface of interfaces) {
    const block = networkInterface.blocks.find((each) => contains(cidr(each.cidr), ipv4(address)));
    if (block !== undefined) return { interfaceId: networkInterface.id, cidr: block.cidr };
  }
  return { interfaceId: '', cidr: `${address}/32` };
}

/** What another CNI plumbed is told by the name of its link alone; where that is not known, the pod is taken to run. */
function runsWithForeignLink({ plumbedBy, hostIfName }: StoredAssignment, links: RecoveryInput['links']): boolean {
  return plumbedBy !== undefined && (hostIfName === '' || links?.has(hostIfName) === true);
}

function kernelKey(stored: StoredAssignment): string {
  return `${stored.attachment.containerId}/${stored.attachment.ifName}`;
}
