/**
 * The host ports of the pods on this node: what is published, and the elements of our table that make it so. Publishing
 * and withdrawing are one batch of elements each, carried out entirely or not at all.
 *
 * A pod that publishes gets `route_localnet` on its link, because a connection from the node's 127.0.0.1 is routed with
 * that source before it gets another one, and the answer with that destination. What a pod itself sends to 127.0.0.0/8 is
 * dropped by our table before connection tracking.
 */
import type { PortMapping } from '#cni/spec/runtime-config.ts';
import type { Damage } from '../datapath.ts';
import { addressText } from '../ip.ts';
import type { Kernel } from '../kernel.ts';
import { NetlinkError } from '../netlink/errors.ts';
import { dump } from '../netlink/exchange.ts';
import { changeElements } from '../nftables/apply.ts';
import {
  addHashElements,
  decodeHashElements,
  deleteHashElements,
  dumpHashElements,
  type HashElement,
  type HashSet,
} from '../nftables/hash-set.ts';
import type { Table } from '../nftables/table.ts';
import { portKey, publishedPorts, type PublishedPort } from './published.ts';
import {
  HOST_PORT_SETS,
  mappingOfElement,
  podElements,
  portElement,
  withHostPorts,
  type HostPortRules,
  type PlacedElement,
} from './ruleset.ts';
import { NO_CHANGE, type PortChange } from './stale-flows.ts';

/** A pod as far as its host ports go; `hostIfName` names it. */
export interface PublishingPod {
  readonly hostIfName: string;
  readonly addresses: readonly string[];
  readonly portMappings?: readonly PortMapping[];
}

/** Errors that say that the table is not as we left it. */
const OUT_OF_STEP: ReadonlySet<string> = new Set(['ENOENT', 'EEXIST', 'EBUSY']);

/**
 * See the file's comment. All methods are synchronous; what they say has changed is for `forgetStaleFlows`. They throw `DatapathError` or `NetlinkError`.
 */
export class HostPorts {
  readonly #kernel: Kernel;
  readonly #table: string;
  /** Puts the whole table anew, this one's ports in it. */
  readonly #replaceTable: () => void;
  readonly #pods = new Map<string, readonly PublishedPort[]>();

  constructor(kernel: Kernel, table: string, replaceTable: () => void) {
    this.#kernel = kernel;
    this.#table = table;
    this.#replaceTable = replaceTable;
  }

  /** The table with every pod's ports in it. */
  extend(table: Table, rules: HostPortRules): Table {
    return withHostPorts(table, rules, [...this.#pods.values()].flat());
  }

  /** Takes over what pods of an earlier life publish; the kernel learns of it when the table is put. */
  adopt(pods: readonly PublishingPod[]): void {
    for (const pod of pods) this.#remember(pod.hostIfName, portsOf(pod));
  }

  /** What the kernel has published, by the pod's address: all that is known where the journal was lost. */
  found(): ReadonlyMap<string, readonly PortMapping[]> {
    const found = new Map<string, readonly PortMapping[]>();
    for (const set of HOST_PORT_SETS) {
      for (const { body } of dump(this.#kernel.nft, dumpHashElements(this.#table, set))) {
        for (const element of decodeHashElements(body)) {
          const { address, mapping } = mappingOfElement(set, element) ?? {};
          if (address !== undefined && mapping !== undefined)
            found.set(address, [...(found.get(address) ?? []), mapping]);
        }
      }
    }
    return found;
  }

  /** Forgets every pod, after the table has been removed. */
  forgetAll(): void {
    this.#pods.clear();
  }

  /** Publishes the ports of a pod that is plugged, in the place of what it published before. */
  publish(pod: PublishingPod): PortChange {
    const [before, ports] = [this.#pods.get(pod.hostIfName) ?? [], portsOf(pod)];
    if (before.length === 0 && ports.length === 0) return NO_CHANGE;
    this.#remember(pod.hostIfName, ports);
    try {
      this.#change(before, ports);
      return { published: ports, withdrawn: before };
    } catch (error) {
      this.#remember(pod.hostIfName, before);
      throw error;
    }
  }

  /** Withdraws what a pod publishes; nothing is fine. */
  withdraw(hostIfName: string): PortChange {
    const before = this.#pods.get(hostIfName) ?? [];
    if (before.length === 0) return NO_CHANGE;
    this.#pods.delete(hostIfName);
    try {
      this.#change(before, []);
      return { published: [], withdrawn: before };
    } catch (error) {
      // Still to be withdrawn: the DEL is tried again.
      this.#pods.set(hostIfName, before);
      throw error;
    }
  }

  /** Elements of a pod that are not there or lead elsewhere. */
  damage(pod: PublishingPod): readonly Damage[] {
    return this.#damageOf(portsOf(pod));
  }

  /** The same of every pod. */
  damageOfAll(): readonly Damage[] {
    return this.#damageOf([...this.#pods.values()].flat());
  }

  #damageOf(ports: readonly PublishedPort[]): readonly Damage[] {
    if (ports.length === 0) return [];
    const named = ports.map((port) => ({ name: portKey(port), ...portElement(port) }));
    const ofPorts = new Set(named.map(({ set, element }) => keyOf(set, element)));
    const others = podElements(ports)
      .filter(({ set, element }) => !ofPorts.has(keyOf(set, element)))
      .map((placed) => ({ name: `the pod's way to itself`, ...placed }));
    return this.#compare([...named, ...others]);
  }

  #compare(wanted: readonly (PlacedElement & { readonly name: string })[]): readonly Damage[] {
    const found = new Map<string, Buffer | undefined>();
    for (const set of new Set(wanted.map((each) => each.set))) {
      for (const { body } of dump(this.#kernel.nft, dumpHashElements(this.#table, set)))
        for (const element of decodeHashElements(body)) found.set(keyOf(set, element), element.data);
    }
    return wanted.flatMap(({ name, set, element }) => {
      const key = keyOf(set, element);
      const data = found.get(key);
      if (found.has(key) && Buffer.compare(data ?? Buffer.alloc(0), element.data ?? Buffer.alloc(0)) === 0) return [];
      const object = `host port ${name} (nft inet ${this.#table} ${set.name})`;
      return [
        {
          object,
          expected: textOf(element),
          found: found.has(key) ? textOf({ ...element, ...(data && { data }) }) : 'missing',
        },
      ];
    });
  }

  #remember(hostIfName: string, ports: readonly PublishedPort[]): void {
    if (ports.length === 0) this.#pods.delete(hostIfName);
    else this.#pods.set(hostIfName, ports);
  }

  /** A table that is not as we left it is put anew as a whole. */
  #change(before: readonly PublishedPort[], after: readonly PublishedPort[]): void {
    const [gone, come] = [bySet(podElements(before)), bySet(podElements(after))];
    const deletions = [...gone].flatMap(([set, elements]) => deleteHashElements(this.#table, set, elements));
    const additions = [...come].flatMap(([set, elements]) => addHashElements(this.#table, set, elements));
    try {
      changeElements(this.#kernel.nft, [...deletions, ...additions]);
    } catch (error) {
      if (!(error instanceof NetlinkError) || !OUT_OF_STEP.has(error.errno)) throw error;
      this.#replaceTable();
    }
  }
}

function portsOf({ portMappings = [], addresses }: PublishingPod): readonly PublishedPort[] {
  return publishedPorts(portMappings, addresses);
}

function bySet(placed: readonly PlacedElement[]): ReadonlyMap<HashSet, readonly HashElement[]> {
  const sets = new Map<HashSet, HashElement[]>();
  for (const { set, element } of placed) sets.set(set, [...(sets.get(set) ?? []), element]);
  return sets;
}

function keyOf(set: HashSet, { key }: HashElement): string {
  return `${set.name} ${key.toString('hex')}`;
}

/** Where an element leads: address and port, as they stand in the map. */
function textOf({ key, data }: HashElement): string {
  if (data === undefined) return `element ${key.toString('hex')}`;
  return `${addressText(data.subarray(0, data.length - 4))} port ${data.readUInt16BE(data.length - 4)}`;
}
