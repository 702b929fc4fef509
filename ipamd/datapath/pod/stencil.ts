/**
 * The messages of a pod by way of those of another one. Pods of a node differ in names, addresses and numbers, which stand at the same
 * places in the same messages; so these places are found once, and for the next pod they are all that is written. To make a pod's messages
 * anew takes five times as long, after the kernel's work for another pod has emptied the processor's caches (docs/decisions/0029).
 */
import type { LinkMacs, PodAttachment } from '../datapath.ts';
import { familyOf, parseAddress } from '../ip.ts';
import type { Batch } from '../netlink/message.ts';
import { macOctet } from '../netlink/route/link.ts';
import { linkGroup, podMacs } from './desired.ts';
import { podMessages, type PodMessages, type PodPlace, requestsOf, type Step, STEPS } from './messages.ts';

/** What differs between pods of one shape. An address is told by its place among the pod's. */
type Field = 'hostIndex' | 'netnsFd' | 'hostIfName' | 'containerId' | keyof LinkMacs | number;

/** Where a field's bytes stand. */
interface Spot {
  readonly bytes: Buffer;
  readonly at: number;
}

/** Names are copied character by character. */
const ASCII = /^[!-~]{1,128}$/;
/** Kinds of pods that a node has: by ENI and interface number, with and without IPv6. */
const MOST_SHAPES = 64;

/** Remembers a stencil for each shape of pods. What it gives is good until it is asked again. */
export class PodStencils {
  readonly #stencils = new Map<string, Stencil | undefined>();

  /** As `podMessages`, byte for byte. Throws as that. */
  messages(place: PodPlace): PodMessages {
    const shape = shapeOf(place);
    if (shape === undefined) return podMessages(place);
    if (!this.#stencils.has(shape)) {
      if (this.#stencils.size >= MOST_SHAPES) this.#stencils.clear();
      this.#stencils.set(shape, stencilOf(place));
    }
    return this.#stencils.get(shape)?.fill(place) ?? podMessages(place);
  }
}

/** Equal for pods whose messages differ in nothing but fields; undefined for pods that few others are like. */
function shapeOf({ marks, pod, indexes, node }: PodPlace): string | undefined {
  const { hostIfName, containerId, ifName, addresses } = pod;
  const isUsual = pod.branch === undefined && pod.bandwidth === undefined && (pod.portMappings?.length ?? 0) === 0;
  if (!isUsual || !ASCII.test(hostIfName) || !ASCII.test(containerId)) return undefined;
  let families = '';
  for (const address of addresses) families += ` ${familyOf(address)}`;
  const numbers = `${indexes.pod} ${pod.index ?? 0} ${pod.mtu} ${linkGroup(marks, pod)}`;
  return `${numbers} ${hostIfName.length} ${containerId.length}${families} ${node.ipv4} ${node.ipv6} ${ifName}`;
}

class Stencil {
  readonly #messages: PodMessages;
  readonly #spots: ReadonlyMap<Field, readonly Spot[]>;

  constructor(messages: PodMessages, spots: ReadonlyMap<Field, readonly Spot[]>) {
    this.#messages = messages;
    this.#spots = spots;
  }

  fill(place: PodPlace): PodMessages {
    const { pod, indexes, netnsFd } = place;
    const macs = podMacs(pod);
    this.#number('hostIndex', indexes.host);
    this.#number('netnsFd', netnsFd);
    this.#text('hostIfName', pod.hostIfName);
    this.#text('containerId', pod.containerId);
    this.#mac('host', macs.host);
    this.#mac('pod', macs.pod);
    for (let index = 0; index < pod.addresses.length; index += 1) {
      const { bytes } = parseAddress(pod.addresses[index] ?? '');
      for (const spot of this.#spots.get(index) ?? []) spot.bytes.set(bytes, spot.at);
    }
    const { pair, host, inside } = this.#messages;
    return {
      pair: inWords(pair, 'pair', place),
      host: inWords(host, 'host', place),
      inside: inWords(inside, 'inside', place),
    };
  }

  #number(field: Field, value: number): void {
    for (const { bytes, at } of this.#spots.get(field) ?? []) bytes.writeUInt32LE(value, at);
  }

  #text(field: Field, text: string): void {
    for (const { bytes, at } of this.#spots.get(field) ?? []) bytes.write(text, at, 'latin1');
  }

  #mac(field: Field, mac: string): void {
    for (const { bytes, at } of this.#spots.get(field) ?? [])
      for (let octet = 0; octet < 6; octet += 1) bytes[at + octet] = macOctet(mac, octet);
  }
}

/** The words for a refusal are those of this pod's requests. */
function inWords({ bytes, starts }: Batch, step: Step, place: PodPlace): Batch {
  return { bytes, starts, requests: () => requestsOf(step, place) };
}

/**
 * A sample of the shape is encoded, and once more for each field, with that field alone changed, in each of its bytes: the bytes that
 * differ are its spots. Undefined where that is not so plain. Throws as `podMessages`.
 */
function stencilOf(place: PodPlace): Stencil | undefined {
  const direct = podMessages(place);
  const messages = podMessages(sampleOf(place, undefined));
  const spots = new Map<Field, readonly Spot[]>();
  for (const [field, width] of widthsOf(place.pod)) {
    const changed = podMessages(sampleOf(place, field));
    const found = STEPS.map((step) => spotsIn(messages[step].bytes, changed[step].bytes, width));
    if (found.includes(undefined)) return undefined;
    spots.set(
      field,
      found.flatMap((each) => each ?? []),
    );
  }
  const stencil = new Stencil(messages, spots);
  const filled = stencil.fill(place);
  return STEPS.every((step) => filled[step].bytes.equals(direct[step].bytes)) ? stencil : undefined;
}

function widthsOf({ hostIfName, containerId, addresses }: PodAttachment): ReadonlyMap<Field, number> {
  return new Map<Field, number>([
    ['hostIndex', 4],
    ['netnsFd', 4],
    ['hostIfName', hostIfName.length],
    ['containerId', containerId.length],
    ['host', 6],
    ['pod', 6],
    ...addresses.map((address, index) => [index, parseAddress(address).bytes.length] as const),
  ]);
}

/** A pod of this shape each byte of whose fields is 1 (as a character where it is text), or 2 in the field that is `changed`. */
function sampleOf(place: PodPlace, changed: Field | undefined): PodPlace {
  const digit = (field: Field): 1 | 2 => (field === changed ? 2 : 1);
  const mac = (field: Field): string => Array.from({ length: 6 }, () => `0${digit(field)}`).join(':');
  const { pod, indexes } = place;
  return {
    ...place,
    indexes: { ...indexes, host: 0x01010101 * digit('hostIndex') },
    netnsFd: 0x01010101 * digit('netnsFd'),
    pod: {
      ...pod,
      hostIfName: `${digit('hostIfName')}`.repeat(pod.hostIfName.length),
      containerId: `${digit('containerId')}`.repeat(pod.containerId.length),
      macs: { host: mac('host'), pod: mac('pod') },
      addresses: pod.addresses.map((address, index) => sampleAddress(address, digit(index))),
    },
  };
}

function sampleAddress(address: string, digit: 1 | 2): string {
  return familyOf(address) === 'ipv4'
    ? Array.from({ length: 4 }, () => digit).join('.')
    : Array.from({ length: 8 }, () => `${digit}0${digit}`).join(':');
}

/** Undefined where bytes differ that are not the whole of a field. */
function spotsIn(bytes: Buffer, changed: Buffer, width: number): readonly Spot[] | undefined {
  const found: Spot[] = [];
  if (bytes.length !== changed.length) return undefined;
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] === changed[at]) continue;
    for (let within = at; within < at + width; within += 1) if (bytes[within] === changed[within]) return undefined;
    found.push({ bytes, at });
    at += width - 1;
  }
  return found;
}
