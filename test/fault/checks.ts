/** What must hold. `afterStep` is cheap and runs after every event; `atRest` compares everything with everything. */
import { formatIpv6Prefix, parseIpv6 } from '#warm-pool/ipv6.ts';
import { addressesOf, attachmentKey, assignments } from '#warm-pool/ledger.ts';
import type { Ledger } from '#warm-pool/ledger.ts';
import { planCards } from '#warm-pool/plan-cards.ts';
import { interfaceIndex } from '#ipamd/cards/pod-interfaces.ts';
import { coolDownsOf } from '#ipamd/execute/cool-down-watch.ts';
import type { Core } from '#ipamd/core.ts';
import { decodeJournal, replay } from '#ipamd/store/records.ts';
import { INSTANCE_TAG, isOurDescription } from '#cloud/aws/tags.ts';
import type { VpcState } from '#cloud/emulator/region.ts';
import type { World } from './world.ts';

export class Checks {
  readonly #world: World;
  #ledger: Ledger | undefined;
  #cloud: VpcState | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  afterStep(): void {
    const { cloud, daemon } = this.#world;
    const ledger = daemon?.core?.pool.ledger;
    if (ledger !== this.#ledger && ledger !== undefined && daemon?.isServing === true) {
      this.#order(ledger);
      this.#askedOnce(ledger);
    }
    if (cloud.region.state !== this.#cloud || ledger !== this.#ledger) this.#ours();
    this.#ledger = ledger;
    this.#cloud = cloud.region.state;
  }

  /** First come, first served: nobody who came earlier still waits when a pod gets its address. */
  #order(ledger: Ledger): void {
    const adding = this.#world.runtime.in('adding').filter(({ adding: client }) => client?.signal.aborted === false);
    if (adding.length === 0) return;
    // Each network card has a queue of its own; this is the first one's.
    const onFirst = assignments(ledger).filter(({ attachment }) => interfaceIndex(attachment.ifName) === 0);
    const has = new Set(onFirst.map(({ attachment }) => attachment.containerId));
    const waiting = adding.filter(({ id }) => !has.has(id));
    for (const pod of adding) {
      if (pod.isSeen || !has.has(pod.id)) continue;
      pod.isSeen = true;
      const passed = waiting.find(({ order }) => order < pod.order);
      if (passed !== undefined) this.#world.violate('fifo', `${pod.id} was served before ${passed.id}`);
    }
  }

  /** What is under way is not asked for again: no two interfaces for one slot, no more blocks than an interface can hold. */
  #askedOnce({ inFlight, config }: Ledger): void {
    if (inFlight.size < 2) return;
    const seen = new Map<string, number>();
    for (const action of inFlight.values()) {
      const isCreate = action.kind === 'create-interface';
      const what = isCreate ? `${action.networkCardIndex}/${action.deviceIndex}` : action.interfaceId;
      const key = `${action.kind} ${what}`;
      const count = (seen.get(key) ?? 0) + (action.kind === 'assign' ? action.count : config.limits.ipv4PerInterface);
      seen.set(key, count);
      if (action.kind !== 'release' && count > config.limits.ipv4PerInterface)
        this.#world.violate('asked-twice', `${key} is under way more than once`);
    }
  }

  /** Whoever runs has an address that the cloud gives to this node, unless somebody else took it. */
  #ours(): void {
    const { runtime, cloud, taken } = this.#world;
    for (const pod of runtime.in('running')) {
      for (const address of [...(pod.address?.split(' ') ?? []), ...pod.further]) {
        if (!cloud.holds(address) && !taken.has(address) && !taken.has(prefixOf(address)))
          this.#world.violate('ours', `${pod.id} has ${address}, which the cloud gives to no interface of this node`);
      }
    }
  }

  /** When the daemon serves and no call is under way: ledger, handlers, journal, kernel and runtime agree. */
  atRest(): void {
    const { daemon, runtime } = this.#world;
    const core = daemon?.core;
    if (core === undefined || daemon?.isServing !== true || runtime.open > 0) return;
    this.#agreeInside(core);
    this.#agreeWithJournal(core);
    this.#agreeWithKernel(core);
    this.#agreeWithRuntime(core);
    this.#coolDownsEnd(core);
  }

  #agreeInside(core: Core): void {
    const ledger = new Map(assignments(core.pool.ledger).map((each) => [attachmentKey(each.attachment), each.address]));
    const known = new Map([...core.attachments].map(([key, { address }]) => [key, address]));
    this.#same('ledger and handlers', ledger, known);
    if (new Set(ledger.values()).size < ledger.size) this.#world.violate('unique', `twice in ${show(ledger)}`);
  }

  #agreeWithJournal(core: Core): void {
    const { disk, runtime } = this.#world;
    const written = replay(decodeJournal(disk.text).records).assignments;
    const { durableText } = disk;
    const durable = durableText === disk.text ? written : replay(decodeJournal(durableText).records).assignments;
    for (const [key, { attachment, address, ipv6Address }] of core.attachments) {
      // A failed ADD that could be neither written nor undone waits for its DEL.
      if (disk.hasFailed && runtime.pods.get(attachment.containerId)?.phase !== 'running') continue;
      if (durable.get(key)?.address !== address || durable.get(key)?.ipv6Address !== ipv6Address)
        this.#world.violate('journal', `${show([key])} has ${address}, the journal says ${durable.get(key)?.address}`);
    }
    // A release that could not be written is made good by the next start.
    const extra = [...written.keys()].filter((key) => !core.attachments.has(key));
    if (extra.length > 0 && !disk.hasFailed) this.#world.violate('journal', `the journal still has ${show(extra)}`);
  }

  #agreeWithKernel(core: Core): void {
    const { kernel, runtime } = this.#world;
    const links = new Map([...kernel.pods.values()].map((link) => [link.alias, link]));
    for (const stored of core.attachments.values()) {
      const { attachment, netns } = stored;
      const address = addressesOf(stored).join(' ');
      const key = `${attachment.containerId}/${attachment.ifName}`;
      const link = links.get(key);
      links.delete(key);
      // A pod whose namespace ended, or whose failed ADD could not be undone, waits for its DEL.
      const isPromised = runtime.pods.get(attachment.containerId)?.phase === 'running' && kernel.namespaces.has(netns);
      // So does one whose link was half made when the daemon ended: it bears the name and has no routes yet.
      if ((link === undefined || link.addresses.length === 0) && !isPromised) continue;
      if (link?.addresses.join(' ') !== address)
        this.#world.violate('kernel', `${key} has ${address}, its link ${link?.addresses.join(' ') ?? 'is gone'}`);
    }
    if (links.size > 0) this.#world.violate('kernel', `links of nobody: ${[...links.keys()].join(', ')}`);
  }

  #agreeWithRuntime(core: Core): void {
    const { runtime } = this.#world;
    const all = [...core.attachments.values()];
    const firsts = all.filter(({ parent }) => parent === undefined);
    const held = new Map(firsts.map((each) => [each.attachment.containerId, addressesOf(each).join(' ')]));
    for (const { attachment, address, parent } of all) {
      const phase = runtime.pods.get(attachment.containerId)?.phase;
      // A failed ADD that could not be undone waits for its DEL.
      const isOver = phase === 'gone' || phase === 'running';
      if (parent !== undefined && isOver && !held.has(attachment.containerId))
        this.#world.violate('lost', `${address} is held for ${attachment.ifName} of ${attachment.containerId} alone`);
    }
    for (const { id, further } of runtime.in('running')) {
      const has = new Set(all.filter(({ attachment }) => attachment.containerId === id).map(({ address }) => address));
      const lacking = further.filter((address) => !has.has(address));
      if (lacking.length > 0) this.#world.violate('kept', `${id} was given ${lacking.join()}, which the daemon lacks`);
    }
    for (const { id, address } of runtime.in('running')) {
      if (held.get(id) !== address)
        this.#world.violate('kept', `${id} was given ${String(address)}, the daemon has ${held.get(id) ?? 'nothing'}`);
    }
    for (const [id, address] of held) {
      if (runtime.pods.get(id)?.phase === 'gone')
        this.#world.violate('lost', `${address} is held for ${id}, which is gone`);
    }
  }

  /** An address rests for its cool-down and, while somebody still talks to it, one more at a time. */
  #coolDownsEnd(core: Core): void {
    const { coolDownMs } = this.#world;
    const now = core.now();
    for (const { address, until } of coolDownsOf(core.pool.ledger, now)) {
      if (until - now > coolDownMs + 3000) this.#world.violate('lost', `${address} rests for ${until - now} ms more`);
    }
  }

  /** After a long calm: the plan is empty, nobody waits, and the cloud holds what the ledger holds, no more and no less. */
  atTheEnd(): void {
    const world = this.#world;
    this.atRest();
    const { daemon, runtime } = world;
    const core = daemon?.core;
    if (core === undefined || daemon?.isServing !== true) {
      world.violate('recovers', 'the daemon does not serve after a long calm');
      return;
    }
    if (runtime.open > 0) world.violate('answers', `${runtime.open} calls were never answered`);
    const snapshot = core.pool.snapshot();
    const { actions } = planCards(core.pool.ledger, core.pool.circumstances(core.now()), core.targets);
    if (snapshot.inFlight.length > 0) world.violate('converges', `still under way: ${show(snapshot.inFlight)}`);
    if (actions.length > 0) world.violate('converges', `still to do: ${show(actions)}`);
    this.#agreeWithCloud(core);
    this.#noneLeft();
  }

  /** Of what somebody else made, a life that may change nothing forgets that its removal had begun. */
  #noneLeft(): void {
    const { cloud, targets, wasProvisionedByOthers } = this.#world;
    if (targets['DISABLE_NETWORK_RESOURCE_PROVISIONING'] === 'true') return;
    const leaked = cloud.region
      .networkInterfaces()
      .filter(({ attachment, tags }) => attachment === undefined && tags[INSTANCE_TAG] !== undefined)
      .filter(({ description }) => isOurDescription(description) || !wasProvisionedByOthers);
    if (leaked.length > 0)
      this.#world.violate('leak', `interfaces of ours are left over: ${leaked.map(({ id }) => id).join()}`);
  }

  #agreeWithCloud(core: Core): void {
    const inCloud = new Map(
      this.#world.cloud.held.interfaces.map((each) => [
        each.id,
        [...each.secondaryAddresses.map((address) => `${address}/32`), ...each.ipv4Prefixes, ...each.ipv6Prefixes]
          .toSorted()
          .join(' '),
      ]),
    );
    const inLedger = new Map(
      core.pool
        .snapshot()
        .interfaces.map(({ networkInterface, blocks }) => [
          networkInterface.id,
          [...blocks.map(({ block }) => block.cidr), ...(networkInterface.ipv6Prefixes ?? [])].toSorted().join(' '),
        ]),
    );
    this.#same('cloud and ledger', inCloud, inLedger);
  }

  #same(what: string, a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): void {
    for (const key of new Set([...a.keys(), ...b.keys()])) {
      if (a.get(key) !== b.get(key))
        this.#world.violate(
          'agree',
          `${what} differ on ${show([key])}: ${a.get(key) ?? 'none'}, ${b.get(key) ?? 'none'}`,
        );
    }
  }
}

function show(value: object): string {
  const plain = value instanceof Map ? [...(value as ReadonlyMap<unknown, unknown>)] : value;
  return JSON.stringify(plain).replaceAll('\\u0000', '/');
}

/** The /80 of an IPv6 address; empty for another. */
function prefixOf(address: string): string {
  const parsed = parseIpv6(address);
  return parsed === undefined ? '' : formatIpv6Prefix(parsed);
}
