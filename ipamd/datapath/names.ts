/** Names and hardware addresses of pod links, derived from the sandbox so that two sandboxes of one pod never collide. */
import { createHash } from 'node:crypto';

/** The host end of a pod's veth: prefix and 11 hex digits, 14 bytes with the usual `eni` (IFNAMSIZ allows 15). */
export function hostIfName(prefix: string, containerId: string, ifName: string): string {
  return prefix + createHash('sha1').update(attachmentKey(containerId, ifName)).digest('hex').slice(0, 11);
}

/** How an attachment is written in the link's alias. */
export function attachmentKey(containerId: string, ifName: string): string {
  return `${containerId}/${ifName}`;
}

/** A unicast, locally administered MAC (IEEE 802, bits 0 and 1 of the first byte) for one end of a pod's link. */
export function linkMac(containerId: string, ifName: string, end: 'host' | 'pod'): string {
  const digest = createHash('sha1')
    .update(`${attachmentKey(containerId, ifName)}/${end}`)
    .digest()
    .subarray(0, 6);
  digest[0] = ((digest[0] ?? 0) & 0xfc) | 0x02;
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
