/** What the kernel holds, read when it is first asked for: one dump of a kind however many comparisons need it. */
import type { OwnershipMarks } from '../datapath.ts';
import { decodeQdisc, dumpQdiscs, type Qdisc } from '../bandwidth/qdisc.ts';
import { isInterfaceWithMac, readAddresses, readLinkByName, readLinks, readRoutes, type Kernel } from '../kernel.ts';
import { RTM } from '../netlink/constants.ts';
import { dump } from '../netlink/exchange.ts';
import type { LinkAddress } from '../netlink/route/address.ts';
import type { Link } from '../netlink/route/link.ts';
import { decodeNeighbour, dumpNeighbours, type Neighbour } from '../netlink/route/neighbour.ts';
import type { Route } from '../netlink/route/route.ts';
import { decodeRule, dumpRules, type Rule } from '../netlink/route/rule.ts';
import { familyOfNumber } from '../ip.ts';

/** See the file's comment. Its methods throw `NetlinkError`. */
export class KernelState {
  readonly #kernel: Kernel;
  readonly #marks: OwnershipMarks;
  #links: ReadonlyMap<string, Link> | undefined;
  #rules: readonly Rule[] | undefined;
  #routes: ReadonlyMap<number, readonly Route[]> | undefined;
  #neighbours: ReadonlyMap<number, readonly Neighbour[]> | undefined;
  #addresses: ReadonlyMap<number, readonly LinkAddress[]> | undefined;
  #qdiscs: readonly Qdisc[] | undefined;

  constructor(kernel: Kernel, marks: OwnershipMarks) {
    this.#kernel = kernel;
    this.#marks = marks;
  }

  /** All links by name. */
  get links(): ReadonlyMap<string, Link> {
    return (this.#links ??= new Map(readLinks(this.#kernel).map((link) => [link.name, link])));
  }

  /** One link; asked for alone as long as nobody needed all. */
  link(name: string): Link | undefined {
    return this.#links === undefined ? readLinkByName(this.#kernel.route, name) : this.#links.get(name);
  }

  linkWithMac(mac: string): Link | undefined {
    return [...this.links.values()].find((link) => isInterfaceWithMac(link, mac));
  }

  /** Rules, of everybody. */
  get rules(): readonly Rule[] {
    return (this.#rules ??= dump(this.#kernel.route, dumpRules())
      .map(({ body }) => body)
      .filter((body) => familyOfNumber(body[0]) !== undefined)
      .map(decodeRule));
  }

  /** Routes of ours in a table. */
  routes(table: number): readonly Route[] {
    this.#routes ??= Map.groupBy(readRoutes(this.#kernel.route, this.#marks.protocol, 0), (route) => route.table);
    return this.#routes.get(table) ?? [];
  }

  neighbours(link: number): readonly Neighbour[] {
    this.#neighbours ??= Map.groupBy(
      dump(this.#kernel.route, dumpNeighbours())
        .filter(({ type, body }) => type === RTM.newNeighbour && familyOfNumber(body[0]) !== undefined)
        .map(({ body }) => decodeNeighbour(body)),
      ({ index }) => index,
    );
    return this.#neighbours.get(link) ?? [];
  }

  addresses(link: number): readonly LinkAddress[] {
    this.#addresses ??= Map.groupBy(readAddresses(this.#kernel.route, 0), ({ index }) => index);
    return this.#addresses.get(link) ?? [];
  }

  /** The queueing discipline at a link's root. */
  rootQdisc(link: number): Qdisc | undefined {
    this.#qdiscs ??= dump(this.#kernel.route, dumpQdiscs()).map(({ body }) => decodeQdisc(body));
    return this.#qdiscs.find((qdisc) => qdisc.link === link && qdisc.isRoot);
  }

  /** The host's sysctls; those that do not exist are left out. */
  sysctls(names: readonly string[]): ReadonlyMap<string, string> {
    return this.#kernel.getSysctls(names);
  }
}
