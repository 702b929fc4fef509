import { createHash } from 'node:crypto';

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/**
 * The MAC of an interface in lower case. Where the answer's is none (LocalStack's EC2 formats it wrongly), a locally
 * administered one that follows from the interface's id, so that whoever asks derives the same. EC2's is always one.
 */
export function macAddressOf(id: string, mac: string): string {
  const lower = mac.toLowerCase();
  if (MAC.test(lower)) return lower;
  const digits = createHash('sha256').update(id).digest('hex').slice(0, 10);
  return `02:${digits.match(/../g)?.join(':') ?? ''}`;
}
