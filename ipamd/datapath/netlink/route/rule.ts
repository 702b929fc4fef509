/**
 * Policy rules: linux/fib_rules.h, struct fib_rule_hdr {u8 family, dstLength, srcLength, tos, table, 0, 0, action, u32 flags}.
 * Pure; only what our rules consist of: a source address, an incoming link, a protocol, a mark, a table.
 */
import { addressBytes, addressFamily, addressText, familyOfNumber, hostPrefixLength, type IpFamily } from '../../ip.ts';
import {
  attribute,
  decodeAttributes,
  readText,
  readU32,
  readU8,
  textAttribute,
  u32Attribute,
  u8Attribute,
} from '../attributes.ts';
import { FR_ACT_TO_TBL, FRA, NLM_F, RTM } from '../constants.ts';
import { NetlinkDecodeError } from '../errors.ts';
import type { NetlinkRequest } from '../message.ts';

const HEADER_LENGTH = 12;

/** A rule that sends packets to a table. */
export interface Rule {
  readonly family: IpFamily;
  readonly priority: number;
  readonly table: number;
  readonly protocol: number;
  /** A single source address. */
  readonly source?: string | undefined;
  readonly mark?: { readonly value: number; readonly mask: number } | undefined;
  /** Name of the link by which packets come in; it need not exist. */
  readonly inInterface?: string | undefined;
  /** Number of the protocol within IP. */
  readonly ipProtocol?: number | undefined;
}

function encode(rule: Rule): Buffer {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.set([
    addressFamily(rule.family),
    0,
    rule.source === undefined ? 0 : hostPrefixLength(rule.family),
    0,
    rule.table < 256 ? rule.table : 0,
    0,
    0,
    FR_ACT_TO_TBL,
  ]);
  const marks =
    rule.mark === undefined
      ? []
      : [u32Attribute(FRA.mark, rule.mark.value), u32Attribute(FRA.markMask, rule.mark.mask)];
  return Buffer.concat([
    header,
    u32Attribute(FRA.priority, rule.priority),
    ...(rule.source === undefined ? [] : [attribute(FRA.source, addressBytes(rule.source))]),
    ...(rule.inInterface === undefined ? [] : [textAttribute(FRA.inInterface, rule.inInterface)]),
    ...marks,
    u32Attribute(FRA.table, rule.table),
    u8Attribute(FRA.protocol, rule.protocol),
    ...(rule.ipProtocol === undefined ? [] : [u8Attribute(FRA.ipProtocol, rule.ipProtocol)]),
  ]);
}

/** The rule in the words of `ip rule`; equal text means equal rule. */
export function ruleText(rule: Rule): string {
  const mark =
    rule.mark === undefined ? '' : ` fwmark 0x${rule.mark.value.toString(16)}/0x${rule.mark.mask.toString(16)}`;
  const all = rule.family === 'ipv4' ? 'all' : '::/0';
  const from = rule.inInterface === undefined ? '' : ` iif ${rule.inInterface}`;
  const of = rule.ipProtocol === undefined ? '' : ` ipproto ${rule.ipProtocol}`;
  return `${rule.priority}: from ${rule.source ?? all}${mark}${from}${of} lookup ${rule.table} proto ${rule.protocol}`;
}

/** Adds a rule; one that is there already is fine. */
export function addRule(rule: Rule): NetlinkRequest {
  const flags = NLM_F.create | NLM_F.exclusive;
  return { type: RTM.newRule, flags, body: encode(rule), what: `rule add ${ruleText(rule)}`, tolerate: ['EEXIST'] };
}

/** Removes a rule; absence is fine. */
export function deleteRule(rule: Rule): NetlinkRequest {
  return { type: RTM.delRule, flags: 0, body: encode(rule), what: `rule del ${ruleText(rule)}`, tolerate: ['ENOENT'] };
}

/** Asks for all rules of every family. */
export function dumpRules(): NetlinkRequest {
  const body = Buffer.alloc(HEADER_LENGTH);
  return { type: RTM.getRule, flags: 0, body, what: 'rule show' };
}

/** Reads the body of RTM_NEWRULE. Throws `NetlinkDecodeError`. */
export function decodeRule(body: Buffer): Rule {
  if (body.length < HEADER_LENGTH) throw new NetlinkDecodeError(`rule message of ${body.length} bytes`);
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  const source = attributes.get(FRA.source);
  const value = readU32(attributes, FRA.mark);
  return {
    family: familyOfNumber(body[0]) ?? 'ipv4',
    priority: readU32(attributes, FRA.priority) ?? 0,
    table: readU32(attributes, FRA.table) ?? body.readUInt8(4),
    protocol: readU8(attributes, FRA.protocol) ?? 0,
    source: source === undefined ? undefined : addressText(source),
    mark: value === undefined ? undefined : { value, mask: readU32(attributes, FRA.markMask) ?? 0xffffffff },
    inInterface: readText(attributes, FRA.inInterface),
    ipProtocol: readU8(attributes, FRA.ipProtocol),
  };
}
