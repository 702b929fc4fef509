/** What the cloud's consent to an action does to a ledger: the model by which plans are thought through to their end. */

import { formatIpv4, type Ipv4 } from './address.ts';
import {
  type Ledger,
  withBlocks,
  withInterface,
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
