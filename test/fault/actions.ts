/** What happens to a node, by lot: pods, faults, crashes, and other people in the account. */
import { Ec2Error } from '#cloud/emulator/region.ts';
import { CALM, type Weather } from './cloud.ts';
import type { Dice } from './dice.ts';
import { given, type World } from './world.ts';

type Action = (world: World) => void;

/** How often each comes, relative to the others. */
const WEIGHTS = {
  add: 30,
  addMany: 5,
  del: 22,
  delMany: 2,
  addAgain: 3,
  delAgain: 2,
  hangUp: 6,
  crash: 5,
  stop: 2,
  reboot: 1.5,
  weather: 9,
  diskFull: 2,
  kernelRefuses: 1,
  neighbours: 5,
  takeAddress: 1,
  takeInterface: 0.7,
  foreignInterface: 0.7,
  setClock: 1.5,
  talk: 2,
  wait: 8,
} as const;

export type ActionName = keyof typeof WEIGHTS;

const ACTIONS: Readonly<Record<ActionName, Action>> = {
  add: ({ runtime, dice }) => void runtime.add(dice.pick([60_000, 60_000, 10_000, 1000])),
  addMany: ({ runtime, dice }) => {
    for (let count = dice.int(2, 12); count > 0; count -= 1) runtime.add(60_000);
  },
  del: ({ runtime, dice }) => {
    const running = runtime.in('running');
    if (running.length > 0) void runtime.delete(dice.pick(running), dice.chance(0.15));
  },
  delMany: ({ runtime }) => {
    for (const pod of runtime.in('running')) void runtime.delete(pod);
  },
  addAgain: ({ runtime, dice }) => {
    const running = runtime.in('running');
    if (running.length > 0) void runtime.addAgain(dice.pick(running));
  },
  delAgain: ({ runtime, dice }) => {
    const gone = runtime.in('gone').slice(-5);
    if (gone.length > 0) void runtime.deleteAgain(dice.pick(gone));
  },
  hangUp: ({ runtime, dice }) => {
    const adding = runtime.in('adding');
    if (adding.length > 0) runtime.hangUp(dice.pick(adding));
  },
  crash: (world) => void (world.crashIn = world.dice.int(0, 12)),
  stop: ({ daemon }) => void daemon?.stop(),
  reboot: (world) => {
    world.say(() => 'the node is rebooted');
    if (world.dice.chance(0.5)) world.disk.losePower();
    world.bootsUntil = world.scheduler.now + world.dice.scale(10_000, 60_000);
    world.daemon?.crash('reboot');
    world.reboot();
    world.runtime.reboot();
  },
  weather: (world) => {
    world.cloud.weather = drawWeather(world.dice);
    world.say(() => `weather ${JSON.stringify(world.cloud.weather)}`);
    world.scheduler.after(world.dice.scale(500, 60_000), () => void (world.cloud.weather = CALM));
  },
  diskFull: ({ disk, dice, scheduler }) => {
    disk.room = dice.int(0, 600);

    scheduler.after(dice.scale(100, 20_000), () => void (disk.room = Infinity));
  },
  kernelRefuses: ({ kernel, dice, scheduler }) => {
    kernel.refusal = 0.3;
    scheduler.after(dice.scale(100, 10_000), () => void (kernel.refusal = 0));
  },
  neighbours,
  takeAddress,
  takeInterface,
  foreignInterface,
  setClock: (world) => {
    const by = Math.round((world.dice.chance(0.5) ? 1 : -1) * world.dice.scale(100, 7_200_000));
    world.say(() => `the clock is set by ${by} ms`);
    world.scheduler.wallOffset += by;
  },
  talk: ({ kernel, runtime, dice }) => {
    const gone = runtime.in('gone', 'deleting').slice(-5);
    const address = gone.length > 0 ? dice.pick(gone).address?.split(' ')[0] : undefined;
    if (address !== undefined) kernel.connections.set(address, dice.int(1, 3));
  },
  wait: (world) => void (world.pauseMs = world.dice.scale(1000, 90_000)),
};

export function act(world: World): void {
  const name = world.dice.weighted(WEIGHTS);
  world.say(() => `--- ${name}`);
  ACTIONS[name](world);
}

function drawWeather(dice: Dice): Weather {
  const sometimes = (most: number) => (dice.chance(0.35) ? dice.next() * most : 0);
  return {
    slow: sometimes(0.5),
    throttled: sometimes(0.8),
    denied: dice.chance(0.1) ? 1 : 0,
    fragmented: dice.chance(0.3) ? dice.pick([0.5, 1]) : 0,
    dropped: sometimes(0.4),
    lost: sometimes(0.5),
    staleMs: dice.chance(0.5) ? dice.scale(100, 4000) : 0,
  };
}

/** Other interfaces in the subnets come and go, until a subnet is full. */
function neighbours({ cloud, dice, subnetIds }: World): void {
  const { region } = cloud;
  const others = region.networkInterfaces().filter(({ description }) => description === 'neighbour');
  if (others.length > 0 && dice.chance(0.5)) {
    for (const { id } of others) region.execute('DeleteNetworkInterface', { NetworkInterfaceId: id });
    return;
  }
  const SubnetId = dice.pick(subnetIds);
  const free = given(region.subnets().find(({ id }) => id === SubnetId)).availableAddresses;
  const count = Math.min(49, Math.max(0, free - 1 - dice.pick([0, 0, 1, 3, 20])));
  if (free < 1) return;
  const more = count > 0 ? { SecondaryPrivateIpAddressCount: count } : {};
  region.execute('CreateNetworkInterface', { SubnetId, Description: 'neighbour', ...more });
}

/** Somebody takes an address or a prefix from one of the node's interfaces. */
function takeAddress(world: World): void {
  const { cloud, dice } = world;
  const having = cloud.held.interfaces.filter(
    ({ secondaryAddresses, ipv4Prefixes, ipv6Prefixes }) =>
      secondaryAddresses.length + ipv4Prefixes.length + ipv6Prefixes.length > 0,
  );
  if (having.length === 0) return;
  const { id: NetworkInterfaceId, secondaryAddresses, ipv4Prefixes, ipv6Prefixes } = dice.pick(having);
  const block = dice.pick([...secondaryAddresses, ...ipv4Prefixes, ...ipv6Prefixes]);
  const what = block.includes('/') ? { Ipv4Prefixes: [block] } : { PrivateIpAddresses: [block] };
  note(world, `${block} is taken from ${NetworkInterfaceId}`);
  takeFrom(world, () => {
    if (block.includes(':'))
      cloud.region.execute('UnassignIpv6Addresses', { NetworkInterfaceId, Ipv6Prefixes: [block] });
    else cloud.region.execute('UnassignPrivateIpAddresses', { NetworkInterfaceId, ...what });
  });
}

/** Somebody detaches and deletes one of the node's interfaces. */
function takeInterface(world: World): void {
  const { cloud, dice, identity } = world;
  const secondary = cloud.held.interfaces.filter(({ id }) => id !== identity.primaryInterfaceId);
  if (secondary.length === 0) return;
  const { id, attachment } = dice.pick(secondary);
  note(world, `${id} is detached and deleted`);
  takeFrom(world, () => {
    cloud.region.execute('DetachNetworkInterface', { AttachmentId: given(attachment).attachmentId });
    cloud.region.execute('DeleteNetworkInterface', { NetworkInterfaceId: id });
  });
}

/** Somebody attaches an interface of theirs to the node. */
function foreignInterface(world: World): void {
  const { cloud, dice, subnetIds } = world;
  const { region, instanceId } = cloud;
  const used = new Set(cloud.held.interfaces.map(({ attachment }) => attachment?.deviceIndex));
  const DeviceIndex = dice.chance(0.5) ? dice.int(1, 3) : [1, 2, 3].find((index) => !used.has(index));
  if (DeviceIndex === undefined || used.has(DeviceIndex)) return;
  const tags = dice.chance(0.5) ? [{ Key: 'node.k8s.amazonaws.com/no_manage', Value: 'true' }] : [];
  const TagSpecifications = [{ ResourceType: 'network-interface' as const, Tags: tags }];
  try {
    const created = region.execute('CreateNetworkInterface', {
      SubnetId: dice.pick(subnetIds),
      ...(tags.length > 0 ? { TagSpecifications } : {}),
    });
    const NetworkInterfaceId = given(created.NetworkInterface?.NetworkInterfaceId);
    note(world, `${NetworkInterfaceId}, somebody else's, is attached as device ${DeviceIndex}`);
    region.execute('AttachNetworkInterface', { NetworkInterfaceId, InstanceId: instanceId, DeviceIndex });
  } catch (error) {
    // No address or no slot for it: then it is not there.
    if (!(error instanceof Ec2Error)) throw error;
  }
}

function note(world: World, sentence: string): void {
  world.say(() => sentence);
  world.disturb();
}

/** Runs a change of somebody else's and remembers which addresses of pods the node lost by it. */
function takeFrom(world: World, change: () => void): void {
  const { runtime, cloud, taken } = world;
  const mine = runtime
    .in('running', 'adding', 'deleting', 'failed')
    .flatMap(({ address }) => address?.split(' ') ?? []);
  const before = [...mine, ...heldByDaemon(world)].filter((address) => cloud.holds(address));
  change();
  for (const address of before) if (!cloud.holds(address)) taken.add(address);
}

/** Also what the daemon has given to nobody yet, but may give before it can know. */
function heldByDaemon({ cloud }: World): readonly string[] {
  return cloud.held.interfaces.flatMap(({ secondaryAddresses, ipv4Prefixes, ipv6Prefixes }) => [
    ...secondaryAddresses,
    ...ipv6Prefixes,
    ...ipv4Prefixes.flatMap(addressesIn),
  ]);
}

function addressesIn(prefix: string): readonly string[] {
  const [base = ''] = prefix.split('/');
  const [a, b, c, d] = base.split('.');
  return Array.from({ length: 16 }, (_, index) => `${a}.${b}.${c}.${Number(d) + index}`);
}
