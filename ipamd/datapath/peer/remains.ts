/** All that amazon-vpc-cni-k8s left on the host, and which of it something still needs. */
import type { OwnershipMarks, PeerRemain } from '../datapath.ts';
import { routesToPods } from '../host/peer-pod.ts';
import { readLinks, readRules, type Kernel } from '../kernel.ts';
import { isOurLink } from '../branch/numbers.ts';
import { attempt } from '../netlink/exchange.ts';
import { ruleText } from '../netlink/route/rule.ts';
import { nftRemains, removeNftRemains, type NftRemain } from './nft-remains.ts';
import { peerRules, type PeerRule } from './rules.ts';

/** A VLAN link by which a pod with an ENI of its own sends. */
const BRANCH_LINK = /^vlan\.eth\.\d+$/;

/** What is there. Throws `NetlinkError`. */
export function peerRemains(kernel: Kernel, marks: OwnershipMarks): readonly PeerRemain[] {
  return listed(kernel, marks).map(({ what, neededBy }) => ({ what, neededBy }));
}

/** Removes what nothing needs, and tells what was there before. Throws `NetlinkError`. */
export function removePeerRemains(kernel: Kernel, marks: OwnershipMarks): readonly PeerRemain[] {
  const all = listed(kernel, marks);
  const free = all.filter(({ neededBy }) => neededBy === undefined);
  removeNftRemains(
    kernel.nft,
    free.flatMap(({ object }) => (isRule(object) ? [] : [object])),
  );
  const [refused] = attempt(
    kernel.route,
    free.flatMap(({ object }) => (isRule(object) ? [object.deletion] : [])),
  );
  if (refused !== undefined) throw refused;
  return all.map(({ what, neededBy }) => ({ what, neededBy }));
}

interface Remain extends PeerRemain {
  readonly object: PeerRule | NftRemain;
}

function listed(kernel: Kernel, marks: OwnershipMarks): readonly Remain[] {
  const links = readLinks(kernel);
  const isForeign = (index: number): boolean =>
    links.some((link) => link.index === index && !isOurLink(marks, link.group) && link.kind === 'veth');
  /** Addresses of pods that the peer's layout still serves. */
  const served = new Set(
    routesToPods(kernel.route).flatMap(({ link, destination }) => (isForeign(link) ? destination : [])),
  );
  const branches = links.filter(({ name, group }) => BRANCH_LINK.test(name) && !isOurLink(marks, group));
  const byPods = served.size === 0 ? undefined : `pods that it plumbed (${served.size})`;
  const byBranches = branches.length === 0 ? undefined : `pods with branch ENIs (${branches.length})`;
  const [rules, objects] = [peerRules(kernel.route, marks.protocol), nftRemains(kernel.nft)];
  const ofPods = objects.filter(({ kind }) => kind === 'chain-of-pod').length;
  const shared = byPods ?? byBranches;
  const ours = new Set(readRules(kernel, marks.protocol).map((rule) => ruleText({ ...rule, protocol: 0 })));
  return [
    ...rules.map((rule) => ({
      object: rule,
      what: `rule ${rule.text}`,
      neededBy: ruleNeededBy(rule, served, shared, ours),
    })),
    ...objects.map((object) => ({ object, what: object.what, neededBy: objectNeededBy(object, ofPods, shared) })),
  ];
}

function ruleNeededBy(
  rule: PeerRule,
  served: ReadonlySet<string>,
  shared: string | undefined,
  ours: ReadonlySet<string>,
): string | undefined {
  switch (rule.kind) {
    case 'to-pod':
    case 'from-pod':
      return served.has(rule.address) ? 'a pod that it plumbed' : undefined;
    case 'from-interface': {
      // An ENI that this daemon does not manage keeps its way.
      const same = `32765: from ${rule.address} lookup ${rule.table} proto 0`;
      return ours.has(same) ? undefined : 'an ENI that is not of the pool';
    }
    case 'connection-mark':
    case 'to-main':
      return shared;
    default:
      return rule.kind satisfies never;
  }
}

function objectNeededBy({ kind }: NftRemain, ofPods: number, shared: string | undefined): string | undefined {
  if (kind === 'chain-of-pod') return 'a pod with host ports or egress of the other family, until that pod is deleted';
  if (kind === 'egress-rule' && ofPods > 0) return `pods with egress of the other family (${ofPods})`;
  return shared;
}

function isRule(object: PeerRule | NftRemain): object is PeerRule {
  return 'deletion' in object;
}
