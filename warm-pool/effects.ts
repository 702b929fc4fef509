/** What the cloud's consent to an action does to a ledger: the model by which plans are thought through to their end. */

import { formatIpv4, type Ipv4 } from './address.ts';
import { formatIpv6Prefix } from './ipv6.ts';
import {
  type Ledger,
  withBlocks,
  withInterface,
  withIpv6Prefixes,
  withoutBlocks,
  withoutInterface,
  withPhase,
  withSubnets,
} from './ledger.ts';
import type { Action, AddressBlock, AllocationMode } from './model.ts';

/** What the cloud gives for one action that grows the pool. */
export interface Grant {
  /** Id and primary address of the interface, where one is created. */
  readonly interfaceId: string;
  readonly primaryAddress: string;
  /** What is given for the action's `count`. */
  readonly blocks: readonly AddressBlock[];
  /** The /80 that is given where the action asks for one. */
  readonly ipv6Prefix?: string;
  readonly at: number;
}

/** Where addresses that nobody ever had are counted from: /32s and /28s each from a base of their own. */
export interface AddressSpace {
  readonly singles: Ipv4;
  readonly prefixes: Ipv4;
}

/** `count` blocks of a kind, the first of them the one numbered `from`. */
export function blocksIn(
  space: AddressSpace,
  kind: AllocationMode,
  count: number,
  from: number,
): readonly AddressBlock[] {
  return Array.from({ length: count }, (_, index) => ({
    kind,
    cidr:
      kind === 'prefix'
        ? `${formatIpv4(space.prefixes + 16 * (from + index))}/28`
        : `${formatIpv4(space.singles + from + index)}/32`,
  }));
}

/** The /80 of a number, in a network of 64 bits of which nobody has another; at most 2^16 of them. */
export function ipv6PrefixIn(network: string, number: number): string {
  return formatIpv6Prefix({ network: `${network}:${(number % 2 ** 16).toString(16)}` });
}

/**
 * The ledger once the cloud has done what an action asks, in full and at once: a new interface is ready, and the count of
 * its subnet's available addresses is lower. What is given back is not added to that count: EC2 says so only when asked.
 * An `assign` to an interface that is gone changes nothing.
 */
export function withEffect(ledger: Ledger, action: Action, grant: Grant): Ledger {
  switch (action.kind) {
    case 'create-interface': {
      const { subnetId, deviceIndex, networkCardIndex } = action;
      const created = withInterface(ledger, {
        id: grant.interfaceId,
        subnetId,
        mac: '02:00:00:00:00:01',
        primaryAddress: grant.primaryAddress,
        isPrimary: false,
        deviceIndex,
        networkCardIndex,
        attachmentId: `${grant.interfaceId}-attach`,
        phase: 'attaching',
        managed: true,
        since: grant.at,
        blocks: grant.blocks,
        ...((action.ipv6PrefixCount ?? 0) > 0 && grant.ipv6Prefix !== undefined
          ? { ipv6Prefixes: [grant.ipv6Prefix] }
          : {}),
      });
      return spend(withPhase(created, grant.interfaceId, 'ready'), subnetId, grant.blocks, 1);
    }
    case 'assign': {
      const host = ledger.interfaces.get(action.interfaceId);
      if (host === undefined) return ledger;
      return spend(
        withBlocks(ledger, action.interfaceId, grant.blocks),
        host.networkInterface.subnetId,
        grant.blocks,
        0,
      );
    }
    case 'assign-ipv6-prefix':
      return grant.ipv6Prefix === undefined ? ledger : withIpv6Prefixes(ledger, action.interfaceId, [grant.ipv6Prefix]);
    case 'release':
      return withoutBlocks(ledger, action.interfaceId, action.cidrs);
    case 'delete-interface':
      return withoutInterface(ledger, action.interfaceId);
    default:
      return action satisfies never;
  }
}

function spend(ledger: Ledger, subnetId: string, blocks: readonly AddressBlock[], primaries: number): Ledger {
  const spent = primaries + blocks.reduce((total, block) => total + (block.kind === 'prefix' ? 16 : 1), 0);
  const subnets = [...ledger.subnets.values()].map((subnet) =>
    subnet.id === subnetId ? { ...subnet, availableAddresses: subnet.availableAddresses - spent } : subnet,
  );
  return withSubnets(ledger, subnets);
}
