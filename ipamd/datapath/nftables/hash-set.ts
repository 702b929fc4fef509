/**
 * Sets and maps whose keys are concatenations (`ipv4_addr . inet_proto . inet_service`): as part of a table that is made,
 * and changed element by element. Without intervals the kernel keeps them in a hash table: a look-up and a change cost the
 * same however many elements there are. Pure.
 */
import {
  attribute,
  decodeAttributeList,
  decodeAttributes,
  nestedAttribute,
  textAttribute,
} from '../netlink/attributes.ts';
import { u32BigEndianAttribute as be } from '../netlink/attributes.ts';
import { NLM_F } from '../netlink/constants.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { NFT_MSG, NFT_SET_MAP, NFTA_DATA, NFTA_SET, NFTA_SET_ELEM, NFTA_SET_ELEM_LIST } from './constants.ts';
import { request } from './table.ts';

/** Types of a key's or value's parts with the numbers by which nft shows them (its datatype.h) and their size in bytes. */
export const PART = {
  ipv4_addr: { type: 7, length: 4 },
  ipv6_addr: { type: 8, length: 16 },
  inet_proto: { type: 12, length: 1 },
  inet_service: { type: 13, length: 2 },
} as const;

export type Part = keyof typeof PART;

/** A set, or with `data` a map. */
export interface HashSet {
  readonly name: string;
  /** Number within the batch, by which rules refer to a set that is not committed yet. */
  readonly id: number;
  readonly key: readonly Part[];
  readonly data?: readonly Part[];
}

/** The bytes of one element; each part padded to four bytes. */
export interface HashElement {
  readonly key: Buffer;
  /** Of a map's element. */
  readonly data?: Buffer;
}

/** Attributes of a netlink message end at 64 KiB; an element of the longest kind takes below 128 bytes. */
const ELEMENTS_A_MESSAGE = 400;

/** libnftnl's udata.h: what nft notes for itself. The type of a concatenation is told by its number alone. */
const USER_DATA = {
  keyByteOrder: 0,
  dataByteOrder: 1,
  keyType: 3,
  dataType: 4,
  mergeElements: 6,
} as const;
const CONCATENATION = Buffer.from([0, 4, 13, 0, 0, 0, 1, 0]);

/** Parts one after the other, each padded to a register of four bytes. */
export function concatenate(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.concat([part, Buffer.alloc((4 - (part.length % 4)) % 4)])));
}

function typeOf(parts: readonly Part[]): number {
  return parts.reduce((type, part) => (type << 6) | PART[part].type, 0);
}

function lengthOf(parts: readonly Part[]): number {
  return parts.reduce((length, part) => length + Math.ceil(PART[part].length / 4) * 4, 0);
}

function note(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([type, value.length]), value]);
}

function userData({ data }: HashSet): Buffer {
  const zero = Buffer.alloc(4);
  if (data === undefined)
    return Buffer.concat([note(USER_DATA.keyByteOrder, zero), note(USER_DATA.keyType, CONCATENATION)]);
  return Buffer.concat([
    note(USER_DATA.keyByteOrder, zero),
    note(USER_DATA.dataByteOrder, zero),
    note(USER_DATA.keyType, CONCATENATION),
    note(USER_DATA.dataType, CONCATENATION),
    note(USER_DATA.mergeElements, zero),
  ]);
}

function addSet(table: string, set: HashSet): NetlinkRequest {
  const { data } = set;
  const attributes = [
    textAttribute(NFTA_SET.table, table),
    textAttribute(NFTA_SET.name, set.name),
    be(NFTA_SET.flags, data === undefined ? 0 : NFT_SET_MAP),
    be(NFTA_SET.keyType, typeOf(set.key)),
    be(NFTA_SET.keyLength, lengthOf(set.key)),
    ...(data === undefined ? [] : [be(NFTA_SET.dataType, typeOf(data)), be(NFTA_SET.dataLength, lengthOf(data))]),
    be(NFTA_SET.id, set.id),
    attribute(NFTA_SET.userData, userData(set)),
  ];
  return request(NFT_MSG.newSet, NLM_F.create, attributes, `nft add ${kindOf(set)} inet ${table} ${set.name}`);
}

function kindOf({ data }: HashSet): string {
  return data === undefined ? 'set' : 'map';
}

function value(type: number, bytes: Uint8Array): Buffer {
  return nestedAttribute(type, [attribute(NFTA_DATA.value, bytes)]);
}

function elementAttribute({ key, data }: HashElement, index: number): Buffer {
  return nestedAttribute(index + 1, [
    value(NFTA_SET_ELEM.key, key),
    ...(data === undefined ? [] : [value(NFTA_SET_ELEM.data, data)]),
  ]);
}

function elementLists(
  message: { readonly type: number; readonly flags: number; readonly verb: string },
  table: string,
  set: HashSet,
  elements: readonly HashElement[],
  setId: readonly Buffer[],
): readonly NetlinkRequest[] {
  const count = Math.ceil(elements.length / ELEMENTS_A_MESSAGE);
  return Array.from({ length: count }, (_, index) => {
    const some = elements.slice(index * ELEMENTS_A_MESSAGE, (index + 1) * ELEMENTS_A_MESSAGE);
    const attributes = [
      textAttribute(NFTA_SET_ELEM_LIST.table, table),
      textAttribute(NFTA_SET_ELEM_LIST.set, set.name),
      ...setId,
      nestedAttribute(NFTA_SET_ELEM_LIST.elements, some.map(elementAttribute)),
    ];
    const what = `nft ${message.verb} element inet ${table} ${set.name}`;
    return request(message.type, message.flags, attributes, what);
  });
}

const ADD = { type: NFT_MSG.newSetElement, flags: NLM_F.create, verb: 'add' } as const;
const DELETE = { type: NFT_MSG.delSetElement, flags: 0, verb: 'delete' } as const;

/** The messages that make a set with its elements, within the batch that makes its table. */
export function createHashSet(
  table: string,
  set: HashSet,
  elements: readonly HashElement[],
): readonly NetlinkRequest[] {
  return [addSet(table, set), ...elementLists(ADD, table, set, elements, [be(NFTA_SET_ELEM_LIST.setId, set.id)])];
}

/** Adds elements to a set that exists; one that is there with the same value is fine, with another one is EEXIST or EBUSY. */
export function addHashElements(
  table: string,
  set: HashSet,
  elements: readonly HashElement[],
): readonly NetlinkRequest[] {
  return elementLists(ADD, table, set, elements, []);
}

/** Removes elements by their keys; ENOENT if one is not there. */
export function deleteHashElements(
  table: string,
  set: HashSet,
  elements: readonly HashElement[],
): readonly NetlinkRequest[] {
  return elementLists(
    DELETE,
    table,
    set,
    elements.map(({ key }) => ({ key })),
    [],
  );
}

/** Asks for all elements; a set that is not there has none. */
export function dumpHashElements(table: string, set: HashSet): NetlinkRequest {
  const attributes = [textAttribute(NFTA_SET_ELEM_LIST.table, table), textAttribute(NFTA_SET_ELEM_LIST.set, set.name)];
  const what = `nft list ${kindOf(set)} inet ${table} ${set.name}`;
  return { ...request(NFT_MSG.getSetElement, 0, attributes, what), tolerate: ['ENOENT'] };
}

/** The elements of one message of a dump. Throws `NetlinkDecodeError`. */
export function decodeHashElements(body: Buffer): readonly HashElement[] {
  const list = decodeAttributes(body.subarray(4)).get(NFTA_SET_ELEM_LIST.elements) ?? Buffer.alloc(0);
  return decodeAttributeList(list).map((element) => {
    const attributes = decodeAttributes(element.value);
    const data = attributes.get(NFTA_SET_ELEM.data);
    const key = valueOf(attributes.get(NFTA_SET_ELEM.key));
    return data === undefined ? { key } : { key, data: valueOf(data) };
  });
}

function valueOf(bytes: Buffer | undefined): Buffer {
  return decodeAttributes(bytes ?? Buffer.alloc(0)).get(NFTA_DATA.value) ?? Buffer.alloc(0);
}
