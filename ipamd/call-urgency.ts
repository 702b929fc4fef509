/** Which EC2 calls go first when not all of them may: those that pods wait for. */
import type { ReasonCode } from '#warm-pool/model.ts';

/** Reasons to grow; a growth that was asked for to be prepared is waited for as soon as pods wait. */
const GROWTH: ReadonlySet<string> = new Set<ReasonCode>([
  'below-warm-ip-target',
  'below-minimum-ip-target',
  'below-warm-eni-target',
  'below-warm-prefix-target',
  'pods-waiting',
  'no-ipv6-prefix',
]);
/** Steps without which no pod is served, or growth does not go on: looks after a lost answer, the network of a new interface. */
const STEPS: ReadonlySet<string> = new Set(['start', 'verify', 'new-subnet', 'subnet-exhausted']);

/** `waiting`: ADDs that wait for an address now. */
export function isUrgent(cause: string, waiting: number): boolean {
  return cause === 'pods-waiting' || (waiting > 0 && (GROWTH.has(cause) || STEPS.has(cause)));
}
