/**
 * What the journal says, record by record, and the state that a list of records amounts to. Pure.
 *
 * One line for each record: eight hex digits of CRC-32, a space, JSON, a newline. Lines stand alone: a torn or damaged
 * one is left out and counted, the others hold.
 */
import { crc32 } from 'node:zlib';
import { addressesOf, attachmentKey } from '#warm-pool/ledger.ts';
import type { Bandwidth, PortMapping } from '#cni/spec/runtime-config.ts';
import type { Action, Assignment, Attachment, CoolDown, NetworkInterface } from '#warm-pool/model.ts';
import type { InstanceIdentity, InstanceTypeDescription } from '#cloud/provider.ts';
import type { BranchInterface, LinkMacs } from '../datapath/datapath.ts';
import type { EniConfig } from '../kubernetes/cluster-view.ts';
import { type OwnWrite, youngWrites } from './own-writes.ts';

export const JOURNAL_VERSION = 1;

/** What is kept of an assignment beside the ledger's own data: enough to unplug it after a restart. */
export interface StoredAssignment extends Assignment {
  readonly hostIfName: string;
  readonly netns: string;
  /** Set where another CNI made the pod's link, routes and rules (start/peer-pods.ts); they are not ours to list or check. */
  readonly plumbedBy?: 'amazon-vpc-cni';
  /** Of a link that was taken over from another CNI; absent where they are derived from the attachment. */
  readonly macs?: LinkMacs;
  /** Set on the further interfaces of a multi-NIC pod: the interface of the same container that the runtime knows. */
  readonly parent?: string;
  /** Ports of the node that lead to it; absent where it publishes none. */
  readonly portMappings?: readonly PortMapping[];
  /** Absent where it has no limits. */
  readonly bandwidth?: Bandwidth;
}

/** A pod with an ENI of its own. `interfaceId` is that ENI; the pool knows nothing of it. */
export interface StoredBranch extends StoredAssignment {
  readonly branch: BranchInterface;
}

export type JournalRecord =
  /** First record of every daemon start. Another boot_id than before makes every attachment void. */
  | {
      readonly kind: 'start';
      readonly version: number;
      readonly bootId: string;
      readonly at: number;
      /** When the node booted, by its own time (node-time.ts). */
      readonly bootedAt?: number;
    }
  | { readonly kind: 'node'; readonly identity: InstanceIdentity; readonly instanceType: InstanceTypeDescription }
  /** The interface as it is now; replaces what was said of it before. */
  | { readonly kind: 'interface'; readonly networkInterface: NetworkInterface; readonly subnetCidr: string }
  | { readonly kind: 'interface-gone'; readonly interfaceId: string }
  | { readonly kind: 'assign'; readonly assignment: StoredAssignment }
  | {
      readonly kind: 'unassign';
      readonly attachment: Attachment;
      readonly coolDown: CoolDown;
      /** Of the second address of a dual-stack pod. */
      readonly ipv6CoolDown?: CoolDown;
    }
  | { readonly kind: 'branch'; readonly assignment: StoredBranch }
  | { readonly kind: 'branch-gone'; readonly attachment: Attachment }
  | { readonly kind: 'cool-down'; readonly coolDown: CoolDown }
  /** Written before a call that creates something, so that a crash before its answer can be resolved. */
  | { readonly kind: 'intent'; readonly intent: Intent }
  | { readonly kind: 'intent-done'; readonly intentId: string }
  /** What the cloud was told, for as long as that outranks its reads. */
  | { readonly kind: 'own-write'; readonly write: OwnWrite }
  /** Custom networking: the ENIConfig that was usable last; null where the API server said that there is none. */
  | { readonly kind: 'eni-config'; readonly eniConfig: EniConfig | null };

export interface Intent {
  readonly id: string;
  readonly action: Action;
  readonly at: number;
}

export interface StoredInterface {
  readonly networkInterface: NetworkInterface;
  readonly subnetCidr: string;
}

export interface JournalState {
  readonly bootId: string | undefined;
  readonly bootedAt: number | undefined;
  /** The latest time of which a record speaks; 0 where none does. */
  readonly latest: number;
  readonly identity: InstanceIdentity | undefined;
  readonly instanceType: InstanceTypeDescription | undefined;
  readonly interfaces: ReadonlyMap<string, StoredInterface>;
  readonly assignments: ReadonlyMap<string, StoredAssignment>;
  /** Pods with ENIs of their own. */
  readonly branches: ReadonlyMap<string, StoredBranch>;
  readonly coolDowns: ReadonlyMap<string, CoolDown>;
  readonly intents: ReadonlyMap<string, Intent>;
  /** Oldest first; those that were too old when the latest was made are left out. */
  readonly ownWrites: readonly OwnWrite[];
  readonly eniConfig?: EniConfig | undefined;
}

export function encodeRecord(record: JournalRecord): string {
  const json = JSON.stringify(record);
  return `${checksum(json)} ${json}\n`;
}

/** Decodes a whole journal. `damaged` counts lines that could not be read, a torn last line included. */
export function decodeJournal(text: string): { readonly records: readonly JournalRecord[]; readonly damaged: number } {
  const records: JournalRecord[] = [];
  let damaged = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const record = decodeLine(line);
    if (record === undefined) damaged += 1;
    else records.push(record);
  }
  return { records, damaged };
}

function decodeLine(line: string): JournalRecord | undefined {
  const json = line.slice(9);
  if (line[8] !== ' ' || checksum(json) !== line.slice(0, 8)) return undefined;
  try {
    return JSON.parse(json) as JournalRecord;
  } catch {
    return undefined;
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

/** Plays the records in order. */
export function replay(records: readonly JournalRecord[]): JournalState {
  const state = {
    bootId: undefined as string | undefined,
    bootedAt: undefined as number | undefined,
    latest: 0,
    identity: undefined as InstanceIdentity | undefined,
    instanceType: undefined as InstanceTypeDescription | undefined,
    interfaces: new Map<string, StoredInterface>(),
    assignments: new Map<string, StoredAssignment>(),
    branches: new Map<string, StoredBranch>(),
    coolDowns: new Map<string, CoolDown>(),
    intents: new Map<string, Intent>(),
    ownWrites: [] as readonly OwnWrite[],
    eniConfig: undefined as EniConfig | undefined,
  };
  // An address in somebody's hands does not rest, whoever had it before.
  const rest = (coolDown: CoolDown) => {
    const held = [...state.assignments.values()].some((one) => addressesOf(one).includes(coolDown.address));
    if (!held) state.coolDowns.set(coolDown.address, coolDown);
  };
  for (const record of records) {
    state.latest = Math.max(state.latest, timeOf(record));
    switch (record.kind) {
      case 'start':
        state.bootId = record.bootId;
        state.bootedAt = record.bootedAt;
        break;
      case 'node':
        state.identity = record.identity;
        state.instanceType = record.instanceType;
        break;
      case 'interface': {
        const { networkInterface, subnetCidr } = record;
        state.interfaces.set(networkInterface.id, { networkInterface, subnetCidr });
        break;
      }
      case 'interface-gone':
        state.interfaces.delete(record.interfaceId);
        break;
      case 'assign': {
        const given = addressesOf(record.assignment);
        // A release whose record could not be written (a full disk) is implied by the next assignment of the address.
        for (const [key, other] of state.assignments) {
          if (addressesOf(other).some((address) => given.includes(address))) state.assignments.delete(key);
        }
        state.assignments.set(attachmentKey(record.assignment.attachment), record.assignment);
        for (const address of given) state.coolDowns.delete(address);
        break;
      }
      case 'unassign':
        state.assignments.delete(attachmentKey(record.attachment));
        rest(record.coolDown);
        if (record.ipv6CoolDown !== undefined) rest(record.ipv6CoolDown);
        break;
      case 'branch':
        state.branches.set(attachmentKey(record.assignment.attachment), record.assignment);
        break;
      case 'branch-gone':
        state.branches.delete(attachmentKey(record.attachment));
        break;
      case 'cool-down':
        rest(record.coolDown);
        break;
      case 'intent':
        state.intents.set(record.intent.id, record.intent);
        break;
      case 'intent-done':
        state.intents.delete(record.intentId);
        break;
      case 'own-write':
        state.ownWrites = [...youngWrites(state.ownWrites, record.write.at), record.write];
        break;
      case 'eni-config':
        state.eniConfig = record.eniConfig ?? undefined;
        break;
      default:
        record satisfies never;
    }
  }
  return state;
}

/** When a record was made, where it says so; 0 otherwise. */
function timeOf(record: JournalRecord): number {
  switch (record.kind) {
    case 'start':
      return record.at;
    case 'assign':
    case 'branch':
      return record.assignment.assignedAt;
    case 'intent':
      return record.intent.at;
    case 'own-write':
      return record.write.at;
    case 'node':
    case 'interface':
    case 'interface-gone':
    case 'unassign':
    case 'branch-gone':
    case 'cool-down':
    case 'intent-done':
    case 'eni-config':
      return 0;
    default:
      return record satisfies never;
  }
}

/** The shortest journal that amounts to this state; cool-downs that are over are left out. */
export function compact(state: JournalState, now: number): readonly JournalRecord[] {
  const records: JournalRecord[] = [];
  if (state.bootId !== undefined)
    records.push({
      kind: 'start',
      version: JOURNAL_VERSION,
      bootId: state.bootId,
      at: state.latest,
      ...(state.bootedAt === undefined ? {} : { bootedAt: state.bootedAt }),
    });
  if (state.identity !== undefined && state.instanceType !== undefined) {
    records.push({ kind: 'node', identity: state.identity, instanceType: state.instanceType });
  }
  for (const stored of state.interfaces.values()) records.push({ kind: 'interface', ...stored });
  for (const coolDown of state.coolDowns.values()) {
    if (coolDown.until > now) records.push({ kind: 'cool-down', coolDown });
  }
  for (const assignment of state.assignments.values()) records.push({ kind: 'assign', assignment });
  for (const assignment of state.branches.values()) records.push({ kind: 'branch', assignment });
  for (const intent of state.intents.values()) records.push({ kind: 'intent', intent });
  for (const write of youngWrites(state.ownWrites, now)) records.push({ kind: 'own-write', write });
  if (state.eniConfig !== undefined) records.push({ kind: 'eni-config', eniConfig: state.eniConfig });
  return records;
}
