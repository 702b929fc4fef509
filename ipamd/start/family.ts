/** Which address families the pods of this node get, and whether the node can give them. Pure. */
import type { InstanceTypeDescription } from '#cloud/provider.ts';
import type { Family, Snapshot } from '#warm-pool/model.ts';
import type { Config } from '../config/config.ts';

export type FamilyRefusalCode = 'instance-type-without-prefixes' | 'instance-type-without-ipv6' | 'subnet-without-ipv6';

/** The daemon does not start: what the settings ask for cannot be had on this node. */
export class FamilyRefused extends Error {
  readonly code: FamilyRefusalCode;
  constructor(code: FamilyRefusalCode, message: string) {
    super(message);
    this.name = 'FamilyRefused';
    this.code = code;
  }
}

/** By ENABLE_IPv4 and ENABLE_IPv6; a configuration without either never comes here. */
export function familyOf({ enableIpv4, enableIpv6 }: Pick<Config, 'enableIpv4' | 'enableIpv6'>): Family {
  if (!enableIpv6) return 'ipv4';
  return enableIpv4 ? 'dual' : 'ipv6';
}

/**
 * EC2 gives /80 prefixes to Nitro and bare-metal instances (EC2 user guide, "Prefix delegation"), and IPv6 to types that
 * have it. Throws FamilyRefused.
 */
export function checkInstanceType(family: Family, type: InstanceTypeDescription): void {
  if (family === 'ipv4') return;
  const { instanceType, bareMetal, hypervisor, ipv6Supported } = type;
  if (!bareMetal && hypervisor !== 'nitro') {
    throw new FamilyRefused(
      'instance-type-without-prefixes',
      `ENABLE_IPv6=true needs a Nitro or bare-metal instance type, for only these hold /80 prefixes; ${instanceType} is neither: use another type, or set ENABLE_IPv6=false.`,
    );
  }
  if (!ipv6Supported) {
    throw new FamilyRefused(
      'instance-type-without-ipv6',
      `ENABLE_IPv6=true needs an instance type that has IPv6, and ${instanceType} has none: use another type, or set ENABLE_IPv6=false.`,
    );
  }
}

/** The pool at start has no interface that could give a pod an IPv6 address, though its pods get one. */
export function lacksIpv6Prefix({ family = 'ipv4', interfaces }: Pick<Snapshot, 'family' | 'interfaces'>): boolean {
  if (family === 'ipv4') return false;
  return !interfaces.some(
    ({ networkInterface: { managed, excludedFromPods, ipv6Prefixes = [] } }) =>
      managed && excludedFromPods !== true && ipv6Prefixes.length > 0,
  );
}

/** A node that can never give a pod an address says so at once, rather than pod by pod. Throws FamilyRefused. */
export function checkSubnets(snapshot: Pick<Snapshot, 'family' | 'interfaces' | 'subnets'>): void {
  const { subnets } = snapshot;
  if (!lacksIpv6Prefix(snapshot) || subnets.length === 0 || subnets.some(({ hasIpv6 }) => hasIpv6 !== false)) return;
  const ids = subnets
    .map(({ id }) => id)
    .toSorted()
    .join(', ');
  throw new FamilyRefused(
    'subnet-without-ipv6',
    `ENABLE_IPv6=true needs a subnet with an IPv6 CIDR block, and ${ids} has none: associate one with it (AssociateSubnetCidrBlock), tag a subnet that has one, or set ENABLE_IPv6=false.`,
  );
}
