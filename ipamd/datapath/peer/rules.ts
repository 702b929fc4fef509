/**
 * Rules of amazon-vpc-cni-k8s, which have no number of their own: they are told by priority, selector and table. A rule is
 * kept as the bytes of the kernel's own dump, which it takes back for the rule to delete (as `ip rule flush` does).
 */
import {
  addressBytes,
  addressFamily,
  addressText,
  familyOf,
  familyOfNumber,
  hostPrefixLength,
  type IpFamily,
} from '../ip.ts';
import { attribute, decodeAttributes, readU32, readU8, u32Attribute, u8Attribute } from '../netlink/attributes.ts';
import { FR_ACT_TO_TBL, FRA, NLM_F, RT_TABLE_MAIN, RTM } from '../netlink/constants.ts';
import { dump } from '../netlink/exchange.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { dumpRules } from '../netlink/route/rule.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';

/** linux/fib_rules.h: struct fib_rule_hdr. */
const HEADER_LENGTH = 12;
/** RTPROT_UNSPEC: the peer names none. */
export const PEER_PROTOCOL = 0;
const PRIORITY = { toPod: 512, connectionMark: 1024, externalService: 1535, fromPod: 1536, fromInterface: 32765 };

/**
 * - `to-pod`, `from-pod`: of one address.
 * - `connection-mark`: 1024, `to-main`: 1535, an entry of AWS_EXTERNAL_SERVICE_CIDRS.
 * - `from-interface`: 32765, an ENI's own address.
 */
export interface PeerRule {
  readonly kind: 'to-pod' | 'from-pod' | 'connection-mark' | 'to-main' | 'from-interface';
  readonly family: IpFamily;
  /** The address or block that it is about; `''` for connection-mark. */
  readonly address: string;
  readonly table: number;
  /** In the words of `ip rule`. */
  readonly text: string;
  readonly deletion: NetlinkRequest;
}

/** Every rule of the peer's shape that does not bear our number `protocol`. Throws `NetlinkError`. */
export function peerRules(socket: OpenNetlinkSocket, protocol: number): readonly PeerRule[] {
  return dump(socket, dumpRules()).flatMap(({ body }) => decodePeerRule(body, protocol) ?? []);
}

/** Pure; undefined for a rule that is none of the peer's. */
export function decodePeerRule(body: Buffer, protocol: number): PeerRule | undefined {
  const family = familyOfNumber(body[0]);
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  if (family === undefined || readU8(attributes, FRA.protocol) === protocol) return undefined;
  const priority = readU32(attributes, FRA.priority) ?? 0;
  const table = readU32(attributes, FRA.table) ?? body.readUInt8(4);
  const [toLength, fromLength] = [body.readUInt8(1), body.readUInt8(2)];
  const to = textOf(attributes.get(FRA.destination));
  const from = textOf(attributes.get(FRA.source));
  const whole = hostPrefixLength(family);
  const rule = (kind: PeerRule['kind'], address: string, selector: string): PeerRule => {
    const text = `${priority}: ${selector} lookup ${table === RT_TABLE_MAIN ? 'main' : table}`;
    const deletion = { type: RTM.delRule, flags: 0, body, what: `rule del ${text}`, tolerate: ['ENOENT'] };
    return { kind, family, address, table, text, deletion };
  };
  const isMain = table === RT_TABLE_MAIN;
  const ofOne = from !== undefined && fromLength === whole && to === undefined;
  if (priority === PRIORITY.toPod && isMain && to !== undefined && toLength === whole && from === undefined)
    return rule('to-pod', to, `from all to ${to}`);
  if (priority === PRIORITY.fromPod && ofOne) return rule('from-pod', from, `from ${from}`);
  if (priority === PRIORITY.fromInterface && ofOne) return rule('from-interface', from, `from ${from}`);
  if (priority === PRIORITY.externalService && isMain && to !== undefined)
    return rule('to-main', `${to}/${toLength}`, `from all to ${to}/${toLength}`);
  const mark = readU32(attributes, FRA.mark);
  if (priority === PRIORITY.connectionMark && isMain && mark !== undefined && from === undefined && to === undefined)
    return rule('connection-mark', '', `from all fwmark 0x${mark.toString(16)}`);
  return undefined;
}

function textOf(bytes: Buffer | undefined): string | undefined {
  return bytes === undefined ? undefined : addressText(bytes);
}

/** The rule as the peer adds it: to a pod or from one. One that is there already is fine. */
export function addPodRule(kind: 'to-pod' | 'from-pod', address: string, table: number): NetlinkRequest {
  const family = familyOf(address);
  const [bytes, length] = [addressBytes(address), hostPrefixLength(family)];
  const header = Buffer.alloc(HEADER_LENGTH);
  const isTo = kind === 'to-pod';
  header.set([addressFamily(family), isTo ? length : 0, isTo ? 0 : length, 0, table < 256 ? table : 0, 0, 0]);
  header.writeUInt8(FR_ACT_TO_TBL, 7);
  const body = Buffer.concat([
    header,
    u32Attribute(FRA.priority, isTo ? PRIORITY.toPod : PRIORITY.fromPod),
    attribute(isTo ? FRA.destination : FRA.source, bytes),
    u32Attribute(FRA.table, table),
    u8Attribute(FRA.protocol, PEER_PROTOCOL),
  ]);
  const what = `rule add ${isTo ? `to ${address} lookup main` : `from ${address} lookup ${table}`}`;
  return { type: RTM.newRule, flags: NLM_F.create | NLM_F.exclusive, body, what, tolerate: ['EEXIST'] };
}
