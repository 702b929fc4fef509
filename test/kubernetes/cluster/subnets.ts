/** Subnets of the emulated VPC that are full, and more of them. */
import type { Cluster } from '#test/support/cluster.ts';

/** Addresses of one interface here, its first included. */
const MOST_AT_ONCE = 49;

/** Every address that is free now belongs to interfaces that nobody uses; they are gone when disposed of. */
export function fillSubnets({ cloud: { region }, vpcId }: Cluster): Disposable {
  const stack = new DisposableStack();
  for (const { id } of region.subnets().filter((subnet) => subnet.vpcId === vpcId)) {
    for (let free = freeIn(id); free > 0; free = freeIn(id)) {
      const more = Math.min(MOST_AT_ONCE, free) - 1;
      const { NetworkInterface } = region.execute('CreateNetworkInterface', {
        SubnetId: id,
        ...(more > 0 ? { SecondaryPrivateIpAddressCount: more } : {}),
      });
      const NetworkInterfaceId = NetworkInterface?.NetworkInterfaceId ?? '';
      stack.defer(() => void region.execute('DeleteNetworkInterface', { NetworkInterfaceId }));
    }
  }
  return stack;

  function freeIn(id: string): number {
    return region.subnets().find((subnet) => subnet.id === id)?.availableAddresses ?? 0;
  }
}

let added = 0;

/** A subnet with room in the zone; with the tag that nodes look for where asked. */
export function addSubnet({ cloud: { region }, vpcId }: Cluster, zone: string, isTagged: boolean): string {
  added += 1;
  const { Subnet } = region.execute('CreateSubnet', {
    VpcId: vpcId,
    CidrBlock: `10.0.${128 + added}.0/24`,
    AvailabilityZone: zone,
  });
  const id = Subnet?.SubnetId ?? '';
  if (isTagged) {
    const Tags = [{ Key: 'kubernetes.io/role/cni', Value: '1' }];
    region.execute('CreateTags', { Resources: [id], Tags });
  }
  return id;
}

/** The zones in which the VPC has subnets. */
export function zonesOf({ cloud: { region }, vpcId }: Cluster): readonly string[] {
  const zones = region.subnets().flatMap((subnet) => (subnet.vpcId === vpcId ? [subnet.availabilityZone] : []));
  return [...new Set(zones)];
}
