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

/** A unicast, locally administered MAC (IEEE 802, bits 0 and 1 of the first byte) for one end of a pod's link. */
export function linkMac(containerId: string, ifName: string, end: 'host' | 'pod'): string {
  const digits = hash('sha1', `${attachmentKey(containerId, ifName)}/${end}`).slice(0, 12);
  const first = (Number.parseInt(digits.slice(0, 2), 16) & 0xfc) | 0x02;
  const octets = [2, 4, 6, 8, 10].map((at) => digits.slice(at, at + 2));
  return [first.toString(16).padStart(2, '0'), ...octets].join(':');
}
