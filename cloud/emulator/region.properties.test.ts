import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Ec2Error } from './region.ts';
import { LAUNCH, makeRegion } from './region.fixture.ts';
import { checkInvariants, summaryOf } from './region.invariants.ts';

const TYPES = ['t3.nano', 't3.small', 'm5.large', 'm4.large', 'p4d.24xlarge'] as const;
const CIDRS = ['10.0.0.0/26', '10.0.1.0/27', '10.0.2.0/25'];

const index = fc.nat(40);
const count = fc.integer({ min: 1, max: 9 });
const amount = fc.record({
  kind: fc.constantFrom('addresses', 'prefixes', 'ipv6', 'ipv6-prefixes', 'named', 'named-prefix', 'none'),
  count,
  at: fc.nat(70),
});
const step = fc.oneof(
  fc.record({
    do: fc.constant('run' as const),
    subnet: index,
    type: fc.constantFrom(...TYPES),
    amount,
    count: fc.integer({ min: 1, max: 3 }),
  }),
  { arbitrary: fc.record({ do: fc.constant('create' as const), subnet: index, amount }), weight: 3 },
  {
    arbitrary: fc.record({
      do: fc.constant('attach' as const),
      eni: index,
      instance: index,
      device: fc.nat(4),
      card: fc.constantFrom(0, 0, 0, 0, 1),
    }),
    weight: 8,
  },
  fc.record({ do: fc.constant('detach' as const), eni: index }),
  fc.record({ do: fc.constant('delete' as const), eni: index }),
  {
    arbitrary: fc.record({ do: fc.constant('assign' as const), eni: index, amount, reassign: fc.boolean() }),
    weight: 4,
  },
  { arbitrary: fc.record({ do: fc.constant('unassign' as const), eni: index, nth: index }), weight: 2 },
  fc.record({ do: fc.constant('terminate' as const), instance: index }),
  fc.record({ do: fc.constant('keep' as const), eni: index, value: fc.boolean() }),
  fc.record({
    do: fc.constant('reserve' as const),
    subnet: index,
    type: fc.constantFrom('prefix' as const, 'explicit' as const),
    block: fc.nat(3),
  }),
);
const steps = fc.array(step, { minLength: 5, maxLength: 80, size: 'max' });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type World = ReturnType<typeof makeWorld>;

function makeWorld(placement: 'lowest' | 'random', seed = 7) {
  const made = makeRegion({ placement, seed });
  const subnets = CIDRS.map((cidr, n) =>
    made.subnet(cidr, { Ipv6CidrBlock: made.ipv6Cidr(n), AvailabilityZone: n === 2 ? 'us-west-2b' : 'us-west-2a' }),
  );
  return { ...made, subnets };
}

const pick = <T>(items: readonly T[], n: number): T | undefined => items[n % Math.max(items.length, 1)];

function wish(world: World, subnetId: string, { kind, count: n, at }: { kind: string; count: number; at: number }) {
  const base = world.region
    .subnets()
    .find((subnet) => subnet.id === subnetId)!
    .cidr.replace(/\.\d+\/\d+$/, '');
  switch (kind) {
    case 'addresses':
      return { SecondaryPrivateIpAddressCount: n };
    case 'prefixes':
      return { Ipv4PrefixCount: n };
    case 'ipv6':
      return { Ipv6AddressCount: n };
    case 'ipv6-prefixes':
      return { Ipv6PrefixCount: n };
    case 'named':
      return { PrivateIpAddresses: [{ PrivateIpAddress: `${base}.${at}`, Primary: false }] };
    case 'named-prefix':
      return { Ipv4Prefixes: [{ Ipv4Prefix: `${base}.${Math.floor(at / 16) * 16}/28` }] };
    default:
      return {};
  }
}

/** Does what the step says to whatever there is to do it to. */
function perform(world: World, given: Step): void {
  const { region } = world;
  const enis = region.networkInterfaces();
  const instances = region.instances();
  switch (given.do) {
    case 'run': {
      const SubnetId = pick(world.subnets, given.subnet)!;
      const NetworkInterfaces = [{ DeviceIndex: 0, SubnetId, ...wish(world, SubnetId, given.amount) }];
      region.execute('RunInstances', { ...LAUNCH, MaxCount: given.count, InstanceType: given.type, NetworkInterfaces });
      return;
    }
    case 'create': {
      const SubnetId = pick(world.subnets, given.subnet)!;
      region.execute('CreateNetworkInterface', { SubnetId, ...wish(world, SubnetId, given.amount) });
      return;
    }
    case 'attach': {
      // Mostly interfaces that can be attached, so that instances fill up.
      const choice = given.eni % 5 === 0 ? enis : enis.filter((one) => one.attachment === undefined);
      const [eni, instance] = [pick(choice, given.eni), pick(instances, given.instance)];
      if (eni !== undefined && instance !== undefined) world.attach(eni.id, instance.id, given.device, given.card);
      return;
    }
    case 'terminate': {
      const instance = pick(instances, given.instance);
      if (instance !== undefined) region.execute('TerminateInstances', { InstanceIds: [instance.id] });
      return;
    }
    case 'reserve': {
      const subnet = pick(region.subnets(), given.subnet)!;
      const Cidr = subnet.cidr.replace(/\d+\/\d+$/, `${given.block * 16}/28`);
      region.execute('CreateSubnetCidrReservation', {
        SubnetId: subnet.id,
        Cidr,
        ReservationType: given.type,
      });
      return;
    }
    case 'assign':
    case 'delete':
    case 'detach':
    case 'keep':
    case 'unassign':
      performOnInterface(world, given);
  }
}

function performOnInterface(
  world: World,
  given: Extract<Step, { readonly eni: number; readonly device?: never }>,
): void {
  const { region } = world;
  const eni = pick(region.networkInterfaces(), given.eni);
  if (eni === undefined) return;
  const NetworkInterfaceId = eni.id;
  switch (given.do) {
    case 'detach':
      if (eni.attachment !== undefined)
        region.execute('DetachNetworkInterface', { AttachmentId: eni.attachment.attachmentId });
      return;
    case 'delete':
      region.execute('DeleteNetworkInterface', { NetworkInterfaceId });
      return;
    case 'keep':
      if (eni.attachment === undefined) return;
      region.execute('ModifyNetworkInterfaceAttribute', {
        NetworkInterfaceId,
        Attachment: { AttachmentId: eni.attachment.attachmentId, DeleteOnTermination: given.value },
      });
      return;
    case 'assign': {
      const { PrivateIpAddresses, Ipv4Prefixes, ...counts } = wish(world, eni.subnetId, given.amount);
      if ('Ipv6AddressCount' in counts || 'Ipv6PrefixCount' in counts) {
        region.execute('AssignIpv6Addresses', { NetworkInterfaceId, ...counts });
        return;
      }
      region.execute('AssignPrivateIpAddresses', {
        NetworkInterfaceId,
        ...counts,
        AllowReassignment: given.reassign,
        PrivateIpAddresses: PrivateIpAddresses?.map((address) => address.PrivateIpAddress),
        Ipv4Prefixes: Ipv4Prefixes?.map((prefix) => prefix.Ipv4Prefix),
      });
      return;
    }
    case 'unassign':
      unassign(world, eni, given.nth);
  }
}

function unassign(world: World, eni: ReturnType<World['region']['networkInterfaces']>[number], nth: number): void {
  const NetworkInterfaceId = eni.id;
  const held = [
    eni.primaryAddress,
    ...eni.secondaryAddresses,
    ...eni.ipv4Prefixes,
    ...eni.ipv6Addresses,
    ...eni.ipv6Prefixes,
  ];
  const what = pick(held, nth)!;
  if (what.includes(':')) {
    const list = what.includes('/') ? { Ipv6Prefixes: [what] } : { Ipv6Addresses: [what] };
    world.region.execute('UnassignIpv6Addresses', { NetworkInterfaceId, ...list });
    return;
  }
  const list = what.includes('/') ? { Ipv4Prefixes: [what] } : { PrivateIpAddresses: [what] };
  world.region.execute('UnassignPrivateIpAddresses', { NetworkInterfaceId, ...list });
}

/** Performs a step; a refusal must leave everything as it was. Answers the refusal's code. */
function attempt(world: World, given: Step): string | undefined {
  const before = world.region.state;
  try {
    perform(world, given);
    return undefined;
  } catch (error) {
    if (!(error instanceof Ec2Error)) throw error;
    expect(world.region.state).toBe(before);
    return error.code;
  }
}

describe('any sequence of actions', () => {
  it.each(['lowest', 'random'] as const)('keeps the rules of a VPC (%s placement)', (placement) => {
    fc.assert(
      fc.property(steps, (given) => {
        const world = makeWorld(placement);
        for (const one of given) {
          attempt(world, one);
          checkInvariants(world.region);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('are generated so that they reach the corners', () => {
    const refusals = fc.sample(steps, { seed: 1, numRuns: 100 }).flatMap((given) => {
      const world = makeWorld('lowest');
      return given.map((one) => attempt(world, one));
    });
    expect([...new Set(refusals)]).toEqual(
      expect.arrayContaining([
        undefined,
        'AttachmentLimitExceeded',
        'InsufficientFreeAddressesInSubnet',
        'InsufficientCidrBlocks',
        'PrivateIpAddressLimitExceeded',
        'InvalidIPAddress.InUse',
        'InvalidNetworkInterface.InUse',
        'OperationNotPermitted',
        'UnsupportedOperation',
      ]),
    );
  });

  it('gives every address back in the end', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const world = makeWorld('random');
        const free = world.subnets.map(world.available);
        for (const one of given) attempt(world, one);
        for (const instance of world.region.instances()) {
          world.region.execute('TerminateInstances', { InstanceIds: [instance.id] });
        }
        for (const eni of world.region.networkInterfaces()) {
          world.region.execute('DeleteNetworkInterface', { NetworkInterfaceId: eni.id });
        }
        expect(world.subnets.map(world.available)).toEqual(free);
        for (const SubnetId of world.subnets) world.region.execute('DeleteSubnet', { SubnetId });
        world.region.execute('DeleteVpc', { VpcId: world.vpcId });
        expect(world.region.vpcs()).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it('comes out the same for the same seed', () => {
    fc.assert(
      fc.property(steps, fc.integer(), (given, seed) => {
        const [one, other] = [makeWorld('random', seed), makeWorld('random', seed)];
        for (const each of given) expect(attempt(one, each)).toBe(attempt(other, each));
        expect(summaryOf(one.region)).toEqual(summaryOf(other.region));
      }),
      { numRuns: 20 },
    );
  });

  it('leaves older states as they were', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const world = makeWorld('lowest');
        const then = world.region.state;
        const before = world.region.executeOn(then, 'DescribeSubnets', {});
        for (const one of given) attempt(world, one);
        expect(world.region.executeOn(then, 'DescribeSubnets', {})).toEqual(before);
        expect(world.region.executeOn(then, 'DescribeNetworkInterfaces', {}).NetworkInterfaces).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });
});
