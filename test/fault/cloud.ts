/**
 * The embedded cloud, in process and on virtual time, with its weather: calls take time, are throttled, refused or lost,
 * answers get lost after the effect, Describes are behind. A request that was sent outlives the process that sent it.
 */
import type { Ec2CallName, Ec2Input, Ec2Output, Ec2Send } from '#cloud/aws/ec2-send.ts';
import { abortedError, cloudErrorFrom } from '#cloud/aws/map-errors.ts';
import { CloudError } from '#cloud/errors.ts';
import { Ec2Error, type Region, type VpcState } from '#cloud/emulator/region.ts';
import { viewNetworkInterfaces } from '#cloud/emulator/vpc/views.ts';
import type {
  InstanceIdentity,
  InstanceMetadata,
  MetadataInterface,
  NetworkInterfaceDescription,
  NetworkMetadata,
} from '#cloud/provider.ts';
import { cidr, contains, ipv4 } from '#warm-pool/address.ts';
import { formatIpv6Prefix, parseIpv6 } from '#warm-pool/ipv6.ts';
import type { Dice } from './dice.ts';
import type { Life, Scheduler } from './scheduler.ts';

/** Chances from 0 to 1, times in milliseconds. */
export interface Weather {
  readonly slow: number;
  readonly throttled: number;
  readonly denied: number;
  /** No free /28 is found, although the subnet has free addresses. */
  readonly fragmented: number;
  /** The request never arrives, or its answer is lost. */
  readonly dropped: number;
  readonly lost: number;
  /** Describes may be as old as this. */
  readonly staleMs: number;
}

export const CALM: Weather = { slow: 0, throttled: 0, denied: 0, fragmented: 0, dropped: 0, lost: 0, staleMs: 0 };

/** As in cloud/aws/ec2-client.ts. */
const HTTP_TIMEOUT_MS = 10_000;
/** After the time-out the connection is closed, so what has not arrived by then never does. */
const LATEST_EFFECT_MS = 9900;
/** The same where the process that sent it has ended, and its connections with it. */
const LATEST_ORPHANED_EFFECT_MS = 8000;

export interface CloudWatcher {
  /** After a call of the daemon had its effect, or was refused. */
  called(action: Ec2CallName, input: object, refusal: Ec2Error | undefined): void;
  say(sentence: () => string): void;
}

export interface Held {
  readonly interfaces: readonly NetworkInterfaceDescription[];
  /** Every secondary address and prefix of this node's interfaces. */
  readonly addresses: ReadonlySet<string>;
  readonly prefixes: readonly string[];
}

export class ModelCloud {
  readonly region: Region;
  readonly instanceId: string;
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #watcher: CloudWatcher;
  #past: { readonly at: number; readonly state: VpcState }[] = [];
  #held: { readonly state: VpcState; readonly held: Held } | undefined;
  weather: Weather = CALM;
  /** Sentences about calls whose outcome the daemon could not know. */
  uncertain = 0;

  constructor(region: Region, instanceId: string, scheduler: Scheduler, dice: Dice, watcher: CloudWatcher) {
    this.region = region;
    this.instanceId = instanceId;
    this.#scheduler = scheduler;
    this.#dice = dice;
    this.#watcher = watcher;
    this.#past.push({ at: -Infinity, state: region.state });
    region.onChange(() => this.#remember());
  }

  /** What this node holds in truth. */
  get held(): Held {
    const { state } = this.region;
    if (this.#held?.state === state) return this.#held.held;
    const interfaces = this.region
      .networkInterfaces()
      .filter(({ attachment }) => attachment?.instanceId === this.instanceId);
    const held = {
      interfaces,
      addresses: new Set(interfaces.flatMap((each) => each.secondaryAddresses)),
      prefixes: interfaces.flatMap((each) => each.ipv4Prefixes),
    };
    this.#held = { state, held };
    return held;
  }

  holds(address: string): boolean {
    const { addresses, prefixes, interfaces } = this.held;
    const parsed = parseIpv6(address);
    const prefix = parsed === undefined ? address : formatIpv6Prefix(parsed);
    if (prefix.includes(':')) return interfaces.some((each) => each.ipv6Prefixes.includes(prefix));
    return addresses.has(address) || prefixes.some((prefix) => contains(cidr(prefix), ipv4(address)));
  }

  metadataOf(life: Life, identity: () => InstanceIdentity): InstanceMetadata {
    return { identity: () => this.#metadata(life, identity) };
  }

  /** Behind by as much as Describes are. */
  networkOf(life: Life, { vpcCidrs, securityGroupIds }: InstanceIdentity): NetworkMetadata {
    return {
      macs: () => this.#metadata(life, () => this.#seen().map(({ mac }) => mac)),
      facts: () => this.#metadata(life, () => ({ vpcCidrs, securityGroupIds })),
      interfaces: () => this.#metadata(life, () => this.#seen().map(asMetadata)),
    };
  }

  #seen(): readonly NetworkInterfaceDescription[] {
    const state = this.#stateAgo(this.#dice.next() * this.weather.staleMs);
    return viewNetworkInterfaces(state).filter(({ attachment }) => attachment?.instanceId === this.instanceId);
  }

  #metadata<T>(life: Life, read: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const fails = this.#dice.chance(this.weather.dropped);
      const answer = () => (fails ? reject(new CloudError('unavailable', 'metadata', 'no answer')) : resolve(read()));
      this.#scheduler.after(this.#dice.scale(1, 50), answer, life);
    });
  }

  sendOf(life: Life): Ec2Send {
    return <A extends Ec2CallName>(action: A, input: Ec2Input<A>, { signal }: { signal: AbortSignal | undefined }) =>
      new Promise<Ec2Output<A>>((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(abortedError(action, signal));
          return;
        }
        const end = (settle: () => void) => {
          signal?.removeEventListener('abort', giveUp);
          timeout.cancel();
          if (!life.isOver) settle();
        };
        const giveUp = () => {
          this.uncertain += 1;
          end(() => reject(abortedError(action, signal)));
        };
        signal?.addEventListener('abort', giveUp, { once: true });
        const noAnswer = () => {
          this.uncertain += 1;
          this.#watcher.say(() => `${action}: no answer`);
          end(() => reject(failure(action, { message: 'no answer' })));
        };
        const timeout = this.#scheduler.after(HTTP_TIMEOUT_MS, noAnswer, life);
        const refuse = (code: string, status: number) =>
          this.#scheduler.after(this.#latency(), () =>
            end(() => reject(failure(action, { code, status, message: 'as the weather is' }))),
          );
        const { throttled, denied, dropped, lost, fragmented } = this.weather;
        if (this.#dice.chance(throttled)) refuse('RequestLimitExceeded', 503);
        else if (this.#dice.chance(denied)) refuse('UnauthorizedOperation', 403);
        else if (wantsPrefix(input) && this.#dice.chance(fragmented)) refuse('InsufficientCidrBlocks', 400);
        else if (this.#dice.chance(dropped)) this.#scheduler.after(this.#latency(), noAnswer, life);
        else {
          const isLost = this.#dice.chance(lost);
          // What a process that ends now has sent, and what it has only meant to send.
          const onTheWire = this.#dice.chance(0.5);
          const delay = Math.min(this.#latency(), LATEST_EFFECT_MS);
          this.#scheduler.after(delay, () => {
            if (life.isOver && (!onTheWire || delay > LATEST_ORPHANED_EFFECT_MS)) return;
            const outcome = this.#execute(action, input);
            const answer = () => end(() => ('output' in outcome ? resolve(outcome.output) : reject(outcome.error)));
            this.#scheduler.after(this.#dice.scale(1, 100), isLost ? noAnswer : answer, life);
          });
        }
      });
  }

  #execute<A extends Ec2CallName>(
    action: A,
    input: Ec2Input<A>,
  ): { readonly output: Ec2Output<A> } | { readonly error: CloudError } {
    try {
      const output = action.startsWith('Describe')
        ? this.region.executeOn(this.#stateAgo(this.#dice.next() * this.weather.staleMs), action, input)
        : this.region.execute(action, input);
      this.#watcher.say(() => `${action} ${JSON.stringify(input)}`);
      this.#watcher.called(action, input, undefined);
      return { output: output as unknown as Ec2Output<A> };
    } catch (error) {
      if (!(error instanceof Ec2Error)) throw error;
      this.#watcher.say(() => `${action} ${JSON.stringify(input)} refused: ${error.code} ${error.message}`);
      this.#watcher.called(action, input, error);
      return { error: failure(action, error) };
    }
  }

  #latency(): number {
    if (this.#dice.chance(this.weather.slow)) return this.#dice.scale(1000, 30_000);
    return this.#dice.scale(20, 400);
  }

  #remember(): void {
    const now = this.#scheduler.now;
    this.#past.push({ at: now, state: this.region.state });
    if (this.#past.length > 200) this.#past = this.#past.slice(this.#past.findLastIndex(({ at }) => at < now - 20_000));
  }

  #stateAgo(ms: number): VpcState {
    if (ms === 0) return this.region.state;
    const then = this.#scheduler.now - ms;
    return this.#past.findLast(({ at }) => at <= then)?.state ?? this.region.state;
  }
}

function wantsPrefix(input: object): boolean {
  return 'Ipv4PrefixCount' in input && input.Ipv4PrefixCount !== undefined;
}

function failure(action: string, of: { readonly code?: string; readonly status?: number; readonly message: string }) {
  return cloudErrorFrom(action, { ec2Code: of.code, status: of.status, message: of.message });
}

/** Nothing is asked of subnets and VPC here. */
function asMetadata({ attachment, ...each }: NetworkInterfaceDescription): MetadataInterface {
  const { deviceIndex = 0, networkCardIndex = 0 } = attachment ?? {};
  return { ...each, deviceIndex, networkCardIndex, subnetCidr: '', subnetIpv6Cidrs: [] };
}
