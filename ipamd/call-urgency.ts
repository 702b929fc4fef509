/** Which EC2 calls go first when not all of them may, and which can wait. */
import type { ReasonCode } from '#warm-pool/model.ts';
import type { Urgency } from '#warm-pool/pauses.ts';

/** Reasons to grow; a growth that was asked for to be prepared is waited for as soon as pods wait. */
const GROWTH: ReadonlySet<string> = new Set<ReasonCode>([
  'below-warm-ip-target',
  'below-minimum-ip-target',
  'below-warm-eni-target',
  'below-warm-prefix-target',
  'pods-waiting',
  'no-ipv6-prefix',
]);
/** Reasons to give back. */
const RETURN: ReadonlySet<string> = new Set<ReasonCode | 'delete-interface'>([
  'above-warm-ip-target',
  'above-warm-eni-target',
  'above-warm-prefix-target',
  'wrong-mode',
  'interface-excluded',
  'interface-not-needed',
  'interrupted-deletion',
  'delete-interface',
]);
/** Steps without which no pod is served, or growth does not go on: looks after a lost answer, the network of a new interface. */
const STEPS: ReadonlySet<string> = new Set(['start', 'verify', 'new-subnet', 'subnet-exhausted']);

/** `waiting`: ADDs that wait for an address now. */
export function urgencyOf(cause: string, waiting: number): Urgency {
  if (cause === 'pods-waiting' || (waiting > 0 && (GROWTH.has(cause) || STEPS.has(cause)))) return 'urgent';
  return GROWTH.has(cause) || RETURN.has(cause) ? 'patient' : 'usual';
}
