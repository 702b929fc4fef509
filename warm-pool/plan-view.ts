/** The snapshot as the planner reads it: what can host pods, what is on its way, what is already as good as gone. */

import { hostingKindsOf } from './ledger-choice.ts';
import { isAmong } from './ledger-state.ts';
import type {
  Action,
  AllocationMode,
  BlockUse,
  Family,
  InstanceLimits,
  InterfaceUse,
  Ipv6PrefixUse,
  NetworkInterface,
  Snapshot,
  Subnet,
} from './model.ts';
import { type Counts, PREFIX_SIZE } from './plan-targets.ts';

/** A managed interface whose removal is not under way. */
export interface Host {
  readonly networkInterface: NetworkInterface;
  /** Blocks that host pods, and those of the wrong mode; without blocks whose release is under way. */
  readonly usable: readonly BlockUse[];
  readonly foreign: readonly BlockUse[];
  readonly ipv6: readonly Ipv6PrefixUse[];
  /** How the interface comes by the /80 that the node's pods need; `has` on an IPv4 node, which needs none. */
  readonly ipv6Prospect: Ipv6Prospect;
  /** Pods with an address of it. */
  readonly assigned: number;
  /** No pod has any address of it. */
  readonly unused: boolean;
  readonly cooling: number;
  /** Room for further blocks; what is being released takes room until it is gone. */
  readonly room: number;
  readonly growing: boolean;
  readonly releasing: boolean;
  readonly counts: Counts;
}

/**
 * - `has`: it is there; `coming`: a call for it is in flight.
 * - `askable`: it may be asked for, and this very plan does.
 * - `backed-off`: the subnet refused one a while ago; `impossible`: the subnet has no IPv6 CIDR block.
 */
export type Ipv6Prospect = 'has' | 'coming' | 'askable' | 'backed-off' | 'impossible';

export interface View {
  readonly networkCardIndex: number;
  readonly mode: AllocationMode;
  readonly family: Family;
  readonly now: number;
  readonly limits: InstanceLimits;
  /** Blocks that one interface can hold beside its primary address. */
  readonly perInterface: number;
  readonly hosts: readonly Host[];
  /** Interfaces that host no new pod, by their place or for want of IPv6: they count neither for targets nor as room, and go as they empty. */
  readonly excluded: readonly Host[];
  /** Interfaces whose removal began and is nobody's call now: the daemon was stopped in between. */
  readonly interrupted: readonly NetworkInterface[];
  readonly subnets: readonly Subnet[];
  /** In flight, without creates whose interface has arrived. */
  readonly inFlight: readonly Action[];
  /** Ready and here: what a release is judged by. */
  readonly held: Counts;
  /** With what is attaching and in flight: what growth is judged by. */
  readonly expected: Counts;
  /** Addresses in the hands of pods, wherever they lie, and the part of them outside usable blocks. */
  readonly assigned: number;
  readonly assignedElsewhere: number;
  readonly waiting: number;
  /** Waiting pods that the node may still run. */
  readonly demand: number;
  /** Interfaces the instance can still take. */
  readonly interfaceRoom: number;
  /** Device indexes in use on the network card. */
  readonly deviceIndexes: readonly number[];
  /** Room on interfaces whose creation is in flight: it can be filled as soon as they have an id. */
  readonly comingRoom: number;
}

export function viewOf(snapshot: Snapshot, now: number): View {
  const { mode, family = 'ipv4', limits, subnets, waiting, networkCardIndex = 0 } = snapshot;
  const interfaces = snapshot.interfaces.filter((use) => use.networkInterface.networkCardIndex === networkCardIndex);
  const perInterface = Math.max(0, limits.ipv4PerInterface - 1);
  const inFlight = snapshot.inFlight.filter(
    (action) => cardOf(action, snapshot.interfaces) === networkCardIndex && !hasArrived(action, interfaces),
  );
  const bySubnet = new Map(subnets.map((subnet) => [subnet.id, subnet]));
  const kindsIn = (subnetId: string) => hostingKindsOf(family, mode, bySubnet.get(subnetId), now);
  const all = interfaces
    .filter(({ networkInterface }) => stays(networkInterface, inFlight))
    .map((use) => {
      const { subnetId } = use.networkInterface;
      const prospect = family === 'ipv4' ? 'has' : prospectOf(use, bySubnet.get(subnetId), inFlight, now);
      return hostOf(use, kindsIn(subnetId), inFlight, { perInterface, family, prospect, now });
    });
  const hosts = all.filter((host) => !isExcluded(host, family));
  const hosting = hosts.filter(mayHost);
  const creates = inFlight.filter((action) => action.kind === 'create-interface');
  const assigned = sum(interfaces, podsOn);
  return {
    networkCardIndex,
    mode,
    family,
    now,
    limits,
    perInterface,
    hosts,
    excluded: all.filter((host) => isExcluded(host, family)),
    interrupted: interfaces
      .filter((use) => isHalfRemoved(use) && !isDeleted(use.networkInterface, inFlight))
      .map((use) => use.networkInterface),
    subnets,
    inFlight,
    held: addAll(hosting.filter(hostsNow).map((host) => host.counts)),
    expected: addAll([...hosting.map((host) => host.counts), ...comingCounts(inFlight, hosts, kindsIn)]),
    assigned,
    assignedElsewhere: assigned - sum(hosting, (host) => sum(host.usable, (block) => block.assigned)),
    waiting,
    demand: Math.min(waiting, Math.max(0, limits.maxPods - assigned)),
    interfaceRoom: Math.max(0, limits.maxInterfaces - interfaces.length - creates.length),
    deviceIndexes: interfaces.map(({ networkInterface: { deviceIndex } }) => deviceIndex),
    comingRoom: sum(creates, (create) => Math.max(0, perInterface - create.count)),
  };
}

/** The sum of a number over a list. */
export function sum<T>(items: readonly T[], count: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += count(item);
  return total;
}

/** What is left when a block or an interface goes. */
export function less(counts: Counts, gone: Counts): Counts {
  return {
    free: counts.free - gone.free,
    total: counts.total - gone.total,
    freePrefixes: counts.freePrefixes - gone.freePrefixes,
    partialFree: counts.partialFree - gone.partialFree,
  };
}

/** What a block contributes. */
export function countsOf({ block, assigned, cooling, free }: BlockUse): Counts {
  const total = assigned + cooling + free;
  const whole = block.kind === 'prefix' && assigned === 0;
  return { free, total, freePrefixes: whole ? 1 : 0, partialFree: whole ? 0 : free };
}

/** Addresses in one block of a kind. */
export function sizeOf(kind: AllocationMode): number {
  return kind === 'prefix' ? PREFIX_SIZE : 1;
}

/** The lowest device index on the network card that no interface has and no create, in flight or planned, will take. */
export function freeDeviceIndex({ inFlight, deviceIndexes }: View, planned: readonly Action[]): number {
  const coming = [...inFlight, ...planned].flatMap((action) =>
    action.kind === 'create-interface' ? [action.deviceIndex] : [],
  );
  const taken = new Set([...deviceIndexes, ...coming]);
  let index = 0;
  while (taken.has(index)) index += 1;
  return index;
}

/** Whether nobody uses any address of a block and none rests. */
export function isIdle(block: BlockUse): boolean {
  return block.assigned === 0 && block.cooling === 0;
}

/** Whether no pod has any address of an interface. */
function isUnused(use: InterfaceUse): boolean {
  return podsOn(use) === 0 && (use.orphans ?? 0) === 0 && (use.ipv6 ?? []).every(({ assigned }) => assigned === 0);
}

/** Whether the removal of an interface began, by this daemon or the one before, so that it is carried on: no pod is on it. */
export function isHalfRemoved(use: InterfaceUse): boolean {
  const { managed, isPrimary, phase } = use.networkInterface;
  return managed && !isPrimary && phase === 'draining' && isUnused(use);
}

/** Whether a subnet may be asked for a /80. */
export function mayGiveIpv6(subnet: Subnet | undefined, now: number): boolean {
  return subnet?.hasIpv6 !== false && (subnet?.ipv6BackOffUntil ?? 0) <= now;
}

/** Whether new pods can be put on the interface now or soon. */
function mayHost({ ipv6Prospect }: Host): boolean {
  return canFill(ipv6Prospect);
}

function canFill(prospect: Ipv6Prospect): boolean {
  return prospect !== 'backed-off' && prospect !== 'impossible';
}

/** Whether pods can be put on the interface now, so that what it holds is part of `View.held`. */
export function hostsNow({ networkInterface, ipv6Prospect }: Host): boolean {
  return networkInterface.phase === 'ready' && ipv6Prospect === 'has';
}

function isExcluded({ networkInterface, ipv6Prospect }: Host, family: Family): boolean {
  // On an IPv6 node the one interface that hosts pods is chosen apart (plan-ipv6.ts); the others are not in the way.
  return networkInterface.excludedFromPods === true || (family === 'dual' && ipv6Prospect === 'impossible');
}

function podsOn({ blocks, ipv6 }: InterfaceUse): number {
  return sum(blocks, (block) => block.assigned) + sum(ipv6 ?? [], ({ alone }) => alone);
}

function prospectOf(
  { networkInterface, ipv6 = [] }: InterfaceUse,
  subnet: Subnet | undefined,
  inFlight: readonly Action[],
  now: number,
): Ipv6Prospect {
  if (ipv6.length > 0) return 'has';
  const { id } = networkInterface;
  if (inFlight.some((action) => action.kind === 'assign-ipv6-prefix' && action.interfaceId === id)) return 'coming';
  if (subnet?.hasIpv6 === false) return 'impossible';
  return mayGiveIpv6(subnet, now) ? 'askable' : 'backed-off';
}

/** The network card that an action is about; 0 for an interface that is gone. */
function cardOf(action: Action, interfaces: readonly InterfaceUse[]): number {
  if (action.kind === 'create-interface') return action.networkCardIndex;
  const use = interfaces.find(({ networkInterface }) => networkInterface.id === action.interfaceId);
  return use?.networkInterface.networkCardIndex ?? 0;
}

/** The interface of a create is put into the ledger before its call chain is over: it must not be counted twice. */
function hasArrived(action: Action, interfaces: readonly InterfaceUse[]): boolean {
  if (action.kind !== 'create-interface') return false;
  return interfaces.some(
    ({ networkInterface: { deviceIndex, networkCardIndex } }) =>
      deviceIndex === action.deviceIndex && networkCardIndex === action.networkCardIndex,
  );
}

function stays(networkInterface: NetworkInterface, inFlight: readonly Action[]): boolean {
  if (!networkInterface.managed || networkInterface.phase === 'draining') return false;
  return !isDeleted(networkInterface, inFlight);
}

function isDeleted({ id }: NetworkInterface, inFlight: readonly Action[]): boolean {
  return inFlight.some((action) => action.kind === 'delete-interface' && action.interfaceId === id);
}

interface Ground {
  readonly perInterface: number;
  readonly family: Family;
  readonly prospect: Ipv6Prospect;
  readonly now: number;
}

function hostOf(
  use: InterfaceUse,
  kinds: readonly AllocationMode[],
  inFlight: readonly Action[],
  { perInterface, family, prospect, now }: Ground,
): Host {
  const { networkInterface, blocks, ipv6 = [] } = use;
  const mine = inFlight.filter((action) => 'interfaceId' in action && action.interfaceId === networkInterface.id);
  const going = goingBy(mine);
  const coming = sum(mine, (action) => (action.kind === 'assign' ? action.count : 0));
  const { staying, usable, foreign, counts, cooling } = sorted(blocks, kinds, going);
  const assigned = podsOn(use);
  const asksForPrefix = prospect === 'askable' && networkInterface.excludedFromPods !== true;
  const isFull = (networkInterface.fullUntil ?? 0) > now;
  return {
    networkInterface,
    usable,
    foreign,
    ipv6,
    ipv6Prospect: prospect,
    assigned,
    unused: isUnused(use),
    cooling: cooling + sum(ipv6, ({ cooling }) => cooling),
    // A block may leave the ledger before its release is answered; it takes room until then all the same.
    room: canFill(prospect) && !isFull ? Math.max(0, perInterface - staying - going.size - coming) : 0,
    // One that is about to get its /80 is not here yet, and must not be judged as if it were.
    growing: coming > 0 || prospect === 'coming' || (family === 'dual' && asksForPrefix),
    releasing: going.size > 0,
    counts,
  };
}

const NOTHING_GOES: ReadonlySet<string> = new Set();

function goingBy(actions: readonly Action[]): ReadonlySet<string> {
  if (actions.length === 0) return NOTHING_GOES;
  return new Set(actions.flatMap((action) => (action.kind === 'release' ? action.cidrs : [])));
}

/** The blocks of an interface, each looked at once: this runs over every block of the node on every plan. */
function sorted(blocks: readonly BlockUse[], kinds: readonly AllocationMode[], going: ReadonlySet<string>) {
  const usable: BlockUse[] = [];
  const foreign: BlockUse[] = [];
  let cooling = 0;
  for (const use of blocks) {
    cooling += use.cooling;
    if (isAmong(going, use.block.cidr)) continue;
    (kinds.includes(use.block.kind) ? usable : foreign).push(use);
  }
  return { staying: usable.length + foreign.length, usable, foreign, cooling, counts: countsOfAll(usable) };
}

function comingCounts(
  inFlight: readonly Action[],
  hosts: readonly Host[],
  kindsIn: (subnetId: string) => readonly AllocationMode[],
): readonly Counts[] {
  return inFlight.flatMap((action) => {
    if (action.kind !== 'create-interface' && action.kind !== 'assign') return [];
    const subnetId = action.kind === 'create-interface' ? action.subnetId : subnetOf(hosts, action.interfaceId);
    if (subnetId === undefined || !kindsIn(subnetId).includes(action.mode)) return [];
    const free = action.count * sizeOf(action.mode);
    const whole = action.mode === 'prefix';
    return [{ free, total: free, freePrefixes: whole ? action.count : 0, partialFree: whole ? 0 : free }];
  });
}

function subnetOf(hosts: readonly Host[], interfaceId: string): string | undefined {
  return hosts.find((host) => host.networkInterface.id === interfaceId)?.networkInterface.subnetId;
}

function countsOfAll(blocks: readonly BlockUse[]): Counts {
  let [free, total, freePrefixes, partialFree] = [0, 0, 0, 0];
  for (const { block, assigned, cooling, free: own } of blocks) {
    free += own;
    total += assigned + cooling + own;
    if (block.kind === 'prefix' && assigned === 0) freePrefixes += 1;
    else partialFree += own;
  }
  return { free, total, freePrefixes, partialFree };
}

function addAll(all: readonly Counts[]): Counts {
  let [free, total, freePrefixes, partialFree] = [0, 0, 0, 0];
  for (const one of all) {
    free += one.free;
    total += one.total;
    freePrefixes += one.freePrefixes;
    partialFree += one.partialFree;
  }
  return { free, total, freePrefixes, partialFree };
}
