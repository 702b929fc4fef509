/** The snapshot as the planner reads it: what can host pods, what is on its way, what is already as good as gone. */

import { hostingKinds } from './ledger-choice.ts';
import type {
  Action,
  AllocationMode,
  BlockUse,
  InstanceLimits,
  InterfaceUse,
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
  readonly assigned: number;
  readonly cooling: number;
  /** Room for further blocks; what is being released takes room until it is gone. */
  readonly room: number;
  readonly growing: boolean;
  readonly releasing: boolean;
  readonly counts: Counts;
}

export interface View {
  readonly mode: AllocationMode;
  readonly now: number;
  readonly limits: InstanceLimits;
  /** Blocks that one interface can hold beside its primary address. */
  readonly perInterface: number;
  readonly hosts: readonly Host[];
  /** Interfaces that host no new pod: they count neither for targets nor as room, and go as they empty. */
  readonly excluded: readonly Host[];
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
  /** Device indexes in use on network card 0, the one on which interfaces are created. */
  readonly deviceIndexes: readonly number[];
  /** Room on interfaces whose creation is in flight: it can be filled as soon as they have an id. */
  readonly comingRoom: number;
}

export function viewOf(snapshot: Snapshot, now: number): View {
  const { mode, limits, subnets, waiting } = snapshot;
  const perInterface = Math.max(0, limits.ipv4PerInterface - 1);
  const inFlight = snapshot.inFlight.filter((action) => !hasArrived(action, snapshot.interfaces));
  const bySubnet = new Map(subnets.map((subnet) => [subnet.id, subnet]));
  const kindsIn = (subnetId: string) => hostingKinds(mode, bySubnet.get(subnetId), now);
  const all = snapshot.interfaces
    .filter(({ networkInterface }) => stays(networkInterface, inFlight))
    .map((use) => hostOf(use, kindsIn(use.networkInterface.subnetId), inFlight, perInterface));
  const hosts = all.filter((host) => host.networkInterface.excludedFromPods !== true);
  const creates = inFlight.filter((action) => action.kind === 'create-interface');
  const assigned = sum(snapshot.interfaces, (use) => sum(use.blocks, (block) => block.assigned));
  return {
    mode,
    now,
    limits,
    perInterface,
    hosts,
    excluded: all.filter((host) => host.networkInterface.excludedFromPods === true),
    subnets,
    inFlight,
    held: addAll(hosts.filter((host) => host.networkInterface.phase === 'ready').map((host) => host.counts)),
    expected: addAll([...hosts.map((host) => host.counts), ...comingCounts(inFlight, hosts, kindsIn)]),
    assigned,
    assignedElsewhere: assigned - sum(hosts, (host) => sum(host.usable, (block) => block.assigned)),
    waiting,
    demand: Math.min(waiting, Math.max(0, limits.maxPods - assigned)),
    interfaceRoom: Math.max(0, limits.maxInterfaces - snapshot.interfaces.length - creates.length),
    deviceIndexes: snapshot.interfaces.flatMap(({ networkInterface: { networkCardIndex, deviceIndex } }) =>
      networkCardIndex === 0 ? [deviceIndex] : [],
    ),
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

/** Whether nobody uses any address of a block and none rests. */
export function isIdle(block: BlockUse): boolean {
  return block.assigned === 0 && block.cooling === 0;
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
  return !inFlight.some((action) => action.kind === 'delete-interface' && action.interfaceId === networkInterface.id);
}

function hostOf(
  { networkInterface, blocks }: InterfaceUse,
  kinds: readonly AllocationMode[],
  inFlight: readonly Action[],
  perInterface: number,
): Host {
  const mine = inFlight.filter((action) => 'interfaceId' in action && action.interfaceId === networkInterface.id);
  const going = new Set(mine.flatMap((action) => (action.kind === 'release' ? action.cidrs : [])));
  const coming = sum(mine, (action) => (action.kind === 'assign' ? action.count : 0));
  const staying = going.size === 0 ? blocks : blocks.filter(({ block }) => !going.has(block.cidr));
  const usable = staying.filter(({ block }) => kinds.includes(block.kind));
  return {
    networkInterface,
    usable,
    foreign: staying.filter(({ block }) => !kinds.includes(block.kind)),
    assigned: sum(blocks, (block) => block.assigned),
    cooling: sum(blocks, (block) => block.cooling),
    // A block may leave the ledger before its release is answered; it takes room until then all the same.
    room: Math.max(0, perInterface - staying.length - going.size - coming),
    growing: coming > 0,
    releasing: going.size > 0,
    counts: addAll(usable.map(countsOf)),
  };
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

/** A plain loop: this runs over every block of the node on every event. */
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
