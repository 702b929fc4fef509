/**
 * Everything of ours in the kernel, recognised by our numbers alone (README of this folder): what it is, and its removal. No
 * state is needed; neither journal nor daemon.
 */
import type { OwnershipMarks } from './datapath.ts';
import { createKernelDatapath } from './kernel-datapath.ts';
import { asDatapathError, openKernel, readAddresses, readLinks, readRoutes, readRules, type Kernel } from './kernel.ts';
import { isOurLink } from './branch/numbers.ts';
import { completeMarks } from './marks.ts';
import { dump } from './netlink/exchange.ts';
import { routeText } from './netlink/route/route.ts';
import { ruleText } from './netlink/route/rule.ts';
import { dumpTables, decodeTableName } from './nftables/table.ts';

/** One object of ours, in words of `ip` or `nft`. */
export interface OwnObject {
  readonly kind: 'link' | 'rule' | 'route' | 'address' | 'nft table';
  readonly what: string;
}

/** What is there, and whether it has been removed. */
export interface CleanUp {
  readonly removed: boolean;
  readonly objects: readonly OwnObject[];
  /** What is there after the removal all the same; empty before. */
  readonly left: readonly OwnObject[];
}

/** How to clean up: whether to remove anything, and where. */
export interface CleanUpOptions {
  readonly remove: boolean;
  /** Path of the network namespace to act on; this process's own if left out. */
  readonly hostNetns?: string | undefined;
}

/** Lists what is ours, and removes it if told to. Needs CAP_NET_ADMIN for both, because of nftables. Throws `DatapathError`. */
export async function cleanUp({ remove, hostNetns }: CleanUpOptions): Promise<CleanUp> {
  const objects = await listOwn(hostNetns);
  if (!remove) return { removed: false, objects, left: [] };
  await using datapath = await createKernelDatapath(hostNetns === undefined ? {} : { hostNetns });
  await datapath.cleanUp();
  return { removed: true, objects, left: await listOwn(hostNetns) };
}

async function listOwn(hostNetns: string | undefined): Promise<readonly OwnObject[]> {
  using kernel = await openKernel({ hostNetns });
  try {
    return ownObjects(kernel, completeMarks());
  } catch (error) {
    throw asDatapathError(error);
  }
}

function ownObjects(kernel: Kernel, marks: OwnershipMarks): readonly OwnObject[] {
  const links = readLinks(kernel);
  const nameOf = (index: number): string => links.find((link) => link.index === index)?.name ?? `index ${index}`;
  const some = <T>(kind: OwnObject['kind'], found: readonly T[], text: (one: T) => string): readonly OwnObject[] =>
    found.map((one) => ({ kind, what: text(one) }));
  return [
    ...some(
      'link',
      links.filter(({ group }) => isOurLink(marks, group)),
      ({ name, alias }) => `${name}${alias === '' ? '' : ` (${alias})`}`,
    ),
    ...some('rule', readRules(kernel, marks.protocol), ruleText),
    ...some('route', readRoutes(kernel.route, marks.protocol, 0), (route) =>
      routeText(route).replace(`dev #${route.link}`, `dev ${nameOf(route.link)}`),
    ),
    ...some(
      'address',
      readAddresses(kernel.route, 0).filter(({ protocol }) => protocol === marks.protocol),
      ({ address, prefixLength, index }) => `${address}/${prefixLength} dev ${nameOf(index)}`,
    ),
    ...some(
      'nft table',
      dump(kernel.nft, dumpTables())
        .map(({ body }) => decodeTableName(body))
        .filter((name) => name === marks.nftTable),
      (name) => `inet ${name}`,
    ),
  ];
}
