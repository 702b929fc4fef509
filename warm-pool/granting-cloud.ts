/**
 * A cloud for tests and thought: it answers the planner's actions at once, as EC2 would on a good day, and knows a bad
 * day of one kind, subnets without a free /28. Pure: each step returns the ledger that follows.
 */

import { ipv4 } from './address.ts';
import { type AddressSpace, blocksIn, ipv6PrefixIn, withEffect } from './effects.ts';
import { assign, type Ledger, snapshot, unassign, withInFlight, withoutInFlight, withSubnetBackOff } from './ledger.ts';
import type { Action, AddressBlock, Attachment, Plan, WarmTargets } from './model.ts';
import { plan } from './plan.ts';

/** A node, the cloud around it, and the pods that wait for an address. */
export interface World {
  readonly ledger: Ledger;
  readonly now: number;
  readonly waiting: readonly Attachment[];
  /** Subnets in which no /28 is free. */
  readonly fragmented: ReadonlySet<string>;
  /** Subnets that refuse a /80, though they seem to have an IPv6 CIDR block. */
  readonly refusingIpv6?: ReadonlySet<string>;
  /** Counts what was ever made, so that no id or address comes twice. */
  readonly made: number;
}

/** How long the daemon leaves a subnet alone after a refusal. */
export const BACK_OFF_MS = 120_000;

const SPACE: AddressSpace = { singles: ipv4('10.0.0.0'), prefixes: ipv4('10.128.0.0') };

/** Addresses nobody ever had: /32s and /28s come from two halves of 10.0.0.0/8. */
export function freshBlocks(kind: AddressBlock['kind'], count: number, from: number): readonly AddressBlock[] {
  return blocksIn(SPACE, kind, count, from);
}

export function planOf(world: World, targets: WarmTargets): Plan {
  return plan(snapshotOf(world), targets, world.now);
}

export function snapshotOf({ ledger, waiting, now }: World) {
  return snapshot(ledger, { waiting: waiting.length, now, cloudBackOffUntil: 0 });
}

/** The calls of a plan are sent. */
export function send(world: World, actions: readonly Action[]): World {
  return actions.reduce(
    (next, action) => ({
      ...next,
      made: next.made + 1,
      ledger: withInFlight(next.ledger, `call-${next.made}`, action),
    }),
    world,
  );
}

/** One call is answered, and pods that wait are served. */
export function answer(world: World, actionId: string): World {
  const action = world.ledger.inFlight.get(actionId);
  if (action === undefined) return world;
  const after = effect({ ...world, ledger: withoutInFlight(world.ledger, actionId) }, action);
  return serve(after);
}

/** Every call in flight is answered, in the order in which they were sent. */
export function answerAll(world: World): World {
  return [...world.ledger.inFlight.keys()].reduce(answer, world);
}

/** Time goes by. */
export function at(world: World, now: number): World {
  return serve({ ...world, now: Math.max(world.now, now) });
}

/** A pod comes; it waits where nothing is free. */
export function addPod(world: World, attachment: Attachment): World {
  const others = world.waiting.filter((one) => one.containerId !== attachment.containerId);
  return serve({ ...world, waiting: [...others, attachment] });
}

/** A pod goes, whether it waits or runs. */
export function deletePod(world: World, attachment: Attachment): World {
  const waiting = world.waiting.filter((one) => one.containerId !== attachment.containerId);
  const released = unassign(world.ledger, attachment, world.now);
  return serve({ ...world, waiting, ledger: released.kind === 'released' ? released.ledger : world.ledger });
}

function serve(world: World): World {
  let { ledger } = world;
  const waiting = world.waiting.filter((attachment) => {
    const pod = { namespace: 'default', name: attachment.containerId, uid: attachment.containerId };
    const result = assign(ledger, { attachment, pod }, world.now);
    if (result.kind === 'assigned') ledger = result.ledger;
    return result.kind === 'refused';
  });
  return { ...world, ledger, waiting };
}

function effect(world: World, action: Action): World {
  if (action.kind === 'release' || action.kind === 'delete-interface') return granted(world, action, []);
  if (action.kind === 'assign-ipv6-prefix') {
    const { subnetId = '' } = world.ledger.interfaces.get(action.interfaceId)?.networkInterface ?? {};
    return refusesIpv6(world, subnetId) ? backOff(world, subnetId, 'ipv6') : granted(world, action, []);
  }
  const subnetId =
    action.kind === 'create-interface'
      ? action.subnetId
      : world.ledger.interfaces.get(action.interfaceId)?.networkInterface.subnetId;
  if (subnetId === undefined) return world;
  if (action.mode === 'prefix' && action.count > 0 && world.fragmented.has(subnetId))
    return backOff(world, subnetId, 'prefix');
  if (action.kind === 'create-interface' && action.ipv6PrefixCount === 1 && refusesIpv6(world, subnetId))
    return backOff(world, subnetId, 'ipv6');
  return granted(world, action, freshBlocks(action.mode, action.count, world.made));
}

function granted(world: World, action: Action, blocks: readonly AddressBlock[]): World {
  const { ledger, made, now } = world;
  const ipv6Prefix = ipv6PrefixIn('2001:db8:0:0', made);
  const grant = { interfaceId: `eni-${made}`, primaryAddress: '172.31.0.4', blocks, ipv6Prefix, at: now };
  return { ...world, ledger: withEffect(ledger, action, grant), made: made + blocks.length + 1 };
}

function refusesIpv6({ ledger, refusingIpv6 }: World, subnetId: string): boolean {
  return ledger.subnets.get(subnetId)?.hasIpv6 === false || (refusingIpv6?.has(subnetId) ?? false);
}

function backOff(world: World, subnetId: string, what: 'prefix' | 'ipv6'): World {
  return { ...world, ledger: withSubnetBackOff(world.ledger, subnetId, what, world.now + BACK_OFF_MS) };
}
