/**
 * Branch ENIs on the host: their VLAN links, the routes by them and their rules. The veth pairs are made as all others are
 * (`../pod/pod-network.ts`). What is known of an earlier life comes from the kernel alone: each VLAN link is named after its
 * number and bears the name of the pod's link in its alias.
 */
import { DatapathError, type KernelBranchPod, type KernelPod, type OwnershipMarks } from '../datapath.ts';
import { byNetlink, compared, type Difference, type Repair } from '../drift/difference.ts';
import type { KernelState } from '../drift/kernel-state.ts';
import { familyOf } from '../ip.ts';
import { readLinkByName, readLinks, readRoutes, requireLinkByMac, type Kernel } from '../kernel.ts';
import { attempt, submit } from '../netlink/exchange.ts';
import { addAddress } from '../netlink/route/address.ts';
import { changeLink, withoutLinkLocalAddress, type Link, type LinkChange } from '../netlink/route/link.ts';
import { deleteRoute, replaceRoute, routeText } from '../netlink/route/route.ts';
import { deleteRule, ruleText, type Rule } from '../netlink/route/rule.ts';
import { linkLocalAddress } from '../host/desired.ts';
import { hasIpv6 } from '../pod/desired.ts';
import { attachmentKey } from '../names.ts';
import {
  branchRoutes,
  branchRules,
  knownBranch,
  type BranchPod,
  type BranchShare,
  type KnownBranch,
} from './desired.ts';
import { branchModeOf, branchTable, vlanGroup, vlanLinkName } from './numbers.ts';
import { createVlan } from './vlan-link.ts';

/** What becomes of links that are to go (`../pod/removal.ts`). */
export interface Retirement {
  add(links: readonly Pick<Link, 'index' | 'name'>[]): void;
  isPending(name: string): boolean;
  settled(): Promise<void>;
}

/** Reverse-path filter of VLAN links: loose, because the pod's address is in no table that is asked. */
const LOOSE = 2;
/** IFALIASZ is 256 with the terminating zero. */
const ALIAS_BYTES = 255;

/** See the file's comment. */
export class BranchNetwork {
  readonly #kernel: Kernel;
  readonly #marks: OwnershipMarks;
  readonly #retirement: Retirement;
  /** By the name of the pod's link. */
  readonly #known = new Map<string, KnownBranch>();

  constructor(kernel: Kernel, marks: OwnershipMarks, retirement: Retirement) {
    this.#kernel = kernel;
    this.#marks = marks;
    this.#retirement = retirement;
    this.#adopt();
  }

  /** Rules of all branch pods. */
  get rules(): readonly Rule[] {
    return [...this.#known.values()].flatMap((one) => branchRules(this.#marks, one));
  }

  /** Whether a pod needs what strict mode changes on the host. */
  get hasStrict(): boolean {
    return [...this.#known.values()].some(({ mode }) => mode === 'strict');
  }

  /** Whether one is in standard mode. */
  get hasStandard(): boolean {
    return [...this.#known.values()].some(({ mode }) => mode === 'standard');
  }

  /** Whether a pod of IPv6 is among them. */
  get hasIpv6(): boolean {
    return [...this.#known.values()].some(({ families }) => families.includes('ipv6'));
  }

  /** Makes the ENI's link and its table. Rules are the host's to put (`rules`). Throws `DatapathError` and `NetlinkError`. */
  async make(pod: BranchPod, mtu: number): Promise<void> {
    const { vlanId, mac, trunkMac } = pod.branch;
    const name = vlanLinkName(vlanId);
    const trunk = requireLinkByMac(this.#kernel, trunkMac);
    await this.#makeRoom(name);
    const group = vlanGroup(this.#marks);
    this.#create({ name, mac, parent: trunk.index, id: vlanId, group });
    // A VLAN link cannot be up while the link below is down.
    submit(this.#kernel.route, [changeLink(trunk.index, { mtu, up: true }, trunk.name)]);
    this.#known.set(pod.hostIfName, knownBranch(pod));
    const link = readLinkByName(this.#kernel.route, name);
    if (link === undefined) throw new DatapathError('kernel-refused', `${name} vanished while it was made`);
    if (hasIpv6(pod))
      this.#kernel.setSysctls({
        [`net/ipv6/conf/${name}/disable_ipv6`]: '0',
        [`net/ipv6/conf/${name}/accept_ra`]: '0',
      });
    submit(this.#kernel.route, [
      ...(hasIpv6(pod) ? [] : [withoutLinkLocalAddress(link.index, name)]),
      changeLink(link.index, { up: true, alias: vlanAlias(pod), rpFilter: LOOSE }, name),
      ...(hasIpv6(pod) ? [addAddress(linkLocalAddress(link))] : []),
    ]);
    const table = branchTable(vlanId);
    const old = readRoutes(this.#kernel.route, this.#marks.protocol, table);
    const routes = branchRoutes(this.#marks, pod, link.index);
    submit(this.#kernel.route, [...old.map(deleteRoute), ...routes.map(replaceRoute)]);
  }

  /** The pod's rules and routes go now, its VLAN link in the background. One that is not there is fine. */
  remove(hostIfName: string): void {
    const known = this.#known.get(hostIfName);
    if (known === undefined) return;
    this.#known.delete(hostIfName);
    this.#removeRules(known);
    const link = readLinkByName(this.#kernel.route, vlanLinkName(known.vlanId));
    // The number may be another pod's by now.
    if (link === undefined || ownerOf(link)?.hostIfName !== hostIfName) return;
    const routes = readRoutes(this.#kernel.route, this.#marks.protocol, branchTable(known.vlanId));
    submit(this.#kernel.route, routes.filter((route) => route.link === link.index).map(deleteRoute));
    this.#retirement.add([link]);
  }

  /** The branch pods of the kernel, of what it shows of all pods; a pod without a VLAN link has no number. */
  list(pods: readonly KernelPod[]): readonly KernelBranchPod[] {
    const links = readLinks(this.#kernel);
    const vlans = this.#vlans(links);
    const groups = new Map(links.map(({ index, group }) => [index, group]));
    const withVeth = pods.flatMap((pod): KernelBranchPod[] => {
      const mode = branchModeOf(this.#marks, groups.get(pod.ifIndex) ?? 0);
      if (mode === undefined) return [];
      const vlan = vlans.find((link) => ownerOf(link)?.hostIfName === pod.hostIfName);
      return [{ ...pod, mode, ...(vlan?.vlan === undefined ? {} : { vlanId: vlan.vlan.id, mac: vlan.mac }) }];
    });
    const seen = new Set(withVeth.map(({ hostIfName }) => hostIfName));
    const alone = vlans.flatMap((link): KernelBranchPod[] => {
      const owner = ownerOf(link);
      if (owner === undefined || seen.has(owner.hostIfName)) return [];
      return [{ ...owner, ifIndex: 0, addresses: [], mode: this.#known.get(owner.hostIfName)?.mode ?? 'strict' }];
    });
    return [...withVeth, ...alone];
  }

  /** What of the ENI's link and table is not as promised; rules are the host's to judge. A link that is gone nobody here repairs. */
  differences(state: KernelState, pod: BranchShare): readonly Difference[] {
    const { vlanId, mac, trunkMac } = pod.branch;
    const name = vlanLinkName(vlanId);
    const where = `branch link ${name}`;
    const link = state.links.get(name);
    if (link === undefined)
      return [{ kind: 'link', object: where, expected: 'present', found: 'missing', repair: { by: 'nobody' } }];
    const set = (change: LinkChange): Repair => byNetlink(changeLink(link.index, change, name));
    const check = (what: string, expected: string, found: string, repair: Repair): readonly Difference[] =>
      compared('link', `${where} ${what}`, { expected, found }, repair);
    const trunk = state.linkWithMac(trunkMac)?.index;
    const parent = link.vlan?.parent;
    const group = vlanGroup(this.#marks);
    const found = new Set(state.routes(branchTable(vlanId)).map(routeText));
    return [
      ...check('VLAN', String(vlanId), String(link.vlan?.id ?? 'none'), { by: 'nobody' }),
      // Of a pod whose record was lost, trunk and subnet are not known.
      ...(trunkMac === ''
        ? []
        : check('trunk', trunkMac, parent === trunk ? trunkMac : `link #${parent}`, { by: 'nobody' })),
      ...check('MAC', mac, link.mac, set({ mac })),
      ...check('group', String(group), String(link.group), set({ group })),
      ...check('alias', vlanAlias(pod), link.alias, set({ alias: vlanAlias(pod) })),
      ...check('state', 'up', link.up ? 'up' : 'down', set({ up: true })),
      ...branchRoutes(this.#marks, ofKnownSubnets(pod), link.index).flatMap((route) => {
        const text = routeText(route);
        const values = { expected: text, found: found.has(text) ? text : 'missing' };
        return compared('route', 'branch route', values, byNetlink(replaceRoute(route)));
      }),
    ];
  }

  /** Forgets all; the links go with all others of ours. */
  forgetAll(): void {
    this.#known.clear();
  }

  #create(vlan: Parameters<typeof createVlan>[0]): void {
    const [refused] = attempt(this.#kernel.route, [createVlan(vlan)]);
    if (refused === undefined) return;
    if (!['EOPNOTSUPP', 'ENOTSUP'].includes(refused.errno)) throw refused;
    throw new DatapathError(
      'kernel-refused',
      `${refused.message}: this kernel has no VLAN links; load the module 8021q, which security groups for pods need`,
      { errno: refused.errno, cause: refused },
    );
  }

  /** A link of this number is left over from a pod whose DEL has not come; EC2 gives a number to one ENI at a time. */
  async #makeRoom(name: string): Promise<void> {
    if (this.#retirement.isPending(name)) await this.#retirement.settled();
    const old = readLinkByName(this.#kernel.route, name);
    if (old === undefined) return;
    if (old.group !== vlanGroup(this.#marks))
      throw new DatapathError('name-in-use', `a link ${name} that is not ours exists on the host`, { errno: 'EEXIST' });
    const owner = ownerOf(old);
    const known = owner === undefined ? undefined : this.#known.get(owner.hostIfName);
    if (known !== undefined) {
      this.#known.delete(known.hostIfName);
      this.#removeRules(known);
    }
    this.#retirement.add([old]);
    await this.#retirement.settled();
  }

  /** Rules that other pods want, too, stay: a number may have passed from one to another. */
  #removeRules(known: KnownBranch): void {
    const wanted = new Set(this.rules.map(ruleText));
    const gone = branchRules(this.#marks, known).filter((rule) => !wanted.has(ruleText(rule)));
    submit(this.#kernel.route, gone.map(deleteRule));
  }

  #vlans(links: readonly Link[]): readonly Link[] {
    return links.filter(({ group, vlan }) => group === vlanGroup(this.#marks) && vlan !== undefined);
  }

  #adopt(): void {
    const links = readLinks(this.#kernel);
    const vlans = this.#vlans(links);
    if (vlans.length === 0) return;
    const routes = readRoutes(this.#kernel.route, this.#marks.protocol, 0);
    for (const link of vlans) {
      const owner = ownerOf(link);
      if (owner === undefined || link.vlan === undefined) continue;
      const veth = links.find(({ name }) => name === owner.hostIfName);
      const mode = branchModeOf(this.#marks, veth?.group ?? 0) ?? 'strict';
      const families = new Set(
        routes.filter((route) => route.link === link.index).map(({ destination }) => familyOf(destination)),
      );
      const { hostIfName } = owner;
      this.#known.set(hostIfName, { hostIfName, vlanId: link.vlan.id, mode, families: [...families] });
    }
  }
}

function vlanAlias({ hostIfName, containerId, ifName }: BranchShare): string {
  return `${hostIfName} ${attachmentKey(containerId, ifName)}`.slice(0, ALIAS_BYTES);
}

function ofKnownSubnets(pod: BranchShare): BranchShare {
  if (pod.branch.subnetCidr !== undefined) return pod;
  return { ...pod, addresses: pod.addresses.filter((address) => familyOf(address) === 'ipv6') };
}

/** The pod that a VLAN link belongs to, by its alias. */
function ownerOf({ alias }: Link): { readonly hostIfName: string; readonly key: string } | undefined {
  const space = alias.indexOf(' ');
  return space < 1 ? undefined : { hostIfName: alias.slice(0, space), key: alias.slice(space + 1) };
}
