/**
 * What this daemon has told the cloud a moment ago, and how that corrects what the cloud then says. EC2 answers reads
 * from copies that lag behind its writes ("eventual consistency", EC2 developer guide); for a bounded time the write is
 * the better witness. Pure.
 */
import { cidr, overlaps } from '#warm-pool/address.ts';
import type { Filters, InterfaceAttachment, NetworkInterfaceDescription } from '#cloud/provider.ts';

/**
 * How long a write outranks a read, milliseconds until the read was asked for. Reads of EC2 are seldom more than a few seconds behind; twice that
 * leaves room, and is short enough that a change that somebody else made just after ours is seen soon.
 */
export const OWN_WRITE_OUTRANKS_MS = 10_000;

interface Blocks {
  readonly interfaceId: string;
  readonly addresses: readonly string[];
  readonly prefixes: readonly string[];
}

/** One write; `at` is when its answer came, or where there was none (yet), when it was asked. */
export type OwnWrite = { readonly at: number } & (
  | /** More was asked for: a later look is worth while. What an assign without an answer gave, that look finds. */ {
      readonly kind: 'asked';
      readonly interfaceId: string;
    }
  | ({ readonly kind: 'assigned' } & Blocks)
  /** Told before the call: from then on nobody may rely on these, whatever comes of it. */
  | ({ readonly kind: 'unassigned' } & Blocks)
  /** The cloud refused the release: its reads count again. */
  | ({ readonly kind: 'kept' } & Blocks)
  | { readonly kind: 'created'; readonly networkInterface: NetworkInterfaceDescription }
  | {
      readonly kind: 'attached';
      readonly networkInterface: NetworkInterfaceDescription;
      readonly attachment: InterfaceAttachment;
    }
  | { readonly kind: 'detached'; readonly attachmentId: string }
  | { readonly kind: 'deleted'; readonly interfaceId: string }
);

/** What a Describe asked for. */
export interface Question {
  readonly ids?: readonly string[];
  readonly filters?: Filters;
}

/** The writes that still outrank a read. A time ahead of `now` (the clock was set back) counts as its distance. */
export function youngWrites(writes: readonly OwnWrite[], now: number): readonly OwnWrite[] {
  return writes.filter(({ at }) => Math.abs(now - at) < OWN_WRITE_OUTRANKS_MS);
}

/** When each young release on an interface stops outranking reads; until then what it gave back is hidden. */
export function releasesEnd(writes: readonly OwnWrite[], interfaceId: string, now: number): readonly number[] {
  return youngWrites(writes, now).flatMap((write) =>
    write.kind === 'unassigned' && write.interfaceId === interfaceId ? [write.at + OWN_WRITE_OUTRANKS_MS] : [],
  );
}

/** The interfaces of which a read may not tell the whole truth yet. */
export function doubtful(writes: readonly OwnWrite[], now: number): ReadonlySet<string> {
  return new Set(
    youngWrites(writes, now).flatMap((write) => {
      if ('interfaceId' in write) return [write.interfaceId];
      return 'networkInterface' in write ? [write.networkInterface.id] : [];
    }),
  );
}

/**
 * What the cloud described, with own writes (oldest first) that are young enough applied to it: what was given stays,
 * what was given back does not return, and an answer that no longer fits the question is left out.
 */
export function outrank(
  described: readonly NetworkInterfaceDescription[],
  writes: readonly OwnWrite[],
  question: Question,
  now: number,
): readonly NetworkInterfaceDescription[] {
  return withWrites(described, youngWrites(writes, now), question);
}

/** The same with all of these writes, whatever their age. */
export function withWrites(
  described: readonly NetworkInterfaceDescription[],
  young: readonly OwnWrite[],
  question: Question,
): readonly NetworkInterfaceDescription[] {
  if (young.length === 0) return described;
  const before = new Map(described.map((each) => [each.id, each]));
  const after = new Map(before);
  for (const write of young) apply(after, write);
  const held = heldBlocks(young);
  const given = [...held.values()].flatMap((blocks) => [...blocks].flatMap(([block, is]) => (is ? [block] : [])));
  return [...after.values()].flatMap((each) => {
    const blocks = held.get(each.id) ?? new Map<string, boolean>();
    const corrected = blocks.size === 0 && given.length === 0 ? each : withBlocks(each, blocks, given);
    return corrected === before.get(each.id) || fits(corrected, question) ? [corrected] : [];
  });
}

function apply(known: Map<string, NetworkInterfaceDescription>, write: OwnWrite): void {
  switch (write.kind) {
    case 'created':
      if (!known.has(write.networkInterface.id)) known.set(write.networkInterface.id, write.networkInterface);
      return;
    case 'attached': {
      const { attachment } = write;
      const said = known.get(write.networkInterface.id) ?? write.networkInterface;
      // The cloud's own word on this very attachment is richer than ours.
      if (said.attachment?.attachmentId !== attachment.attachmentId)
        known.set(said.id, { ...said, attachment, status: 'in-use' });
      return;
    }
    case 'detached':
      for (const each of known.values()) {
        if (each.attachment?.attachmentId === write.attachmentId)
          known.set(each.id, { ...each, attachment: undefined, status: 'detaching' });
      }
      return;
    case 'deleted':
      known.delete(write.interfaceId);
      return;
    case 'asked':
    case 'assigned':
    case 'unassigned':
    case 'kept':
      return;
    default:
      write satisfies never;
  }
}

type Held = ReadonlyMap<string, boolean>;

/** For each interface, whether we hold an address or prefix by our latest word on it. */
function heldBlocks(young: readonly OwnWrite[]): ReadonlyMap<string, Held> {
  const all = new Map<string, Map<string, boolean>>();
  for (const write of young) {
    if (write.kind === 'created') {
      const { id, secondaryAddresses, ipv4Prefixes, ipv6Prefixes } = write.networkInterface;
      const blocks = [...secondaryAddresses, ...ipv4Prefixes, ...ipv6Prefixes];
      for (const block of blocks) letGo(all, block);
      all.set(id, new Map(blocks.map((block) => [block, true])));
    }
    if (write.kind === 'deleted') all.delete(write.interfaceId);
    if (write.kind !== 'assigned' && write.kind !== 'unassigned' && write.kind !== 'kept') continue;
    const held = all.get(write.interfaceId) ?? new Map<string, boolean>();
    all.set(write.interfaceId, held);
    for (const block of [...write.addresses, ...write.prefixes]) {
      if (write.kind === 'assigned') letGo(all, block);
      if (write.kind === 'kept') held.delete(block);
      else held.set(block, write.kind === 'assigned');
    }
  }
  return all;
}

/** What the cloud gives now it has taken from whoever had it, in the same shape or another. */
function letGo(all: ReadonlyMap<string, Map<string, boolean>>, block: string): void {
  for (const held of all.values()) {
    for (const [other, is] of held) if (is && areOverlapping(other, block)) held.set(other, false);
  }
}

/** IPv6 blocks are all of one size. */
function areOverlapping(a: string, b: string): boolean {
  if (a.includes(':') || b.includes(':')) return a === b;
  return overlaps(cidr(a.includes('/') ? a : `${a}/32`), cidr(b.includes('/') ? b : `${b}/32`));
}

/** `given`: everything that is ours by our latest word, on whatever interface. */
function withBlocks(
  before: NetworkInterfaceDescription,
  held: Held,
  given: readonly string[],
): NetworkInterfaceDescription {
  const isOld = (block: string) => held.get(block) !== true && given.some((ours) => areOverlapping(ours, block));
  const said = {
    ...before,
    secondaryAddresses: before.secondaryAddresses.filter((block) => !isOld(block)),
    ipv4Prefixes: before.ipv4Prefixes.filter((block) => !isOld(block)),
    ipv6Prefixes: before.ipv6Prefixes.filter((block) => !isOld(block)),
  };
  const of = (ipv6: boolean, prefix: boolean) => (block: string) =>
    block.includes(':') === ipv6 && block.includes('/') === prefix;
  return {
    ...said,
    secondaryAddresses: corrected(said.secondaryAddresses, held, of(false, false)),
    ipv4Prefixes: corrected(said.ipv4Prefixes, held, of(false, true)),
    ipv6Addresses: corrected(said.ipv6Addresses, held, of(true, false)),
    ipv6Prefixes: corrected(said.ipv6Prefixes, held, of(true, true)),
  };
}

function corrected(said: readonly string[], held: Held, isOfKind: (block: string) => boolean): readonly string[] {
  const ours = [...held].flatMap(([block, is]) => (is && isOfKind(block) ? [block] : []));
  return [...new Set([...said.filter((block) => held.get(block) !== false), ...ours])];
}

/** Whether a corrected description still answers the question, as far as the filters that this daemon uses go. */
function fits(each: NetworkInterfaceDescription, { ids, filters = {} }: Question): boolean {
  if (ids !== undefined && !ids.includes(each.id)) return false;
  return Object.entries(filters).every(([name, wanted]) => {
    const value = filterValue(each, name);
    return value !== undefined && wanted.includes(value);
  });
}

function filterValue(each: NetworkInterfaceDescription, name: string): string | undefined {
  if (name.startsWith('tag:')) return each.tags[name.slice('tag:'.length)];
  switch (name) {
    case 'attachment.instance-id':
      return each.attachment?.instanceId;
    case 'status':
      return each.status;
    case 'vpc-id':
      return each.vpcId;
    case 'subnet-id':
      return each.subnetId;
    default:
      return undefined;
  }
}
