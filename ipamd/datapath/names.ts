/** Names and hardware addresses of pod links, derived from the sandbox so that two sandboxes of one pod never collide. */
import { hash } from 'node:crypto';

/** The host end of a pod's veth: prefix and 11 hex digits, 14 bytes with the usual `eni` (IFNAMSIZ allows 15). */
export function hostIfName(prefix: string, containerId: string, ifName: string): string {
  return prefix + hash('sha1', attachmentKey(containerId, ifName)).slice(0, 11);
}

/** How an attachment is written in the link's alias. */
export function attachmentKey(containerId: string, ifName: string): string {
  return `${containerId}/${ifName}`;
}

const LOCAL_UNICAST = '26ae';

/** A unicast, locally administered MAC (IEEE 802, bits 0 and 1 of the first byte) for one end of a pod's link. */
export function linkMac(containerId: string, ifName: string, end: 'host' | 'pod'): string {
  const digits = hash('sha1', `${attachmentKey(containerId, ifName)}/${end}`);
  // Of the eight bits of the first byte the last two are 10: its second digit becomes 2, 6, a or e.
  let mac = `${digits[0]}${LOCAL_UNICAST[Number.parseInt(digits[1] ?? '', 16) >> 2]}`;
  for (let at = 2; at < 12; at += 2) mac += `:${digits[at]}${digits[at + 1]}`;
  return mac;
}
