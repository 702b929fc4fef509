/** What may change of a node while it runs, as last heard; a restart begins with what the journal has. */
import type { InstanceIdentity, MetadataInterface } from '#cloud/provider.ts';
import type { InterfaceUse } from '#warm-pool/model.ts';

export interface NodeFacts {
  /** Of the primary interface. */
  securityGroupIds: readonly string[];
  vpcCidrs: readonly string[];
}

export function nodeFactsOf({ securityGroupIds, vpcCidrs }: InstanceIdentity): NodeFacts {
  return { securityGroupIds, vpcCidrs };
}

/** Whether two lists hold the same, in whatever order. */
export function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.toSorted().join() === other.toSorted().join();
}

/** Whether metadata lists other interfaces than the pool has, or other addresses on those that it uses. */
export function differs(listed: readonly MetadataInterface[], known: readonly InterfaceUse[]): boolean {
  const ids = known.map(({ networkInterface }) => networkInterface.id);
  if (
    !isSameSet(
      listed.map(({ id }) => id),
      ids,
    )
  )
    return true;
  return known.some(({ networkInterface: { id, managed, blocks, ipv6Prefixes = [] } }) => {
    const said = listed.find((each) => each.id === id);
    if (!managed || said === undefined) return false;
    const addresses = said.secondaryAddresses.map((address) => `${address}/32`);
    const told = [...addresses, ...said.ipv4Prefixes];
    const has = blocks.map(({ cidr }) => cidr);
    return !isSameSet(told, has) || (ipv6Prefixes.length > 0 && !isSameSet(said.ipv6Prefixes, ipv6Prefixes));
  });
}
