/** Where a pod's address comes from, and what an address is to this node. */
import { addressState, type AddressState } from '#warm-pool/ledger-address.ts';
import { contains, parseCidr, parseIpv4 } from '#warm-pool/address.ts';
import { addressesOf, type Ledger } from '#warm-pool/ledger.ts';
import type { AddressBlock, NetworkInterface } from '#warm-pool/model.ts';
import { canonicalAddress } from '../datapath/ip.ts';
import type { Pool } from '../pool.ts';
import { podRowOf, type PodRow, type RowSource } from './explain-rows.ts';

export interface PodAnswer extends PodRow {
  readonly kind: 'pod';
  readonly subnetId: string | null;
  readonly block: AddressBlock | null;
  readonly sentences: readonly string[];
  readonly fix: string;
}

export interface AddressAnswer {
  readonly kind: 'address';
  readonly address: string;
  readonly state: AddressState['kind'];
  readonly eni: string | null;
  readonly block: AddressBlock | null;
  readonly pod: PodRow | null;
  /** Until when it rests. */
  readonly until: string | null;
  readonly sentences: readonly string[];
  readonly fix: string;
}

export function explainPod(row: PodRow, { pool }: RowSource, now: number): PodAnswer {
  if (row.vlanId !== null) return explainBranchPod(row, row.vlanId);
  const use = addressState(pool.ledger, row.address, now);
  const place = use.kind === 'assigned' ? use : undefined;
  const routed = row.routeTable === 'main' ? 'the main route table' : `route table ${row.routeTable}, that of its ENI`;
  const sentences = [
    place === undefined
      ? `No ENI of this node holds ${row.address} any more: the pod has lost its address in the cloud and must be recreated.`
      : `Its address is ${fromBlock(place.block)} of ${nameOf(place.networkInterface)} in ${place.networkInterface.subnetId}.`,
    ...secondAddress(row, pool.ledger, now),
    'New pods get an address of the primary ENI first, then of the ENI with most pods, so that the others can be given back.',
    row.plumbedBy === null
      ? `Its host link is ${row.hostIfName}; what it sends beyond this node is routed by ${routed}.`
      : `Its host link is ${row.hostIfName || 'not known'}; ${row.plumbedBy} made it with its routes and rules, which stay until the pod is deleted.`,
  ];
  return {
    kind: 'pod',
    ...row,
    subnetId: place?.networkInterface.subnetId ?? null,
    block: place?.block ?? null,
    sentences,
    fix: place === undefined ? RECREATE : 'Nothing.',
  };
}

/** The VPC resource controller made its ENI; the pool has no part in it. */
function explainBranchPod(row: PodRow, vlanId: number): PodAnswer {
  const addresses = row.ipv6Address === null ? row.address : `${row.address} and ${row.ipv6Address}`;
  // A pod whose record was lost is known from the kernel alone.
  const eni = row.eni === '' ? 'an ENI of its own whose id is not known' : `${row.eni}, an ENI of its own`;
  const sentences = [
    `It has security groups of its own: ${addresses} is of ${eni}, VLAN ${vlanId} on the trunk ENI. It takes no address of the pool.`,
    `Its host link is ${row.hostIfName}; what it sends beyond this node is routed by route table ${row.routeTable}, that of its ENI.`,
    row.enforcingMode === 'strict'
      ? 'Its groups are enforced strictly: everything it sends and receives passes the VPC, also between it and this node.'
      : 'Its groups are enforced for what leaves this node or comes to it.',
  ];
  return { kind: 'pod', ...row, subnetId: null, block: null, sentences, fix: 'Nothing.' };
}

/** On a dual-stack node. */
function secondAddress({ ipv6Address }: PodRow, ledger: Ledger, now: number): readonly string[] {
  if (ipv6Address === null) return [];
  const use = addressState(ledger, ipv6Address, now);
  return use.kind === 'assigned'
    ? [`Its IPv6 address is ${fromBlock(use.block)} of ${nameOf(use.networkInterface)}.`]
    : [
        `No ENI of this node holds its IPv6 address ${ipv6Address} any more: the pod must be recreated to have one again.`,
      ];
}

export function explainAddress(address: string, source: RowSource, now: number): AddressAnswer {
  const use = addressState(source.pool.ledger, address, now);
  const place = 'block' in use ? use : undefined;
  const pod = 'assignment' in use ? podRowOf(use.assignment.attachment, source) : branchPodWith(address, source);
  if (pod !== undefined && pod.vlanId !== null) return branchAddress(address, pod, pod.vlanId);
  const until = 'until' in use ? new Date(use.until).toISOString() : undefined;
  const primaryOf = use.kind === 'primary' ? use.networkInterface : undefined;
  return {
    kind: 'address',
    address,
    state: use.kind,
    eni: place?.networkInterface.id ?? primaryOf?.id ?? null,
    block: place?.block ?? null,
    pod: pod ?? null,
    until: until ?? null,
    sentences: addressSentences(address, use, source.pool),
    fix: addressFix(use),
  };
}

/** In whatever spelling an IPv6 address is asked for. */
function branchPodWith(address: string, source: RowSource): PodRow | undefined {
  const wanted = canonicalAddress(address);
  const stored = [...(source.branches ?? new Map<string, never>()).values()].find((each) =>
    addressesOf(each).some((own) => canonicalAddress(own) === wanted),
  );
  return stored && podRowOf(stored.attachment, source);
}

function branchAddress(address: string, pod: PodRow, vlanId: number): AddressAnswer {
  const eni = pod.eni === '' ? null : pod.eni;
  const sentences = [
    `It is the address of pod ${pod.namespace}/${pod.name}, by an ENI of the pod's own, VLAN ${vlanId} on the trunk ENI; the pool does not know it.`,
  ];
  return {
    kind: 'address',
    address,
    state: 'assigned',
    eni,
    block: null,
    pod,
    until: null,
    sentences,
    fix: 'Nothing.',
  };
}

const RECREATE = 'Delete the pod, so that its owner makes another: `kubectl delete pod`.';

function addressFix({ kind }: AddressState): string {
  if (kind === 'orphaned') return RECREATE;
  return kind === 'unknown' ? 'Ask EC2 who holds it: `aws ec2 describe-network-interfaces`.' : 'Nothing.';
}

function addressSentences(address: string, use: AddressState, pool: Pick<Pool, 'snapshot'>): readonly string[] {
  switch (use.kind) {
    case 'assigned':
      return [
        `It is in use by pod ${podName(use.assignment.pod)} since ${iso(use.assignment.assignedAt)}.`,
        `It is ${fromBlock(use.block)} of ${nameOf(use.networkInterface)}.`,
      ];
    case 'cooling':
      return [
        `It rests until ${iso(use.until)}, because a pod that had it was deleted; IP_COOLDOWN_PERIOD says for how long.`,
        `It is ${fromBlock(use.block)} of ${nameOf(use.networkInterface)}.`,
      ];
    case 'free':
      return [
        'It is free.',
        `It is ${fromBlock(use.block)} of ${nameOf(use.networkInterface)}, which is ${use.networkInterface.phase}.`,
      ];
    case 'primary':
      return [`It is the own address of ${nameOf(use.networkInterface)}; no pod gets it.`];
    case 'orphaned':
      return [
        `Pod ${podName(use.assignment.pod)} has it, but no ENI of this node holds it any more: the pod must be recreated.`,
      ];
    case 'cooling-elsewhere':
      return [`No ENI of this node holds it; should it come back before ${iso(use.until)}, it rests until then.`];
    case 'unknown':
      return [
        'It is unknown here: no ENI of this node holds it, and no pod of this node has it.',
        ...subnetOf(address, pool),
      ];
    default:
      return use satisfies never;
  }
}

function subnetOf(address: string, pool: Pick<Pool, 'snapshot'>): readonly string[] {
  const value = parseIpv4(address);
  const subnet = pool.snapshot().subnets.find(({ cidr }) => {
    const range = parseCidr(cidr);
    return range !== undefined && value !== undefined && contains(range, value);
  });
  return subnet === undefined
    ? []
    : [
        `It lies in ${subnet.id} (${subnet.cidr}): another node may hold it, or nobody; \`aws ec2 describe-network-interfaces\` tells.`,
      ];
}

function fromBlock({ kind, cidr }: AddressBlock): string {
  return kind === 'prefix' ? `out of the prefix ${cidr}` : 'a secondary address';
}

function nameOf({ id, isPrimary, deviceIndex }: NetworkInterface): string {
  return isPrimary ? `the primary ENI ${id}` : `${id} (device ${deviceIndex})`;
}

function podName({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return namespace === '' ? name || '(unnamed)' : `${namespace}/${name}`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
