/**
 * Sees what changes of this node while it runs, without polling EC2. Three things make it look:
 * - a link that could be an ENI came or went (netlink): metadata tells whether it is one, and then EC2 is asked once;
 * - the metadata interval: security groups and VPC CIDRs, and the list of MACs for what netlink did not tell;
 * - the reconcile interval: one Describe of all attached interfaces, the only thing that shows an address that somebody
 *   unassigned by hand.
 */
import type { Clock, Timer } from '#cloud/decorate/clock.ts';
import type { NetworkInterfaceDescription, NetworkMetadata } from '#cloud/provider.ts';
import { errorFields } from '../observe/log.ts';
import { differs, isSameSet, type NodeFacts } from '../placement/node-facts.ts';
import { describeAttached } from '../start/discover.ts';
import { adopt } from './adopt.ts';
import { OWN_WRITE_OUTRANKS_MS } from '../store/own-writes.ts';
import type { ExecuteContext } from './context.ts';

/** Several links come at once, and an attachment of ours is answered at about the same time. */
const LINK_PAUSE_MS = 500;
/** Metadata may be behind the link by some seconds. */
const LINK_LOOKS = 3;
const RETRY_MS = 5000;
const LONGEST_RETRY_MS = 600_000;

export interface NodeWatchOptions {
  readonly context: ExecuteContext;
  readonly facts: NodeFacts;
  /** Undefined where there is no metadata service to ask. */
  readonly network: NetworkMetadata | undefined;
  readonly metadataIntervalMs: number;
  readonly reconcileIntervalMs: number;
  /** On a node that asks for nothing, addresses come from others: metadata is compared with the pool in full. */
  readonly compareByMetadata: boolean;
  /** 0 to 1; keeps nodes that started together from looking together. */
  readonly random: () => number;
  /** Called when the CIDRs of the VPC changed. */
  readonly onVpcCidrs: (vpcCidrs: readonly string[]) => Promise<void>;
  /** What must survive a restart, before anything else is done with it. */
  readonly store: (facts: NodeFacts) => Promise<void>;
  /** Sets what attached interfaces lack; false where that must be tried again. */
  readonly follow: (attached: readonly NetworkInterfaceDescription[], signal: AbortSignal) => Promise<boolean>;
}

export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #stop = new AbortController();
  readonly #timers = new Map<string, Timer>();
  /** One look at a time. */
  #looks: Promise<void> = Promise.resolve();
  readonly #links: AsyncDisposable | undefined;
  /** How often metadata did not know the MAC of a link that is none of the pool's. */
  #strangers: ReadonlyMap<string, number> = new Map();
  /** How often EC2 was asked about an interface whose link is gone. */
  #missing: ReadonlyMap<string, number> = new Map();
  #retry = RETRY_MS;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
    const { datapath } = options.context;
    this.#links = datapath.watchLinks?.(() => this.#linksChanged());
    if (this.#links !== undefined) this.#in('links', 0, () => this.#firstLook());
    this.#every('metadata', options.network === undefined ? 0 : options.metadataIntervalMs, () => this.#readFacts());
    this.#every('reconcile', options.compareByMetadata ? 0 : options.reconcileIntervalMs, () =>
      this.#compare('reconcile'),
    );
  }

  /** Looks at the security groups and tags of all interfaces soon, because they should be others. */
  compareSoon(cause: string): void {
    this.#in(`compare-${cause}`, 0, () => this.#compare(cause));
  }

  #every(name: string, intervalMs: number, look: () => Promise<void>): void {
    if (intervalMs === 0) return;
    this.#in(name, intervalMs * (0.9 + 0.2 * this.#options.random()), async () => {
      await look().finally(() => this.#every(name, intervalMs, look));
    });
  }

  /** A look of one name is due once at most. What fails is logged and left to the next one. */
  #in(name: string, delayMs: number, look: () => Promise<void>): void {
    if (this.#stop.signal.aborted || this.#timers.has(name)) return;
    const { clock, log } = this.#options.context;
    const timer = (clock satisfies Clock).after(delayMs, () => {
      this.#timers.delete(name);
      this.#looks = this.#looks.then(look).catch((error: unknown) => {
        if (!this.#stop.signal.aborted) log.warn({ look: name, ...errorFields(error) }, 'a look at this node failed');
      });
    });
    this.#timers.set(name, timer);
  }

  /** EC2 has just said what is attached: a link that is none of that is not worth asking metadata about at every start. */
  async #firstLook(): Promise<void> {
    const present = (await this.#options.context.datapath.listLinks?.()) ?? [];
    const known = this.#knownMacs();
    this.#strangers = new Map(present.filter((mac) => !known.has(mac)).map((mac) => [mac, LINK_LOOKS]));
    await this.#judgeLinks();
  }

  #linksChanged(): void {
    this.#in('links', LINK_PAUSE_MS, () => this.#judgeLinks());
  }

  async #judgeLinks(): Promise<void> {
    const { context } = this.#options;
    const present = await context.datapath.listLinks?.();
    if (present === undefined) return;
    const interfaces = context.pool.snapshot().interfaces.map(({ networkInterface }) => networkInterface);
    const known = this.#knownMacs();
    const here = new Set(present);
    const gone = interfaces.filter(({ mac, phase, managed }) => managed && phase === 'ready' && !here.has(mac));
    const news = gone.filter(({ mac }) => (this.#missing.get(mac) ?? 0) < LINK_LOOKS);
    this.#missing = new Map(gone.map(({ mac }) => [mac, (this.#missing.get(mac) ?? 0) + 1]));
    if (news.length > 0) {
      context.log.warn({ enis: news.map(({ id }) => id) }, 'the link of an interface is gone; asking EC2 about it');
      await this.#compare('link-gone');
      // The answer may be behind, or be overruled by what we told EC2 ourselves a moment ago.
      this.#in('links-again', OWN_WRITE_OUTRANKS_MS + RETRY_MS, () => this.#judgeLinks());
    }
    this.#strangers = new Map([...this.#strangers].filter(([mac]) => here.has(mac)));
    const strangers = present.filter((mac) => !known.has(mac) && (this.#strangers.get(mac) ?? 0) < LINK_LOOKS);
    if (strangers.length > 0) await this.#judgeStrangers(strangers);
  }

  /** Links of other programs are common; only what metadata lists is worth a call. */
  async #judgeStrangers(macs: readonly string[]): Promise<void> {
    const { network, context } = this.#options;
    // One of ours may be on its way: its MAC is known when it is answered.
    if ([...context.pool.ledger.inFlight.values()].some(({ kind }) => kind === 'create-interface')) {
      this.#in('links', LINK_PAUSE_MS, () => this.#judgeLinks());
      return;
    }
    const listed = await network?.macs({ signal: this.#stop.signal });
    const looks = macs.map((mac): [string, number] => [mac, (this.#strangers.get(mac) ?? 0) + 1]);
    this.#strangers = new Map([...this.#strangers, ...looks]);
    if (listed === undefined || macs.some((mac) => listed.includes(mac))) await this.#compare('link-arrived');
    const known = this.#knownMacs();
    if (looks.some(([mac, count]) => count < LINK_LOOKS && !known.has(mac)))
      this.#in('links-again', RETRY_MS, () => this.#judgeLinks());
  }

  #knownMacs(): ReadonlySet<string> {
    const { pool } = this.#options.context;
    return new Set([...pool.ledger.interfaces.values()].map(({ networkInterface }) => networkInterface.mac));
  }

  async #readFacts(): Promise<void> {
    const { network, facts, context, store, onVpcCidrs } = this.#options;
    if (network === undefined) return;
    const options = { signal: this.#stop.signal };
    const { securityGroupIds, vpcCidrs } = await network.facts(context.identity.primaryMac, options);
    const isGroups = !isSameSet(facts.securityGroupIds, securityGroupIds);
    const isCidrs = !isSameSet(facts.vpcCidrs, vpcCidrs);
    if (isGroups || isCidrs)
      context.log.info({ securityGroupIds, vpcCidrs }, 'security groups or CIDRs of the VPC have changed');
    // Written first: a daemon that is killed in between sets the kernel up by what is on disk when it starts.
    if (isGroups || isCidrs) await store({ securityGroupIds, vpcCidrs });
    // Noted only once the kernel has them: what failed is a change at the next look, too.
    if (isCidrs) await onVpcCidrs(vpcCidrs);
    Object.assign(facts, { securityGroupIds, vpcCidrs });
    const isOther = this.#options.compareByMetadata
      ? differs(await network.interfaces(options), context.pool.snapshot().interfaces)
      : !isSameSet(await network.macs(options), [...this.#knownMacs()]);
    if (isGroups || isOther) await this.#compare(isGroups ? 'security-groups' : 'metadata');
  }

  /** What fails is tried again after a pause that doubles, so that no change waits for the next long interval. */
  async #compare(cause: string): Promise<void> {
    const { context, follow } = this.#options;
    const { signal } = this.#stop;
    try {
      const attached = await describeAttached(context.provider, context.identity, signal, cause);
      await adopt(attached, context, signal);
      if (await follow(attached, signal)) {
        this.#retry = RETRY_MS;
        return;
      }
    } catch (error) {
      if (signal.aborted) return;
      context.log.warn(
        { cause, retryInMs: this.#retry, ...errorFields(error) },
        'the pool could not be compared with EC2',
      );
    }
    this.#in('compare-again', this.#retry, () => this.#compare(cause));
    this.#retry = Math.min(this.#retry * 2, LONGEST_RETRY_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    for (const timer of this.#timers.values()) timer.cancel();
    await this.#links?.[Symbol.asyncDispose]();
    await this.#looks;
  }
}
