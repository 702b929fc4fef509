/**
 * The host's share: rules, tables of the ENIs, the nft table. Keeps in memory only which ENIs are set up and with what
 * settings; what it finds in the kernel outranks that.
 */
import { DatapathError, type Damage, type HostConfig, type HostInterface, type OwnershipMarks } from '../datapath.ts';
import { parseIpv4Cidr } from '../ipv4.ts';
import { readRoutes, readRules, requireLinkByMac, type Kernel } from '../kernel.ts';
import { chooseMark, interfaceTable, type InterfacePlace } from '../marks.ts';
import { IFA_F_NOPREFIXROUTE } from '../netlink/constants.ts';
import { dump, submit } from '../netlink/exchange.ts';
import { addAddress, decodeAddress, deleteAddress, dumpAddresses, type LinkAddress } from '../netlink/route/address.ts';
import { changeLink, type Link } from '../netlink/route/link.ts';
import { deleteRoute, replaceRoute, routeText } from '../netlink/route/route.ts';
import { addRule, deleteRule, ruleText, type Rule } from '../netlink/route/rule.ts';
import { applyTable, countRules, removeTable } from '../nftables/apply.ts';
import { desiredTable } from '../nftables/ruleset.ts';
import type { Table } from '../nftables/table.ts';
import {
  commonRules,
  diffRules,
  interfaceRoutes,
  interfaceRules,
  interfacesOfRules,
  type KnownInterface,
} from './desired.ts';

/** Reverse-path filter of ENIs: loose, because a reply may leave by another ENI than the request came in by. */
const LOOSE = 2;

/** See the file's comment. All methods are synchronous; they throw `DatapathError` or `NetlinkError`. */
export class HostNetwork {
  readonly #kernel: Kernel;
  readonly #marks: OwnershipMarks;
  /** Secondary ENIs by routing table. */
  readonly #interfaces = new Map<number, KnownInterface>();
  #config: HostConfig | undefined;
  #primaryLink = '';

  constructor(kernel: Kernel, marks: OwnershipMarks) {
    this.#kernel = kernel;
    this.#marks = marks;
    this.#adoptInterfaces();
  }

  /** The node's own address, once known; pods are reached from it. */
  get nodeAddress(): string | undefined {
    return this.#config?.primaryAddress;
  }

  setUp(config: HostConfig): void {
    const link = requireLinkByMac(this.#kernel, config.primaryMac);
    submit(this.#kernel.route, [changeLink(link.index, { mtu: config.eniMtu, rpFilter: LOOSE }, link.name)]);
    this.#kernel.setSysctl('net/ipv4/ip_forward', '1');
    this.#config = config;
    this.#primaryLink = link.name;
    this.#applyRulesAndTable();
  }

  setUpInterface(one: HostInterface): void {
    const config = this.#requireConfig();
    const link = requireLinkByMac(this.#kernel, one.mac);
    const table = interfaceTable(one);
    if (one.deviceIndex === 0 && one.networkCardIndex === 0)
      throw new DatapathError('kernel-refused', 'the primary ENI uses table main');
    submit(this.#kernel.route, [
      changeLink(link.index, { mtu: config.eniMtu, up: true, rpFilter: LOOSE }, link.name),
      ...this.#addressChanges(one, link),
    ]);
    const routes = interfaceRoutes(this.#marks, one, link.index);
    const wanted = new Set(routes.map(routeText));
    const surplus = this.#routesOf(table).filter((route) => !wanted.has(routeText(route)));
    submit(this.#kernel.route, [...surplus.map(deleteRoute), ...routes.map(replaceRoute)]);
    const taken = new Set([...this.#interfaces].flatMap(([other, { mark }]) => (other === table ? [] : [mark])));
    const { deviceIndex, networkCardIndex, primaryAddress } = one;
    const mark = this.#interfaces.get(table)?.mark ?? chooseMark(this.#marks, one, taken);
    this.#interfaces.set(table, { deviceIndex, networkCardIndex, primaryAddress, mark });
    this.#applyRulesAndTable();
  }

  tearDownInterface(place: InterfacePlace): void {
    const table = interfaceTable(place);
    this.#interfaces.delete(table);
    submit(this.#kernel.route, this.#routesOf(table).map(deleteRoute));
    if (this.#config === undefined) {
      const rules = readRules(this.#kernel, this.#marks.protocol).filter((rule) => rule.table === table);
      submit(this.#kernel.route, rules.map(deleteRule));
    } else {
      this.#applyRulesAndTable();
    }
  }

  /** Whether pods of this ENI have a way out. */
  isSetUp(place: InterfacePlace): boolean {
    return (place.deviceIndex === 0 && place.networkCardIndex === 0) || this.#interfaces.has(interfaceTable(place));
  }

  /** Rules, tables and nft chains that a pod on this ENI depends on and that are not there. */
  damage(place: InterfacePlace): readonly Damage[] {
    if (this.#config === undefined) return [];
    const found = new Set(readRules(this.#kernel, this.#marks.protocol).map(ruleText));
    const rules = this.#wantedRules()
      .map(ruleText)
      .filter((text) => !found.has(text))
      .map((text) => ({ object: 'rule', expected: text, found: 'none' }));
    const table = interfaceTable(place);
    const routes = this.#interfaces.has(table) && this.#routesOf(table).length < 2;
    return [
      ...rules,
      ...(routes ? [{ object: `table ${table}`, expected: 'gateway and default route', found: 'fewer routes' }] : []),
      ...tableDamage(this.#wantedTable(this.#config), countRules(this.#kernel.nft, this.#marks.nftTable)),
    ];
  }

  /** Removes rules, routes, addresses and the nft table, recognised by our marks alone. */
  cleanUp(): void {
    const { route, nft } = this.#kernel;
    submit(route, readRules(this.#kernel, this.#marks.protocol).map(deleteRule));
    submit(route, readRoutes(route, this.#marks.protocol, 0).map(deleteRoute));
    submit(
      route,
      this.#addresses(0)
        .filter(({ protocol }) => protocol === this.#marks.protocol)
        .map(deleteAddress),
    );
    removeTable(nft, this.#marks.nftTable);
    this.#interfaces.clear();
    this.#config = undefined;
  }

  /** Takes over the ENIs of an earlier life, so that their pods keep their way while the daemon learns of them anew. */
  #adoptInterfaces(): void {
    for (const one of interfacesOfRules(this.#marks, readRules(this.#kernel, this.#marks.protocol))) {
      const table = interfaceTable(one);
      // The kernel removes the routes of a link that is gone: without routes the ENI has left.
      if (this.#routesOf(table).length > 0) this.#interfaces.set(table, one);
    }
  }

  #requireConfig(): HostConfig {
    if (this.#config === undefined) throw new DatapathError('kernel-refused', 'setUpHost has not been called');
    return this.#config;
  }

  #wantedRules(): readonly Rule[] {
    const ofInterfaces = [...this.#interfaces.values()].flatMap((one) => interfaceRules(this.#marks, one));
    return [...commonRules(this.#marks), ...ofInterfaces];
  }

  #wantedTable(config: HostConfig): Table {
    const interfaces = [...this.#interfaces.values()];
    return desiredTable({ marks: this.#marks, config, primaryLink: this.#primaryLink, interfaces });
  }

  /** First what is missing, then what is too much, so that no packet falls between. */
  #applyRulesAndTable(): void {
    const { missing, surplus } = diffRules(this.#wantedRules(), readRules(this.#kernel, this.#marks.protocol));
    submit(this.#kernel.route, [...missing.map(addRule), ...surplus.map(deleteRule)]);
    applyTable(this.#kernel.nft, this.#wantedTable(this.#requireConfig()));
  }

  #routesOf(table: number): ReturnType<typeof readRoutes> {
    return readRoutes(this.#kernel.route, this.#marks.protocol, table);
  }

  #addresses(link: number): readonly LinkAddress[] {
    const addresses = dump(this.#kernel.route, dumpAddresses(link)).map(({ body }) => decodeAddress(body));
    return addresses.filter(({ index }) => link === 0 || index === link);
  }

  /** The subnet's connected route must not appear in table main, hence IFA_F_NOPREFIXROUTE. */
  #addressChanges(one: HostInterface, link: Link): ReturnType<typeof addAddress>[] {
    const { prefixLength } = parseIpv4Cidr(one.subnetCidr);
    const isRight = (found: LinkAddress): boolean =>
      found.address === one.primaryAddress &&
      found.prefixLength === prefixLength &&
      (found.flags & IFA_F_NOPREFIXROUTE) !== 0;
    const strays = this.#addresses(link.index).filter((found) => found.scope === 0 && !isRight(found));
    const { protocol } = this.#marks;
    const own = {
      index: link.index,
      address: one.primaryAddress,
      prefixLength,
      flags: IFA_F_NOPREFIXROUTE,
      scope: 0,
      protocol,
    };
    return [...strays.map(deleteAddress), addAddress(own)];
  }
}

function tableDamage(wanted: Table, counts: ReadonlyMap<string, number>): readonly Damage[] {
  return wanted.chains
    .filter((chain) => chain.rules.length !== (counts.get(chain.name) ?? 0))
    .map((chain) => ({
      object: `nft chain inet ${wanted.name} ${chain.name}`,
      expected: `${chain.rules.length} rules`,
      found: `${counts.get(chain.name) ?? 0} rules`,
    }));
}
