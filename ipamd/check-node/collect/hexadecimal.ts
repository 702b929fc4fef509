/** Bytes as documents have them. The prefix also keeps twelve digits from being taken for an account number (`redact.ts`). */
export function hex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : `0x${Buffer.from(bytes).toString('hex')}`;
}
