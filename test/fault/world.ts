/** One node and everything around it: cloud, kernel, disk, daemon and container runtime, on one virtual clock. */
import { Region } from '#cloud/emulator/region.ts';
import type { Ec2CallName } from '#cloud/aws/ec2-send.ts';
import type { Ec2Error } from '#cloud/emulator/region.ts';
import type { InstanceIdentity } from '#cloud/provider.ts';
import type { Core, CoreOptions, CorePorts } from '#ipamd/core.ts';
import { type CloudWatcher, ModelCloud } from './cloud.ts';
import { DaemonProcess } from './daemon-process.ts';
import { ModelCluster } from './cluster.ts';
import { Dice } from './dice.ts';
import { Disk } from './disk.ts';
import { type KernelWatcher, ModelKernel } from './kernel.ts';
import { Runtime } from './runtime.ts';
import { Scheduler } from './scheduler.ts';
import { drawFamily, drawProvisioning, drawSettings, drawTargets, type Settings } from './settings.ts';

/** An invariant that does not hold, and how it shows. */
export interface Violation {
  readonly invariant: string;
  readonly what: string;
}

/** What a planted bug changes in the composition; see mutants.ts. */
export interface Mutation {
  ports?(ports: CorePorts): CorePorts;
  options?(options: CoreOptions): CoreOptions;
  core?(core: Core): void;
}

export interface WorldOptions {
  readonly seed: number;
  /** Told what happens, in sentences with their time. */
  readonly trace?: ((sentence: string) => void) | undefined;
  readonly mutation?: Mutation | undefined;
}

/** The daemon counts whole milliseconds. */
const ROUNDING_MS = 1;

interface LastUse {
  readonly key: string;
  readonly endedAt: number | undefined;
}

export class World implements KernelWatcher, CloudWatcher {
  readonly dice: Dice;
  readonly scheduler = new Scheduler();
  readonly settings: Settings;
  readonly coolDownMs: number;
  readonly disk: Disk;
  readonly kernel: ModelKernel;
  readonly cloud: ModelCloud;
  readonly runtime: Runtime;
  /** Of nodes with custom networking alone. */
  readonly cluster: ModelCluster | undefined;
  readonly mutation: Mutation;
  readonly identity: InstanceIdentity;
  readonly subnetIds: readonly string[];
  /** Addresses that somebody else took from the node. */
  readonly taken = new Set<string>();
  readonly #trace: ((sentence: string) => void) | undefined;
  readonly #lastUse = new Map<string, LastUse>();
  /** Addresses whose release could not be written before the daemon ended. */
  readonly #unwritten = new Set<string>();
  targets: Readonly<Record<string, string>>;
  daemon: DaemonProcess | undefined;
  boot = 1;
  /** When somebody else last changed what the node holds, or a call's outcome was unknown to the daemon. */
  disturbedAt = -Infinity;
  /** The machine is on its way up until then: no kernel boots faster than a request to EC2 is forgotten. */
  bootsUntil = -Infinity;
  /** The daemon crashes after so many events; 0 for not at all. */
  crashIn = 0;
  /** How long the next step takes, where the action says so. */
  pauseMs: number | undefined;
  /** Some life of the daemon could not change anything in the cloud. */
  wasProvisionedByOthers = false;
  /** No new daemon is started before this is false again. */
  isHalted = false;
  violation: Violation | undefined;
  #ids = 0;
  readonly #familyDice: Dice;
  #family: Readonly<Record<string, string>>;
  #warm: Readonly<Record<string, string>>;
  readonly #provisioningDice: Dice;
  #macs: ReadonlySet<string> = new Set();

  constructor({ seed, trace, mutation }: WorldOptions) {
    this.dice = new Dice(seed);
    this.#trace = trace;
    this.mutation = mutation ?? {};
    this.settings = drawSettings(this.dice, new Dice(~seed));
    this.#familyDice = new Dice(seed ^ 0x1f6);
    this.#family = this.#drawFamily();
    this.#provisioningDice = new Dice(seed ^ 0x9ab1e);
    this.#warm = drawTargets(this.dice);
    this.targets = { ...this.#warm, ...this.#family };
    this.coolDownMs = Number(this.settings.env['IP_COOLDOWN_PERIOD']) * 1000;
    this.disk = new Disk(this.scheduler, this.dice);
    this.kernel = new ModelKernel(this.scheduler, this.dice, this);
    const { region, instanceId, subnetIds } = layOut(this.settings, seed, { now: () => this.scheduler.wallTime });
    this.subnetIds = subnetIds;
    const { eniConfigSubnets } = this.settings;
    const ofPods = subnetIds.slice(subnetIds.length - eniConfigSubnets);
    this.cluster = eniConfigSubnets === 0 ? undefined : new ModelCluster(ofPods, this.scheduler, new Dice(seed ^ 0xec));
    this.cloud = new ModelCloud(region, instanceId, this.scheduler, this.dice, this);
    this.identity = identityOf(region, instanceId);
    this.runtime = new Runtime(this);
    this.say(() => `node ${JSON.stringify(this.settings)} targets ${JSON.stringify(this.targets)}`);
    region.onChange(() => this.plugLinks(2000));
    this.plugLinks(0);
  }

  say(sentence: () => string): void {
    this.#trace?.(`${(this.scheduler.now / 1000).toFixed(3).padStart(9)}  ${sentence()}`);
  }

  get isTraced(): boolean {
    return this.#trace !== undefined;
  }

  /** The first one counts: what follows from it is noise. */
  violate(invariant: string, what: string): void {
    if (this.violation !== undefined) return;
    this.violation = { invariant, what };
    this.say(() => `VIOLATED ${invariant}: ${what}`);
  }

  #drawFamily(): Readonly<Record<string, string>> {
    const isSpecial = this.settings.hasCards || this.settings.eniConfigSubnets > 0;
    return isSpecial || this.#familyDice.chance(0.4) ? {} : drawFamily(this.#familyDice);
  }

  newId(): string {
    this.#ids += 1;
    return `id-${this.#ids}`;
  }

  startDaemon(): void {
    if (this.daemon !== undefined || this.isHalted) return;
    const boots = this.bootsUntil - this.scheduler.now;
    if (boots > 0) {
      this.scheduler.after(boots + this.dice.scale(50, 5000), () => this.startDaemon());
      return;
    }
    if (this.#familyDice.chance(0.1)) this.#family = this.#drawFamily();
    if (this.dice.chance(0.3)) this.#warm = drawTargets(this.dice);
    const provisioning = drawProvisioning(this.#provisioningDice);
    this.wasProvisionedByOthers ||= Object.keys(provisioning).length > 0;
    this.targets = { ...this.#warm, ...this.#family, ...provisioning };
    this.daemon = new DaemonProcess(this);
    void this.daemon.run();
  }

  /** The process is gone; the kubelet starts another one. */
  daemonEnded(): void {
    this.daemon = undefined;
    const { failingSince } = this.disk;
    // A release that a full disk kept from being written is known to nobody after a crash.
    const { now } = this.scheduler;
    for (const [address, { key, endedAt = Infinity }] of this.#lastUse) {
      const isUnwritten = endedAt >= failingSince - 100 && endedAt <= now;
      // Nor is a pod whose ADD was being undone, or will find its link gone: it was never told of its address.
      const isUnheard = endedAt >= now - 100 && !this.#wasTold(key);
      if (isUnwritten || isUnheard) this.#unwritten.add(address);
    }
    this.scheduler.after(this.dice.scale(50, 5000), () => this.startDaemon());
  }

  routed(address: string, key: string): void {
    const last = this.#lastUse.get(address);
    this.#lastUse.set(address, { key, endedAt: undefined });
    const wasUnwritten = this.#unwritten.delete(address);
    this.say(() => `kernel: ${address} is routed to ${key}`);
    if (last === undefined) return;
    if (last.endedAt === undefined) {
      if (last.key !== key) this.violate('unique', `${address} is routed to ${last.key} and to ${key}`);
      return;
    }
    const rested = this.scheduler.now - last.endedAt;
    // A repeated ADD makes the link anew.
    const isAgain = rested === 0 && last.key === key;
    if (rested < this.coolDownMs - ROUNDING_MS && !isAgain && !wasUnwritten)
      this.violate('cool-down', `${address} went from ${last.key} to ${key} after ${Math.round(rested)} ms`);
  }

  #wasTold(key = ''): boolean {
    return this.runtime.pods.get(key.split('/')[0] ?? '')?.address !== undefined;
  }

  unrouted(address: string): void {
    const last = this.#lastUse.get(address);
    if (this.daemon?.isServing !== true && !this.#wasTold(last?.key)) this.#unwritten.add(address);
    this.say(() => `kernel: ${address} is not routed any more`);
    this.#lastUse.set(address, { key: last?.key ?? '', endedAt: this.scheduler.now });
  }

  called(action: Ec2CallName, input: object, refusal: Ec2Error | undefined): void {
    if (action === 'AttachNetworkInterface' && refusal === undefined) this.#checkInterfaceLimit(input);
    if (refusal?.code === 'InternalError')
      this.violate('cloud', `${action} ${JSON.stringify(input)}: ${refusal.message}`);
  }

  /** Whether nothing has happened for a while that the daemon cannot know of. */
  isUndisturbed(forMs: number): boolean {
    return this.scheduler.now - this.disturbedAt > forMs;
  }

  disturb(): void {
    this.disturbedAt = this.scheduler.now;
  }

  #checkInterfaceLimit({ NetworkCardIndex: card = 0 }: { readonly NetworkCardIndex?: number }): void {
    const most = Number(this.settings.env['MAX_ENI'] ?? Infinity);
    const { length } = this.cloud.held.interfaces.filter(({ attachment }) => attachment?.networkCardIndex === card);
    if (length > most && this.isUndisturbed(120_000))
      this.violate('limits', `${length} interfaces are attached to card ${card}, MAX_ENI is ${most}`);
  }

  /** The host sees an attached interface after a while, and a detached one no more. */
  plugLinks(afterMs: number): void {
    const attached = new Set(this.cloud.held.interfaces.map(({ mac }) => mac));
    for (const mac of this.#macs) if (!attached.has(mac)) this.kernel.removeLink(mac);
    for (const mac of attached) {
      if (this.#macs.has(mac)) continue;
      const plug = () => this.#macs.has(mac) && this.kernel.addLink(mac);
      if (afterMs === 0) this.kernel.addLink(mac);
      else this.scheduler.after(this.dice.scale(afterMs / 10, afterMs), plug);
    }
    this.#macs = attached;
  }

  reboot(): void {
    this.boot += 1;
    this.kernel.reboot();
    this.scheduler.bootedAt = this.scheduler.now;
    for (const mac of this.#macs) this.kernel.addLink(mac);
  }
}

function layOut({ instanceType, subnets }: Settings, seed: number, clock: { now(): number }) {
  const region = new Region({ region: 'us-west-2', clock, seed, placement: seed % 2 === 0 ? 'lowest' : 'random' });
  const vpcId = given(
    region.execute('CreateVpc', { CidrBlock: '10.0.0.0/16', AmazonProvidedIpv6CidrBlock: true }).Vpc?.VpcId,
  );
  const subnetIds = subnets.map((size, index) => {
    const input = {
      VpcId: vpcId,
      CidrBlock: `10.0.${index}.0/${size}`,
      AvailabilityZone: 'us-west-2a',
      Ipv6CidrBlock: `2001:db8:0:${index}::/64`,
    };
    const id = given(region.execute('CreateSubnet', input).Subnet?.SubnetId);
    const tags = [{ Key: 'kubernetes.io/role/cni', Value: '1' }];
    if (index > 0) region.execute('CreateTags', { Resources: [id], Tags: tags });
    return id;
  });
  const launched = region.execute('RunInstances', {
    ImageId: 'ami-0123456789abcdef0',
    MinCount: 1,
    MaxCount: 1,
    InstanceType: instanceType as 'm5.large',
    SubnetId: given(subnetIds[0]),
  });
  return { region, subnetIds, instanceId: given(launched.Instances?.[0]?.InstanceId) };
}

function identityOf(region: Region, instanceId: string): InstanceIdentity {
  const instance = given(region.instances().find(({ id }) => id === instanceId));
  const primary = given(region.networkInterfaces().find(({ attachment }) => attachment?.instanceId === instanceId));
  const vpc = given(region.vpcs().find(({ id }) => id === instance.vpcId));
  const subnet = given(region.subnets().find(({ id }) => id === instance.subnetId));
  return {
    instanceId,
    instanceType: instance.instanceType,
    region: region.name,
    availabilityZone: instance.availabilityZone,
    primaryMac: primary.mac,
    primaryInterfaceId: primary.id,
    primaryAddress: primary.primaryAddress,
    subnetId: subnet.id,
    subnetCidr: subnet.cidr,
    vpcId: vpc.id,
    vpcCidrs: vpc.cidrs,
    securityGroupIds: primary.securityGroupIds,
  };
}

/** What must be there for the world to mean anything. */
export function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the world lacks something it was made with');
  return value;
}
