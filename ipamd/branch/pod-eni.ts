/**
 * What a pod says of an ENI of its own: it asks by a resource limit, and the VPC resource controller, which makes the ENI,
 * answers by an annotation. Names and fields are those of amazon-vpc-resource-controller-k8s. Pure.
 */
import { Address4, Address6 } from 'ip-address';
import { canonicalIpv6 } from '#warm-pool/ipv6.ts';
import type { Family } from '#warm-pool/model.ts';
import { HIGHEST_VLAN_ID } from '../datapath/branch/numbers.ts';
import { branchTable } from '../datapath/branch/numbers.ts';
import type { ClusterPod } from '../kubernetes/cluster-view.ts';

/** The annotation, and what the names of the resource begin with. */
export const POD_ENI = 'vpc.amazonaws.com/pod-eni';

/** An ENI that the controller has made for a pod. */
export interface PodEni {
  readonly eniId: string;
  readonly mac: string;
  readonly vlanId: number;
  /** Of the node's family or families, IPv4 first. */
  readonly addresses: readonly string[];
  readonly subnetCidr: string | undefined;
}

/** Whether a pod is to have an ENI of its own. */
export function wantsPodEni({ limits }: Pick<ClusterPod, 'limits'>): boolean {
  return limits.some((name) => name.startsWith(POD_ENI));
}

export type PodEniReading =
  | { readonly kind: 'found'; readonly eni: PodEni }
  /** The controller has not answered yet. */
  | { readonly kind: 'absent' }
  /** A sentence that says what is wrong. */
  | { readonly kind: 'malformed'; readonly problem: string };

/** Reads the annotation. A pod may have several ENIs there; the first is its own, as the peer has it. */
export function readPodEni(annotations: Readonly<Record<string, string>>, family: Family): PodEniReading {
  const text = annotations[POD_ENI];
  if (text === undefined || text.trim() === '') return { kind: 'absent' };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return malformed(`is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!Array.isArray(parsed)) return malformed('is no JSON array');
  const first: unknown = parsed[0];
  if (first === undefined) return { kind: 'absent' };
  if (typeof first !== 'object' || first === null)
    return malformed('has something other than an object as its first element');
  return eniOf(first as Readonly<Record<string, unknown>>, family);
}

function malformed(problem: string): PodEniReading {
  return { kind: 'malformed', problem: `the annotation ${POD_ENI} ${problem}` };
}

const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i;

function eniOf(fields: Readonly<Record<string, unknown>>, family: Family): PodEniReading {
  const { eniId, ifAddress, vlanID } = fields;
  const wrong = (key: string, wanted: string): PodEniReading =>
    malformed(`has ${key} ${JSON.stringify(fields[key]) ?? 'left out'}, which must be ${wanted}`);
  if (typeof eniId !== 'string' || !/^eni-[0-9a-z]+$/.test(eniId)) return wrong('eniId', 'an ENI id');
  if (typeof ifAddress !== 'string' || !MAC.test(ifAddress)) return wrong('ifAddress', 'a MAC');
  if (!isVlan(vlanID)) return wrong('vlanID', `a number from 1 to ${HIGHEST_VLAN_ID}`);
  if (KERNEL_TABLES.has(branchTable(vlanID)))
    return wrong('vlanID', `another: its routing table would be ${branchTable(vlanID)}, which is the kernel's own`);
  const addresses: string[] = [];
  let subnetCidr: string | undefined;
  if (family !== 'ipv6') {
    const { privateIp } = fields;
    if (typeof privateIp !== 'string' || !isAddress(privateIp, Address4)) return wrong('privateIp', 'an IPv4 address');
    if (!isCidr(fields['subnetCidr'])) return wrong('subnetCidr', 'an IPv4 CIDR');
    subnetCidr = fields['subnetCidr'];
    addresses.push(privateIp);
  }
  if (family !== 'ipv4') {
    const { ipv6Addr } = fields;
    // The controller gives an address of the second family only where the subnet has one.
    const isMissing = ipv6Addr === undefined || ipv6Addr === '';
    if (!isMissing || family === 'ipv6') {
      if (typeof ipv6Addr !== 'string' || !isAddress(ipv6Addr, Address6)) return wrong('ipv6Addr', 'an IPv6 address');
      addresses.push(canonicalIpv6(ipv6Addr));
    }
  }
  return { kind: 'found', eni: { eniId, mac: ifAddress.toLowerCase(), vlanId: vlanID, addresses, subnetCidr } };
}

/** linux/rtnetlink.h: RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL. */
const KERNEL_TABLES: ReadonlySet<number> = new Set([253, 254, 255]);

function isVlan(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= HIGHEST_VLAN_ID;
}

function isAddress(text: string, family: typeof Address4 | typeof Address6): boolean {
  return !/[/%]/.test(text) && family.isValid(text);
}

function isCidr(value: unknown): value is string {
  return typeof value === 'string' && /\/\d+$/.test(value) && Address4.isValid(value);
}
