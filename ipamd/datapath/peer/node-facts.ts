/** What the kernel of a node tells of amazon-vpc-cni-k8s: its pods' links, what stands on them, and its objects. */
import type { OwnershipMarks, PeerRemain } from '../datapath.ts';
import { decodeQdisc, dumpQdiscs } from '../bandwidth/qdisc.ts';
import { isOurLink } from '../branch/numbers.ts';
import { asDatapathError, openKernel, readLinks, type Kernel } from '../kernel.ts';
import { completeMarks } from '../marks.ts';
import { dump } from '../netlink/exchange.ts';
import { peerRemains } from './remains.ts';

/** A snapshot. */
export interface PeerKernelFacts {
  /** Links of the host that are not ours. */
  readonly links: readonly string[];
  /** Those of them with a `clsact` qdisc, on which the peer's network policy agent puts its programs. */
  readonly withPrograms: readonly string[];
  /** VLAN links of running pods that have ENIs of their own. */
  readonly branchLinks: readonly string[];
  /** Links that are ours. */
  readonly ours: readonly string[];
  readonly remains: readonly PeerRemain[];
}

/** Needs CAP_NET_ADMIN. `hostNetns`: path of the namespace to look at; this process's own if left out. Throws `DatapathError`. */
export async function readPeerKernel(hostNetns?: string): Promise<PeerKernelFacts> {
  using kernel = await openKernel({ hostNetns });
  try {
    return factsOf(kernel, completeMarks());
  } catch (error) {
    throw asDatapathError(error);
  }
}

function factsOf(kernel: Kernel, marks: OwnershipMarks): PeerKernelFacts {
  const all = readLinks(kernel);
  const [ours, foreign] = [true, false].map((own) => all.filter(({ group }) => isOurLink(marks, group) === own));
  const clsact = new Set(
    dump(kernel.route, dumpQdiscs())
      .map(({ body }) => decodeQdisc(body))
      .flatMap(({ kind, link }) => (kind === 'clsact' ? [link] : [])),
  );
  const names = (some: typeof all | undefined) => (some ?? []).map(({ name }) => name);
  return {
    links: names(foreign),
    withPrograms: names(foreign?.filter(({ index, kind }) => kind === 'veth' && clsact.has(index))),
    branchLinks: names(foreign?.filter(({ name }) => /^vlan\.eth\.\d+$/.test(name))),
    ours: names(ours),
    remains: peerRemains(kernel, marks),
  };
}
