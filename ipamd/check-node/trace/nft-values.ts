/** The values of nft's expressions for one packet; `UNKNOWN` where this reader or the question does not say. Pure. */
import { addressBytes, familyOf } from '../../datapath/ip.ts';
import type { KernelFacts, LinkFact } from '../kernel-facts.ts';
import { between, isAddress, withinCidr } from './cidr.ts';
import { inTable, lookUp } from './fib.ts';
import { fieldsOf, type NftRuleset } from './nft-document.ts';
import type { Packet } from './packet.ts';

export const UNKNOWN = Symbol('unknown');
/** A field that this packet does not have, such as an IPv6 address of IPv4. */
export const ABSENT = Symbol('absent');
export type Value = number | string | boolean | typeof UNKNOWN | typeof ABSENT | readonly Value[];

/** Where a rule stands: its sets are those of its table. */
export interface Place {
  readonly family: string;
  readonly table: string;
}

export interface Scope {
  readonly kernel: KernelFacts;
  readonly ruleset: NftRuleset;
  readonly packet: Packet;
  readonly place: Place;
}

/** RT_TABLE_LOCAL. */
const LOCAL = 255;

/** The value of an expression (libnftables-json(5), "EXPRESSIONS"). */
export function valueOf(expression: unknown, scope: Scope): Value {
  if (typeof expression === 'number' || typeof expression === 'string' || typeof expression === 'boolean')
    return expression;
  const fields = fieldsOf(expression);
  const [kind = ''] = Object.keys(fields);
  const inner = fieldsOf(fields[kind]);
  switch (kind) {
    case 'meta':
      return metaValue(String(inner['key']), scope.packet);
    case 'ct':
      return ctValue(String(inner['key']), scope.packet);
    case 'payload':
      return payloadValue(String(inner['protocol']), String(inner['field']), scope.packet);
    case 'fib':
      return fibValue(String(inner['result']), inner['flags'], scope);
    case 'concat':
      return listOf(fields[kind]).map((part) => valueOf(part, scope));
    case '&':
    case '|':
    case '^':
      return bitwise(
        kind,
        listOf(fields[kind]).map((part) => valueOf(part, scope)),
      );
    case 'map':
      return mapped(valueOf(inner['key'], scope), inner['data'], scope);
    default:
      return UNKNOWN;
  }
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function metaValue(key: string, { inLink, outLink, mark, source, protocol }: Packet): Value {
  const of = (link: LinkFact | undefined, value: (one: LinkFact) => Value): Value =>
    link === undefined ? ABSENT : value(link);
  switch (key) {
    case 'iifgroup':
      return of(inLink, ({ group }) => group);
    case 'oifgroup':
      return of(outLink, ({ group }) => group);
    case 'iif':
    case 'iifname':
      return of(inLink, ({ name }) => name);
    case 'oif':
    case 'oifname':
      return of(outLink, ({ name }) => name);
    case 'mark':
      return mark;
    case 'nfproto':
      return familyOf(source);
    case 'protocol':
      return familyOf(source) === 'ipv4' ? 'ip' : 'ip6';
    case 'l4proto':
      return protocol ?? UNKNOWN;
    default:
      return UNKNOWN;
  }
}

function ctValue(key: string, { connectionMark }: Packet): Value {
  // Only first packets of connections are traced.
  if (key === 'state') return 'new';
  return key === 'mark' ? connectionMark : UNKNOWN;
}

function payloadValue(protocol: string, field: string, packet: Packet): Value {
  if (protocol === 'ip' || protocol === 'ip6') {
    const family = protocol === 'ip' ? 'ipv4' : 'ipv6';
    if (familyOf(packet.source) !== family) return ABSENT;
    if (field === 'saddr') return packet.source;
    if (field === 'daddr') return packet.destination;
    return field === 'protocol' || field === 'nexthdr' ? (packet.protocol ?? UNKNOWN) : UNKNOWN;
  }
  if (field !== 'dport') return UNKNOWN;
  if (packet.protocol === undefined || packet.port === undefined) return UNKNOWN;
  return protocol === 'th' || protocol === packet.protocol ? packet.port : ABSENT;
}

/** nft_fib4_eval (net/ipv4/netfilter/nft_fib_ipv4.c): the lookup is made as if the node itself sent. */
function fibValue(result: string, flags: unknown, { kernel, packet }: Scope): Value {
  const has = (flag: string): boolean => listOf(flags).includes(flag);
  const isSource = has('saddr');
  const [destination, source] = isSource ? [packet.source, packet.destination] : [packet.destination, packet.source];
  const device = has('iif') ? packet.inLink : has('oif') ? packet.outLink : undefined;
  if (result === 'type') return addressType(kernel, destination, device);
  const mark = has('mark') ? packet.mark : 0;
  const found = lookUp(kernel, { destination, source, inInterface: 'lo', mark });
  if (found.kind !== 'route' || found.route.type !== 'unicast') return false;
  if (device !== undefined && device.index !== found.route.link) return false;
  return result === 'oif' ? found.route.link : UNKNOWN;
}

/** inet_dev_addr_type: what table local says; with a device, of addresses on it alone. */
function addressType(kernel: KernelFacts, address: string, device: LinkFact | undefined): Value {
  const route = inTable(kernel.routes, LOCAL, address);
  if (route === undefined) return 'unicast';
  return device !== undefined && route.type === 'local' && route.link !== device.index ? 'unicast' : route.type;
}

function bitwise(operator: '&' | '|' | '^', values: readonly Value[]): Value {
  const numbers = values.filter((value) => typeof value === 'number');
  if (numbers.length !== values.length) return UNKNOWN;
  const apply = {
    '&': (a: number, b: number) => a & b,
    '|': (a: number, b: number) => a | b,
    '^': (a: number, b: number) => a ^ b,
  };
  return numbers.reduce(apply[operator]) >>> 0;
}

/** Elements of a set that is named (`@name`) or written out. */
export function elementsOf(data: unknown, { ruleset, place }: Scope): readonly unknown[] | undefined {
  if (typeof data === 'string' && data.startsWith('@')) {
    const name = data.slice(1);
    const set = ruleset.sets.find(
      (one) => one.family === place.family && one.table === place.table && one.name === name,
    );
    return set?.elements;
  }
  const written = fieldsOf(data)['set'];
  return written === undefined ? undefined : listOf(written);
}

function mapped(key: Value, data: unknown, scope: Scope): Value {
  const elements = elementsOf(data, scope);
  if (elements === undefined) return UNKNOWN;
  for (const element of elements) {
    const [from, to] = listOf(element);
    const isIt = covers(key, from, scope);
    if (isIt === 'unknown') return UNKNOWN;
    if (isIt) return valueOf(to, scope);
  }
  return ABSENT;
}

/** Whether the right side of a match covers the value: an equal one, a prefix, a range, an element of a set. */
export function covers(value: Value, pattern: unknown, scope: Scope): boolean | 'unknown' {
  if (value === ABSENT) return false;
  const elements = elementsOf(pattern, scope);
  if (elements !== undefined) return anyOf(elements.map((one) => covers(value, elementKey(one), scope)));
  if (typeof pattern === 'string' && pattern.startsWith('@')) return 'unknown';
  if (Array.isArray(pattern)) return anyOf(pattern.map((one) => covers(value, one, scope)));
  const fields = fieldsOf(pattern);
  if (Array.isArray(fields['concat'])) return coversAll(value, fields['concat'], scope);
  if (value === UNKNOWN) return 'unknown';
  if ('prefix' in fields) return coversPrefix(value, fieldsOf(fields['prefix']));
  if (Array.isArray(fields['range'])) return coversRange(value, fields['range']);
  if (typeof pattern === 'object' && pattern !== null) return 'unknown';
  return isSame(value, pattern);
}

/** An element with a timeout or a counter is `{elem: {val}}`. */
function elementKey(element: unknown): unknown {
  const inner = fieldsOf(fieldsOf(element)['elem']);
  return inner['val'] ?? element;
}

function coversAll(value: Value, parts: readonly unknown[], scope: Scope): boolean | 'unknown' {
  if (!Array.isArray(value) || value.length !== parts.length) return 'unknown';
  const each = parts.map((part, index) => covers((value as readonly Value[])[index] ?? UNKNOWN, part, scope));
  if (each.includes(false)) return false;
  return each.includes('unknown') ? 'unknown' : true;
}

function anyOf(answers: readonly (boolean | 'unknown')[]): boolean | 'unknown' {
  if (answers.includes(true)) return true;
  return answers.includes('unknown') ? 'unknown' : false;
}

function coversPrefix(value: Value, prefix: Readonly<Record<string, unknown>>): boolean | 'unknown' {
  const { addr, len } = prefix;
  if (typeof value === 'string' && typeof addr === 'string' && isAddress(value) && isAddress(addr))
    return withinCidr(value, `${addr}/${Number(len)}`);
  if (typeof value !== 'number' || typeof addr !== 'number') return 'unknown';
  const mask = Number(len) === 0 ? 0 : -1 << (32 - Number(len));
  return ((value ^ addr) & mask) === 0;
}

function coversRange(value: Value, [low, high]: readonly unknown[]): boolean | 'unknown' {
  if (typeof value === 'number' && typeof low === 'number' && typeof high === 'number')
    return value >= low && value <= high;
  if (
    typeof value === 'string' &&
    typeof low === 'string' &&
    typeof high === 'string' &&
    [value, low, high].every(isAddress)
  )
    return between(value, low, high);
  return 'unknown';
}

function isSame(value: Value, pattern: unknown): boolean | 'unknown' {
  if (typeof value === 'string' && typeof pattern === 'string' && isAddress(value) && isAddress(pattern))
    return addressBytes(value).equals(addressBytes(pattern));
  if (typeof pattern === 'boolean') return value === pattern || (pattern && value !== false);
  // `iifname "eni*"` is a prefix of the name.
  if (typeof value === 'string' && typeof pattern === 'string' && pattern.endsWith('*'))
    return value.startsWith(pattern.slice(0, -1));
  return typeof value === typeof pattern ? value === pattern : 'unknown';
}
