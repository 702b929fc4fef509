/**
 * Policy rules: linux/fib_rules.h, struct fib_rule_hdr {u8 family, dstLength, srcLength, tos, table, 0, 0, action, u32 flags}.
 * Pure; only what our rules consist of: a source address, a mark, a table.
 */
import { ipv4Bytes, ipv4Text } from '../../ipv4.ts';
import { attribute, decodeAttributes, readU32, readU8, u32Attribute, u8Attribute } from '../attributes.ts';
import { AF_INET, FR_ACT_TO_TBL, FRA, NLM_F, RTM } from '../constants.ts';
import { NetlinkDecodeError } from '../errors.ts';
import type { NetlinkRequest } from '../message.ts';

const HEADER_LENGTH = 12;

/** A rule that sends packets to a table. */
export interface Rule {
  readonly priority: number;
  readonly table: number;
  readonly protocol: number;
  /** A single source address. */
  readonly source?: string | undefined;
  readonly mark?: { readonly value: number; readonly mask: number } | undefined;
}

function encode(rule: Rule): Buffer {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.set([
    AF_INET,
    0,
    rule.source === undefined ? 0 : 32,
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
    ...(rule.source === undefined ? [] : [attribute(FRA.source, ipv4Bytes(rule.source))]),
    ...marks,
    u32Attribute(FRA.table, rule.table),
    u8Attribute(FRA.protocol, rule.protocol),
  ]);
}

/** The rule in the words of `ip rule`; equal text means equal rule. */
export function ruleText(rule: Rule): string {
  const mark =
    rule.mark === undefined ? '' : ` fwmark 0x${rule.mark.value.toString(16)}/0x${rule.mark.mask.toString(16)}`;
  return `${rule.priority}: from ${rule.source ?? 'all'}${mark} lookup ${rule.table} proto ${rule.protocol}`;
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

/** Asks for all IPv4 rules. */
export function dumpRules(): NetlinkRequest {
  const body = Buffer.alloc(HEADER_LENGTH);
  body.writeUInt8(AF_INET, 0);
  return { type: RTM.getRule, flags: 0, body, what: 'rule show' };
}

/** Reads the body of RTM_NEWRULE. Throws `NetlinkDecodeError`. */
export function decodeRule(body: Buffer): Rule {
  if (body.length < HEADER_LENGTH) throw new NetlinkDecodeError(`rule message of ${body.length} bytes`);
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  const source = attributes.get(FRA.source);
  const value = readU32(attributes, FRA.mark);
  return {
    priority: readU32(attributes, FRA.priority) ?? 0,
    table: readU32(attributes, FRA.table) ?? body.readUInt8(4),
    protocol: readU8(attributes, FRA.protocol) ?? 0,
    source: source === undefined ? undefined : ipv4Text(source),
    mark: value === undefined ? undefined : { value, mask: readU32(attributes, FRA.markMask) ?? 0xffffffff },
  };
}
