/**
 * A node's kernel as far as the daemon asks of it: pod links with aliases and routes, links of ENIs, tables, connection
 * entries. It outlives the daemon's processes and is empty after a reboot.
 */
import type { Conntrack } from '#ipamd/datapath/conntrack.ts';
import { type Datapath, DatapathError, type PodAttachment, type PodLinks } from '#ipamd/datapath/datapath.ts';
import type { Dice } from './dice.ts';
import type { Life, Scheduler } from './scheduler.ts';

export interface PodLink {
  readonly netns: string;
  readonly ifIndex: number;
  alias: string;
  addresses: readonly string[];
}

/** Told of every address that starts or stops being routed to a pod. */
export interface KernelWatcher {
  routed(address: string, key: string): void;
  unrouted(address: string): void;
}

export class ModelKernel {
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #watcher: KernelWatcher;
  /** Pods' links by the name of their host end. */
  readonly pods = new Map<string, PodLink>();
  /** Namespaces of pods that exist. */
  readonly namespaces = new Set<string>();
  /** MAC addresses of the ENIs that the host sees. */
  readonly links = new Set<string>();
  /** Tables of secondary ENIs, as `card/device`. */
  readonly tables = new Set<string>();
  /** Connection entries by address. */
  readonly connections = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  readonly #watching = new Set<() => void>();
  #index = 10;
  /** The chance that an operation is refused. */
  refusal = 0;

  constructor(scheduler: Scheduler, dice: Dice, watcher: KernelWatcher) {
    this.#scheduler = scheduler;
    this.#dice = dice;
    this.#watcher = watcher;
  }

  /** Nothing of the last boot is left. */
  reboot(): void {
    for (const name of this.pods.keys()) this.#removeLink(name);
    this.namespaces.clear();
    this.links.clear();
    this.tables.clear();
    this.connections.clear();
  }

  /** A namespace ends, and the pod's link with it. */
  deleteNamespace(netns: string): void {
    this.namespaces.delete(netns);
    for (const [name, link] of this.pods) if (link.netns === netns) this.#removeLink(name);
  }

  addLink(mac: string): void {
    this.links.add(mac);
    for (const look of this.#waiting) look();
    for (const hear of this.#watching) hear();
  }

  removeLink(mac: string): void {
    this.links.delete(mac);
    for (const hear of this.#watching) hear();
  }

  datapathOf(life: Life): Datapath {
    const operate = <T>(effect: () => T, torn?: () => void) => this.#operate(life, effect, torn);
    return {
      setUpHost: () => operate(() => undefined),
      watchLinks: (listener) => this.#watchLinks(listener, life),
      listLinks: () => operate(() => [...this.links]),
      waitForLink: (mac, signal) => this.#waitForLink(mac, signal, life),
      setUpInterface: ({ mac, networkCardIndex, deviceIndex }) =>
        operate(() => {
          this.#mayRefuse();
          if (!this.links.has(mac)) throw new DatapathError('no-such-link', `no link has ${mac}`);
          this.tables.add(`${networkCardIndex}/${deviceIndex}`);
        }),
      tearDownInterface: (device, card) => operate(() => void this.tables.delete(`${card}/${device}`)),
      addPod: (pod) => this.#addPod(pod, operate),
      deletePod: ({ hostIfName }) =>
        operate(() => {
          this.#mayRefuse();
          this.#removeLink(hostIfName);
        }),
      checkPod: (pod) =>
        operate(() => {
          const found = this.pods.get(pod.hostIfName)?.addresses.join() ?? 'none';
          const expected = pod.addresses.join();
          return found === expected ? [] : [{ object: pod.hostIfName, expected, found }];
        }),
      listPods: () =>
        operate(() =>
          [...this.pods].map(([hostIfName, { ifIndex, alias, addresses }]) => ({
            hostIfName,
            ifIndex,
            key: alias,
            addresses,
          })),
        ),
      settled: () => operate(() => undefined),
      cleanUp: () => operate(() => this.reboot()),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  conntrackOf(life: Life): Conntrack {
    return {
      sweep: (addresses, stillWanted) =>
        this.#operate(life, () => {
          const counts = new Map<string, number>();
          for (const address of addresses) {
            const entries = this.connections.get(address);
            if (entries === undefined || !stillWanted(address)) continue;
            counts.set(address, entries);
            this.connections.delete(address);
          }
          return counts;
        }),
    };
  }

  /** A process that ends in the middle leaves the link alone, or the link with its alias. */
  async #addPod(pod: PodAttachment, operate: <T>(effect: () => T, torn: () => void) => Promise<T>): Promise<PodLinks> {
    const key = `${pod.containerId}/${pod.ifName}`;
    const link = (alias: string): PodLink => {
      this.#index += 1;
      return { netns: pod.netns, ifIndex: this.#index, alias, addresses: [] };
    };
    const make = () => {
      this.#mayRefuse();
      this.#removeLink(pod.hostIfName);
      if (!this.namespaces.has(pod.netns)) throw new DatapathError('no-such-netns', `${pod.netns} is not there`);
    };
    const torn = () => {
      make();
      this.pods.set(pod.hostIfName, link(this.#dice.chance(0.5) ? key : ''));
    };
    await operate(() => {
      make();
      const made = link(key);
      made.addresses = pod.addresses;
      this.pods.set(pod.hostIfName, made);
      for (const address of pod.addresses) this.#watcher.routed(address, key);
    }, torn);
    return { hostIfName: pod.hostIfName, hostMac: '02:00:00:00:00:0a', containerMac: '02:00:00:00:00:0b' };
  }

  #removeLink(name: string): void {
    const link = this.pods.get(name);
    if (link === undefined) return;
    this.pods.delete(name);
    for (const address of link.addresses) this.#watcher.unrouted(address);
  }

  #mayRefuse(): void {
    if (this.refusal > 0 && this.#dice.chance(this.refusal))
      throw new DatapathError('kernel-refused', 'the kernel is out of memory', { errno: 'ENOBUFS' });
  }

  #watchLinks(listener: () => void, life: Life): AsyncDisposable {
    const hear = () => void this.#scheduler.after(this.#dice.scale(0.2, 8), listener, life);
    this.#watching.add(hear);
    return {
      [Symbol.asyncDispose]: () => {
        this.#watching.delete(hear);
        return Promise.resolve();
      },
    };
  }

  #waitForLink(mac: string, signal: AbortSignal, life: Life): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        this.#waiting.delete(look);
        signal.removeEventListener('abort', giveUp);
        if (!life.isOver) settle();
      };
      const look = () => this.links.has(mac) && end(resolve);
      const giveUp = () => end(() => reject(signal.reason as Error));
      this.#waiting.add(look);
      signal.addEventListener('abort', giveUp, { once: true });
      if (signal.aborted) giveUp();
      else look();
    });
  }

  #operate<T>(life: Life, effect: () => T, torn?: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const before = this.#dice.scale(0.2, 8);
      this.#scheduler.after(before, () => {
        if (life.isOver) {
          if (torn !== undefined && this.#dice.chance(0.2)) tryOut(torn);
          return;
        }
        try {
          resolve(effect());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

function tryOut(torn: () => void): void {
  try {
    torn();
  } catch (error) {
    if (!(error instanceof DatapathError)) throw error;
  }
}
