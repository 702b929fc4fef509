/**
 * A cloud for tests and thought: it answers the planner's actions at once, as EC2 would on a good day, and knows a bad
 * day of one kind, subnets without a free /28. Pure: each step returns the ledger that follows.
 */

import { formatIpv4, ipv4 } from './address.ts';
import {
  assign,
  type Ledger,
  snapshot,
  unassign,
  withBlocks,
  withInFlight,
  withInterface,
  withoutBlocks,
  withoutInFlight,
  withoutInterface,
  withPhase,
  withSubnetBackOff,
  withSubnets,
} from './ledger.ts';
import type { Action, AddressBlock, Attachment, NetworkInterface, Plan, WarmTargets } from './model.ts';
import { plan } from './plan.ts';

/** A node, the cloud around it, and the pods that wait for an address. */
export interface World {
  readonly ledger: Ledger;
  readonly now: number;
  readonly waiting: readonly Attachment[];
  /** Subnets in which no /28 is free. */
  readonly fragmented: ReadonlySet<string>;
  /** Counts what was ever made, so that no id or address comes twice. */
  readonly made: number;
}

/** How long the daemon leaves a subnet alone after a refusal. */
export const BACK_OFF_MS = 120_000;

const SINGLES = ipv4('10.0.0.0');
const PREFIXES = ipv4('10.128.0.0');

/** Addresses nobody ever had: /32s and /28s come from two halves of 10.0.0.0/8. */
export function freshBlocks(kind: AddressBlock['kind'], count: number, from: number): readonly AddressBlock[] {
  return Array.from({ length: count }, (_, index) => ({
    kind,
    cidr:
      kind === 'prefix'
        ? `${formatIpv4(PREFIXES + 16 * (from + index))}/28`
        : `${formatIpv4(SINGLES + from + index)}/32`,
  }));
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
  const { ledger } = world;
  switch (action.kind) {
    case 'create-interface': {
      if (refuses(world, action.subnetId, action)) return backOff(world, action.subnetId);
      const created = newInterface(world, action);
      const ready = withPhase(withInterface(ledger, created), created.id, 'ready');
      return spend(
        { ...world, ledger: ready, made: world.made + 1 + action.count },
        action.subnetId,
        created.blocks,
        1,
      );
    }
    case 'assign': {
      const host = ledger.interfaces.get(action.interfaceId);
      if (host === undefined) return world;
      const { subnetId } = host.networkInterface;
      if (refuses(world, subnetId, action)) return backOff(world, subnetId);
      const blocks = freshBlocks(action.mode, action.count, world.made);
      const granted = withBlocks(ledger, action.interfaceId, blocks);
      return spend({ ...world, ledger: granted, made: world.made + action.count }, subnetId, blocks, 0);
    }
    case 'release':
      return { ...world, ledger: withoutBlocks(ledger, action.interfaceId, action.cidrs) };
    case 'delete-interface':
      return { ...world, ledger: withoutInterface(ledger, action.interfaceId) };
  }
}

function newInterface(world: World, action: Extract<Action, { kind: 'create-interface' }>): NetworkInterface {
  const id = `eni-${world.made}`;
  return {
    id,
    subnetId: action.subnetId,
    mac: '02:00:00:00:00:01',
    primaryAddress: '10.0.0.4',
    isPrimary: false,
    deviceIndex: action.deviceIndex,
    networkCardIndex: action.networkCardIndex,
    attachmentId: `${id}-attach`,
    phase: 'attaching',
    managed: true,
    since: world.now,
    blocks: freshBlocks(action.mode, action.count, world.made),
  };
}

function refuses(world: World, subnetId: string, action: { readonly mode: AddressBlock['kind'] }): boolean {
  return action.mode === 'prefix' && world.fragmented.has(subnetId);
}

function backOff(world: World, subnetId: string): World {
  return { ...world, ledger: withSubnetBackOff(world.ledger, subnetId, 'prefix', world.now + BACK_OFF_MS) };
}

/** The subnet's count of available addresses is read anew after each grant. */
function spend(world: World, subnetId: string, blocks: readonly AddressBlock[], primaries: number): World {
  const spent = primaries + blocks.reduce((total, block) => total + (block.kind === 'prefix' ? 16 : 1), 0);
  const subnets = [...world.ledger.subnets.values()].map((subnet) =>
    subnet.id === subnetId ? { ...subnet, availableAddresses: subnet.availableAddresses - spent } : subnet,
  );
  return { ...world, ledger: withSubnets(world.ledger, subnets) };
}
