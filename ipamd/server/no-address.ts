/** Why an ADD got no address before its deadline: the planner's or the cloud's reason, never just "failed". */
import { CloudError } from '#cloud/errors.ts';
import { CNI_CODE, CniError, type CniErrorName } from '#cni/spec/errors.ts';
import { explain } from '#warm-pool/explain.ts';
import { onCard } from '#warm-pool/ledger.ts';
import type { Explanation, ReasonCode, Snapshot } from '#warm-pool/model.ts';
import type { HandlerContext } from './handlers/context.ts';
import { toCniError } from './to-cni-error.ts';

const BY_REASON: Readonly<Partial<Record<ReasonCode, CniErrorName>>> = {
  'subnet-exhausted': 'subnet-exhausted',
  'no-free-prefix': 'subnet-exhausted',
  'no-ipv6-cidr': 'no-ipv6',
  'ipv6-back-off': 'no-ipv6',
  'interface-limit': 'interface-limit',
  'address-limit': 'interface-limit',
  'max-pods-reached': 'interface-limit',
  'provisioning-disabled': 'growth-held-back',
  'node-unschedulable': 'growth-held-back',
  'eniconfig-unknown': 'growth-held-back',
  'eniconfig-unusable': 'growth-held-back',
};

/** `networkCard`: the card on which the pod waits. */
export function whyNoAddress(context: Pick<HandlerContext, 'refusals' | 'pool' | 'now'>, networkCard = 0): CniError {
  const { total, assigned, cooling } = context.pool.summary();
  const figures = `${assigned} of ${total} addresses on this node are in use, ${cooling} are cooling down`;
  // While growth is denied, what the plan refuses beyond it is no news: the permission is what is missing.
  const { lastCloudError } = context.pool;
  const denied = lastCloudError instanceof CloudError && lastCloudError.code === 'denied';
  if (denied) return afterCloudError('cloud-denied', lastCloudError.message, figures);
  const refusals = context.refusals().filter(({ why }) => (why.inputs['networkCard'] ?? 0) === networkCard);
  for (const { why } of refusals) {
    const name = BY_REASON[why.reason];
    if (name !== undefined)
      return new CniError(
        name,
        `no address for this pod: ${sentence(why, onCard(context.pool.snapshot(), context.pool.ledger, networkCard, 1))}`,
        figures,
      );
  }
  if (lastCloudError !== undefined) {
    const { code, msg } = toCniError(lastCloudError);
    return afterCloudError(
      code === CNI_CODE['cloud-unavailable'] ? 'cloud-unavailable' : 'try-again-later',
      msg,
      figures,
    );
  }
  if (context.now() - context.pool.throttledAt < THROTTLED_LATELY_MS)
    return new CniError('try-again-later', THROTTLED, figures);
  return new CniError('try-again-later', 'no address for this pod yet: addresses are on their way', figures);
}

const THROTTLED_LATELY_MS = 60_000;
const THROTTLED =
  'no address for this pod yet: EC2 throttles the calls of this account (RequestLimitExceeded), and addresses are asked for ' +
  'at a slower pace; `wellspringctl calls` shows them';

function afterCloudError(name: CniErrorName, message: string, figures: string): CniError {
  return new CniError(name, `no address for this pod: the last cloud call failed: ${message}`, figures);
}

/** The planner's sentence, with what an operator must look up: which subnet, and which limit where several end at the same number. */
function sentence(why: Explanation, { limits, mode, subnets }: Pick<Snapshot, 'limits' | 'mode' | 'subnets'>): string {
  if (why.reason === 'subnet-exhausted' || why.reason === 'no-free-prefix') {
    if (subnets.length === 0)
      return `${explain(why)} The tags of every known subnet, the primary included, exclude it from pods.`;
    return `${explain(why)} Subnet: ${subnets.map(({ id, cidr }) => `${id} (${cidr})`).join(', ')}.`;
  }
  const perInterface = limits.ipv4PerInterface - 1;
  const capacity = limits.maxInterfaces * perInterface * (mode === 'prefix' ? 16 : 1);
  // WELLSPRING_MAX_PODS is not what holds this node back, so raising it is no advice.
  if (why.reason === 'max-pods-reached' && limits.maxPods >= capacity) {
    const missing = why.inputs['waiting'] ?? 1;
    return explain({
      reason: 'interface-limit',
      inputs: { missing, maxInterfaces: limits.maxInterfaces, perInterface, mode },
    });
  }
  return explain(why);
}
