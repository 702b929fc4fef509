/** What an operator can do about each reason of the planner. */
import type { Refusal, ReasonCode } from '#warm-pool/model.ts';

const NOTHING = 'Nothing.';
const LARGER_NODE =
  'Use a larger instance type, raise MAX_ENI if it is set, or use prefixes (ENABLE_PREFIX_DELEGATION); `wellspringctl plan --set` shows what each would give.';
const PERMISSION_OR_QUOTA =
  "Look at `wellspringctl calls` and ipamd's log for the refusal: throttling ends by itself, a missing IAM permission does not.";
const ENICONFIG =
  'Create or mend the ENIConfig that the node names (label, annotation, else `default`): subnet of this zone, security groups of this VPC.';

const FIXES: Readonly<Record<ReasonCode, string>> = {
  'below-warm-ip-target': NOTHING,
  'below-minimum-ip-target': NOTHING,
  'below-warm-eni-target': NOTHING,
  'below-warm-prefix-target': NOTHING,
  'pods-waiting': 'Nothing: addresses are being asked for.',
  'no-ipv6-prefix': NOTHING,
  'above-warm-ip-target': NOTHING,
  'above-warm-eni-target': NOTHING,
  'above-warm-prefix-target': NOTHING,
  'wrong-mode': NOTHING,
  'interface-excluded': NOTHING,
  'interface-not-needed': NOTHING,
  'interrupted-deletion': NOTHING,
  'interface-limit': LARGER_NODE,
  'address-limit': 'Use a larger instance type: an ENI of this one holds its own address alone.',
  'subnet-exhausted':
    'Free addresses in the subnet, or tag another subnet of this zone with kubernetes.io/role/cni=1 (ENABLE_SUBNET_DISCOVERY).',
  'no-free-prefix':
    'Nothing, as single addresses serve meanwhile; a CIDR reservation of type prefix keeps /28 blocks whole in a subnet.',
  'no-ipv6-cidr': 'Associate an IPv6 CIDR block with the subnet.',
  'ipv6-back-off': 'Wait, or give the subnet an IPv6 CIDR block with room for another /80.',
  'cloud-back-off': PERMISSION_OR_QUOTA,
  'provisioning-disabled':
    'Give the node addresses by other means, or set DISABLE_NETWORK_RESOURCE_PROVISIONING and ENABLE_IMDS_ONLY_MODE to false.',
  'node-unschedulable': 'Uncordon the node, or set AWS_MANAGE_ENIS_NON_SCHEDULABLE=true.',
  'eniconfig-unknown': ENICONFIG,
  'eniconfig-unusable': ENICONFIG,
  'max-pods-reached': 'Raise WELLSPRING_MAX_PODS, or run the pod on another node.',
  'interface-too-young': 'Nothing: it goes when it is old enough (WELLSPRING_ENI_MINIMUM_AGE).',
  'cooling-down': 'Nothing: it goes when its addresses have rested (IP_COOLDOWN_PERIOD).',
};

/** One or two sentences; "Nothing." where the daemon does what is to be done. */
export function fixOf(reason: ReasonCode): string {
  return FIXES[reason];
}

/** Whether somebody must act before pods get addresses, as opposed to what time or the daemon settles. */
export function isHindrance({ why }: Refusal): boolean {
  return !fixOf(why.reason).startsWith('Nothing');
}
