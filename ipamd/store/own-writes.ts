/**
 * What this daemon has told the cloud a moment ago, and how that corrects what the cloud then says. EC2 answers reads
 * from copies that lag behind its writes ("eventual consistency", EC2 developer guide); for a bounded time the write is
 * the better witness. Pure.
 */
import type { Filters, InterfaceAttachment, NetworkInterfaceDescription } from '#cloud/provider.ts';

/**
 * How long a write outranks a read, milliseconds. Reads of EC2 are seldom more than a few seconds behind; twice that
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
  | /** More was asked for; until it is answered, reads decide what the interface holds, and a later look is worth while. */ {
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
  const young = youngWrites(writes, now);
  if (young.length === 0) return described;
  const before = new Map(described.map((each) => [each.id, each]));
  const after = new Map(before);
  for (const write of young) apply(after, write);
  const held = heldBlocks(young);
  return [...after.values()].flatMap((each) => {
    const blocks = held.get(each.id);
    const corrected = blocks === undefined ? each : withBlocks(each, blocks);
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
  for (const [index, write] of young.entries()) {
    // An assign that was not answered may have given again what was returned before: the reads decide.
    if (write.kind === 'asked' && !isAnswered(write.interfaceId, young.slice(index + 1))) all.delete(write.interfaceId);
    if (write.kind !== 'assigned' && write.kind !== 'unassigned' && write.kind !== 'kept') continue;
    const held = all.get(write.interfaceId) ?? new Map<string, boolean>();
    all.set(write.interfaceId, held);
    for (const block of [...write.addresses, ...write.prefixes]) {
      if (write.kind === 'kept') held.delete(block);
      else held.set(block, write.kind === 'assigned');
    }
  }
  return all;
}

function isAnswered(interfaceId: string, later: readonly OwnWrite[]): boolean {
  return later.some((write) => write.kind === 'assigned' && write.interfaceId === interfaceId);
}

function withBlocks(said: NetworkInterfaceDescription, held: Held): NetworkInterfaceDescription {
  const secondaryAddresses = corrected(said.secondaryAddresses, held, (block) => !block.includes('/'));
  const ipv4Prefixes = corrected(said.ipv4Prefixes, held, (block) => block.includes('/'));
  return { ...said, secondaryAddresses, ipv4Prefixes };
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
