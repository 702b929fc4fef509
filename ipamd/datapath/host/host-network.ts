/**
 * The host's share: rules, tables of the ENIs, the nft table. Keeps in memory only which ENIs are set up and with what
 * settings; what it finds in the kernel outranks that.
 */
import { DatapathError, type Damage, type HostConfig, type HostInterface, type OwnershipMarks } from '../datapath.ts';
import { canonicalAddress, familyOf, type IpFamily } from '../ip.ts';
import { readAddresses, readRoutes, readRules, requireLinkByMac, type Kernel } from '../kernel.ts';
import { chooseMark, interfaceTable, type InterfacePlace } from '../marks.ts';
import { IFA_F_NOPREFIXROUTE, IFA_F_TENTATIVE } from '../netlink/constants.ts';
import { submit } from '../netlink/exchange.ts';
import { addAddress, deleteAddress, type LinkAddress } from '../netlink/route/address.ts';
import { changeLink, type Link } from '../netlink/route/link.ts';
import { deleteRoute, replaceRoute, routeText } from '../netlink/route/route.ts';
import { addRule, deleteRule, ruleText, type Rule } from '../netlink/route/rule.ts';
import { withBridge } from './address-bridge.ts';
import type { HostPorts } from '../host-port/host-ports.ts';
import { isSameOwn, readOwnAddresses, type OwnAddresses } from '../host-port/own-addresses.ts';
import type { BranchNetwork } from '../branch/branch-network.ts';
import { strictRules } from '../branch/desired.ts';
import { localRuleDifferences, removeLocalRule, restoreLocalRule } from '../branch/local-rule.ts';
import { applyTable, removeTable } from '../nftables/apply.ts';
import { readSignature, type TableSignature } from '../nftables/signature.ts';
import { desiredTable } from '../nftables/ruleset.ts';
import { withVirtualServices } from '../nftables/virtual-services.ts';
import type { Table } from '../nftables/table.ts';
import { asDamage, type Difference } from '../drift/difference.ts';
import {
  hostDifferences,
  interfaceDifferences,
  ruleDifferences,
  sysctlDifferences,
} from '../drift/host-differences.ts';
import type { KernelState } from '../drift/kernel-state.ts';
import { tableDifferences } from '../drift/table-differences.ts';
import type { NodeAddresses } from '../pod/desired.ts';
import { egressOf, type Egress } from '../egress.ts';
import {
  commonRules,
  diffRules,
  hostFamilies,
  interfaceAddress,
  interfaceRoutes,
  interfaceRules,
  interfacesOfRules,
  kernelRules,
  linkLocalAddress,
  LOOSE,
  type KnownInterface,
} from './desired.ts';

/** See the file's comment. All methods are synchronous; they throw `DatapathError` or `NetlinkError`. */
export class HostNetwork {
  readonly #kernel: Kernel;
  readonly #marks: OwnershipMarks;
  readonly #hostPorts: Pick<HostPorts, 'extend'>;
  readonly #branches: Pick<BranchNetwork, 'rules' | 'hasStrict' | 'hasStandard' | 'hasIpv6'>;
  /** Secondary ENIs by routing table. */
  readonly #interfaces = new Map<number, KnownInterface>();
  /** Those that were set up in this life, as they were, by routing table. */
  readonly #told = new Map<number, HostInterface>();
  #signature: TableSignature | undefined;
  #own: OwnAddresses | undefined;
  #mainRules: readonly IpFamily[] = [];
  #config: HostConfig | undefined;
  #egress: readonly Egress[] = [];
  #families: readonly IpFamily[] = hostFamilies(false);
  #primaryLink = '';
  #primaryIndex = 0;

  constructor(
    kernel: Kernel,
    marks: OwnershipMarks,
    hostPorts: Pick<HostPorts, 'extend'>,
    branches: Pick<BranchNetwork, 'rules' | 'hasStrict' | 'hasStandard' | 'hasIpv6'>,
  ) {
    this.#kernel = kernel;
    this.#marks = marks;
    this.#hostPorts = hostPorts;
    this.#branches = branches;
    this.#adoptInterfaces();
  }

  /**
   * The node's own addresses, once known; pods are reached from them. EC2 may know of an IPv6 address that the node has not
   * (or no longer) taken from DHCPv6, and a route from such a one is refused: so the kernel is asked whenever it matters.
   */
  get nodeAddresses(): NodeAddresses {
    const isUsable = (address: string): boolean => this.#isOnPrimaryLink(address);
    const { primaryAddress, primaryIpv6Address } = this.#config ?? {};
    return {
      ipv4: primaryAddress,
      get ipv6() {
        if (primaryIpv6Address === undefined) return undefined;
        const address = canonicalAddress(primaryIpv6Address);
        return isUsable(address) ? address : undefined;
      },
    };
  }

  /** The families in which pods of the other one leave by the node's address. */
  get egress(): readonly Egress[] {
    return this.#egress;
  }

  /** The MTU of ENIs. Throws `DatapathError` before `setUp`. */
  get eniMtu(): number {
    return this.#requireConfig().eniMtu;
  }

  /** Whether IPv6 is to be off in pods' namespaces. */
  get disablesPodIpv6(): boolean {
    return this.#config?.disablePodIpv6 === true;
  }

  setUp(config: HostConfig): void {
    const link = requireLinkByMac(this.#kernel, config.primaryMac);
    submit(this.#kernel.route, [changeLink(link.index, { mtu: config.eniMtu, rpFilter: LOOSE }, link.name)]);
    this.#egress = egressOf(config);
    this.#families = hostFamilies(this.#wantsIpv6(config));
    this.#config = config;
    this.#kernel.setSysctls(this.#hostSysctls(link.name));
    this.#mainRules = this.#familiesWithMainRule();
    this.#primaryLink = link.name;
    this.#primaryIndex = link.index;
    this.#applyRulesAndTable();
  }

  /** Adds the rules that are missing and removes those of ours that are not wanted. */
  applyRules(): void {
    const found = readRules(this.#kernel, this.#marks.protocol);
    const { missing, surplus } = diffRules(this.#wantedRules(), found);
    if (!this.#isStrict) restoreLocalRule(this.#kernel, found);
    submit(this.#kernel.route, [...missing.map(addRule), ...surplus.map(deleteRule)]);
    if (this.#isStrict) removeLocalRule(this.#kernel, this.#families);
  }

  /** Puts the nft table in the place of what bears its name, host ports included. */
  replaceTable(): void {
    this.#own = readOwnAddresses(this.#kernel);
    const table = this.#wantedTable(this.#requireConfig());
    applyTable(this.#kernel.nft, table);
    this.#signature = this.#readSignature(table);
  }

  /** Puts the table anew where the node's own addresses have changed and matter; that is nobody's damage. */
  followAddresses(): void {
    if (this.#config !== undefined && !isSameOwn(this.#own, readOwnAddresses(this.#kernel))) this.replaceTable();
  }

  setUpInterface(one: HostInterface): void {
    const config = this.#requireConfig();
    const link = requireLinkByMac(this.#kernel, one.mac);
    const table = interfaceTable(one);
    if (one.deviceIndex === 0 && one.networkCardIndex === 0)
      throw new DatapathError('kernel-refused', 'the primary ENI uses table main');
    this.#kernel.setSysctls(this.#interfaceSysctls(link.name));
    submit(this.#kernel.route, [
      changeLink(link.index, { mtu: config.eniMtu, up: true, rpFilter: LOOSE }, link.name),
      ...this.#families.flatMap((family) => this.#addressChanges(one, link, family)),
    ]);
    const routes = this.#families.flatMap((family) => interfaceRoutes(this.#marks, one, link.index, family));
    const wanted = new Set(routes.map(routeText));
    const surplus = this.#routesOf(table).filter((route) => !wanted.has(routeText(route)));
    submit(this.#kernel.route, [...surplus.map(deleteRoute), ...routes.map(replaceRoute)]);
    const taken = new Set([...this.#interfaces].flatMap(([other, { mark }]) => (other === table ? [] : [mark])));
    const { deviceIndex, networkCardIndex, primaryAddress } = one;
    const ipv6Address = one.ipv6Address === undefined ? undefined : canonicalAddress(one.ipv6Address);
    const mark = this.#interfaces.get(table)?.mark ?? chooseMark(this.#marks, one, taken);
    this.#interfaces.set(table, { deviceIndex, networkCardIndex, primaryAddress, ipv6Address, mark });
    this.#told.set(table, one);
    this.#applyRulesAndTable();
  }

  tearDownInterface(place: InterfacePlace): void {
    const table = interfaceTable(place);
    this.#interfaces.delete(table);
    this.#told.delete(table);
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
  damage(state: KernelState, place: InterfacePlace): readonly Damage[] {
    const config = this.#config;
    if (config === undefined) return [];
    const one = this.#told.get(interfaceTable(place));
    const { families } = this;
    return [
      ...ruleDifferences(state, this.#wantedRules()),
      ...this.#localRuleDifferences(state),
      ...(one === undefined ? [] : interfaceDifferences(state, this.#marks, one, { families, eniMtu: config.eniMtu })),
      ...sysctlDifferences(state, this.#hostSysctls(this.#primaryLink)),
      ...this.#tableDifferences(config),
    ].map(asDamage);
  }

  #localRuleDifferences({ rules }: KernelState): readonly Difference[] {
    return this.#isStrict ? localRuleDifferences(rules, this.families) : [];
  }

  /** Everything on the host that is not as it was set up, pods left out; nothing before it was. */
  differences(state: KernelState): readonly Difference[] {
    const config = this.#config;
    if (config === undefined) return [];
    const { primaryMac, eniMtu } = config;
    const interfaces = [...this.#told.values()];
    const wanted = { primaryMac, eniMtu, families: this.families, rules: this.#wantedRules() };
    const links = interfaces.flatMap(({ mac }) => state.linkWithMac(mac)?.name ?? []);
    const sysctls = links.map((name) => this.#interfaceSysctls(name));
    return [
      ...hostDifferences(state, this.#marks, { ...wanted, interfaces, mainRules: this.#mainRules }),
      ...this.#localRuleDifferences(state),
      ...sysctlDifferences(state, Object.assign({}, this.#hostSysctls(this.#primaryLink), ...sysctls)),
      ...this.#tableDifferences(config),
    ];
  }

  /** The families whose rules and tables there are. */
  get families(): readonly IpFamily[] {
    return this.#families;
  }

  /** The tables that hold routes of ours alone. */
  get tables(): readonly number[] {
    return [this.#marks.podTable, ...this.#interfaces.keys()];
  }

  /** MACs of the ENIs' links. */
  get macs(): readonly string[] {
    return [this.#config?.primaryMac ?? '', ...[...this.#told.values()].map(({ mac }) => mac)];
  }

  /** Removes rules, routes, addresses and the nft table, recognised by our marks alone. */
  cleanUp(): void {
    const { route, nft } = this.#kernel;
    const rules = readRules(this.#kernel, this.#marks.protocol);
    restoreLocalRule(this.#kernel, rules);
    submit(route, rules.map(deleteRule));
    submit(route, readRoutes(route, this.#marks.protocol, 0).map(deleteRoute));
    submit(
      route,
      readAddresses(route, 0)
        .filter(({ protocol }) => protocol === this.#marks.protocol)
        .map(deleteAddress),
    );
    removeTable(nft, this.#marks.nftTable);
    this.#interfaces.clear();
    this.#told.clear();
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
    const known = [...this.#interfaces.values()];
    return this.#families.flatMap((family) => [
      ...commonRules(this.#marks, family),
      ...known.flatMap((one) => interfaceRules(this.#marks, one, family)),
      ...(this.#isStrict ? strictRules(this.#marks, family) : []),
      ...this.#branches.rules.filter((rule) => rule.family === family),
    ]);
  }

  /** Branch pods of an earlier setting keep what they need. */
  get #isStrict(): boolean {
    return this.#config?.branchMode === 'strict' || this.#branches.hasStrict;
  }

  #wantedTable(config: HostConfig): Table {
    const interfaces = [...this.#interfaces.values()];
    const { primaryAddress: nodeAddress } = config;
    const modes = {
      hasStrict: this.#isStrict,
      hasStandard: config.branchMode === 'standard' || this.#branches.hasStandard,
    };
    const table = desiredTable({ marks: this.#marks, config, primaryLink: this.#primaryLink, interfaces, ...modes });
    const whole = withVirtualServices(table, { marks: this.#marks, config });
    return this.#hostPorts.extend(whole, {
      marks: this.#marks,
      primaryLink: this.#primaryLink,
      nodeAddress,
      own: this.#own,
    });
  }

  /** First what is missing, then what is too much, so that no packet falls between. */
  #applyRulesAndTable(): void {
    this.applyRules();
    this.replaceTable();
  }

  #routesOf(table: number): ReturnType<typeof readRoutes> {
    return readRoutes(this.#kernel.route, this.#marks.protocol, table);
  }

  #isOnPrimaryLink(ipv6Address: string): boolean {
    return readAddresses(this.#kernel.route, this.#primaryIndex).some(
      ({ address, flags }) => address === ipv6Address && (flags & IFA_F_TENTATIVE) === 0,
    );
  }

  #wantsIpv6({ family }: HostConfig): boolean {
    if (family === 'ipv6' || family === 'dual' || this.#egress.some((each) => each.family === 'ipv6')) return true;
    if (this.#branches.hasIpv6) return true;
    return this.#routesOf(this.#marks.podTable).some(({ destination }) => familyOf(destination) === 'ipv6');
  }

  #readSignature({ sets }: Table): TableSignature {
    const filled = sets.map(({ name }) => name);
    return readSignature(this.#kernel.nft, this.#marks.nftTable, filled);
  }

  #tableDifferences(config: HostConfig): readonly Difference[] {
    const wanted = this.#wantedTable(config);
    if (this.#signature === undefined) return [];
    return tableDifferences(wanted, this.#signature, this.#readSignature(wanted));
  }

  #familiesWithMainRule(): readonly IpFamily[] {
    const found = new Set(readRules(this.#kernel, kernelRules('ipv4').protocol).map(ruleText));
    return this.#families.filter((family) => found.has(ruleText(kernelRules(family))));
  }

  /** First accept_ra: once a host forwards, it drops the default routes it has from routers, unless the value is 2. */
  #hostSysctls(primaryLink: string): Readonly<Record<string, string>> {
    return {
      'net/ipv4/ip_forward': '1',
      ...(this.#config?.disableTcpEarlyDemux === true && { 'net/ipv4/tcp_early_demux': '0' }),
      ...(this.#families.includes('ipv6') && {
        'net/ipv6/conf/all/disable_ipv6': '0',
        [`net/ipv6/conf/${primaryLink}/disable_ipv6`]: '0',
        [`net/ipv6/conf/${primaryLink}/accept_ra`]: '2',
        'net/ipv6/conf/all/forwarding': '1',
      }),
    };
  }

  /** Before the link comes up; a router's advertisement must not make it the node's default. */
  #interfaceSysctls(link: string): Readonly<Record<string, string>> {
    if (!this.#families.includes('ipv6')) return {};
    return { [`net/ipv6/conf/${link}/disable_ipv6`]: '0', [`net/ipv6/conf/${link}/accept_ra`]: '0' };
  }

  /** The subnet's connected route must not appear in table main, hence IFA_F_NOPREFIXROUTE. */
  #addressChanges(one: HostInterface, link: Link, family: IpFamily): ReturnType<typeof addAddress>[] {
    const own = interfaceAddress(this.#marks, one, link.index, family);
    const isRight = (found: LinkAddress): boolean =>
      found.address === own?.address &&
      found.prefixLength === own.prefixLength &&
      (found.flags & IFA_F_NOPREFIXROUTE) !== 0;
    const strays = readAddresses(this.#kernel.route, link.index).filter(
      (found) => found.scope === 0 && familyOf(found.address) === family && !isRight(found),
    );
    const due = [...(family === 'ipv6' ? [linkLocalAddress(link)] : []), ...(own === undefined ? [] : [own])];
    return withBridge(own, strays, [...strays.map(deleteAddress), ...due.map(addAddress)]);
  }
}
