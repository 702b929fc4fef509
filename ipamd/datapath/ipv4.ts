/** IPv4 text and bytes, as far as the kernel's messages need them. Pure; addresses are checked by `node:net`. */
import { isIPv4 } from 'node:net';
import { DatapathError } from './datapath.ts';

/** An address block. */
export interface Ipv4Cidr {
  readonly address: string;
  readonly prefixLength: number;
}

/** Four bytes in network order. Throws `DatapathError` for text that is no IPv4 address. */
export function ipv4Bytes(address: string): Buffer {
  if (!isIPv4(address)) throw new DatapathError('kernel-refused', `not an IPv4 address: ${JSON.stringify(address)}`);
  return Buffer.from(address.split('.').map(Number));
}

/** Dotted quad of four bytes. */
export function ipv4Text(bytes: Uint8Array): string {
  return bytes.join('.');
}

/** The address as an unsigned number. */
export function ipv4Number(address: string): number {
  return ipv4Bytes(address).readUInt32BE(0);
}

/** The dotted quad of an unsigned number. */
export function ipv4FromNumber(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return ipv4Text(bytes);
}

/** Reads `a.b.c.d/n`; host bits may be set. Throws `DatapathError`. */
export function parseIpv4Cidr(text: string): Ipv4Cidr {
  const [address = '', length = ''] = text.split('/');
  const prefixLength = Number(length);
  if (!isIPv4(address) || !/^\d{1,2}$/.test(length) || prefixLength > 32) {
    throw new DatapathError('kernel-refused', `not an IPv4 CIDR: ${JSON.stringify(text)}`);
  }
  return { address, prefixLength };
}

/** First address of a block and the one after its last, as numbers (the latter is 2^32 for a block that ends the space). */
export function ipv4Range(cidr: Ipv4Cidr): { readonly first: number; readonly end: number } {
  const size = 2 ** (32 - cidr.prefixLength);
  const first = Math.floor(ipv4Number(cidr.address) / size) * size;
  return { first, end: first + size };
}

/** The VPC router's address in a subnet: its base plus one (EC2 user guide, "Subnet sizing for IPv4"). */
export function subnetGateway(subnetCidr: string): string {
  return ipv4FromNumber(ipv4Range(parseIpv4Cidr(subnetCidr)).first + 1);
}
