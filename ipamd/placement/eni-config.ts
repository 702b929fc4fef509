/**
 * Custom networking: where this node's pods get their interfaces, judged from what the API server says, what was usable
 * before, and what the cloud says of the subnet. Pure. docs/decisions/0015 says why it is as it is.
 */
import type { InstanceIdentity, SubnetDescription } from '#cloud/provider.ts';
import type { PlanConstraint } from '#warm-pool/plan-constraints.ts';
import type { EniConfig, EniConfigLookup } from '../kubernetes/cluster-view.ts';

export type EniConfigPlace =
  | { readonly kind: 'usable'; readonly eniConfig: EniConfig }
  /** `undescribed` is the ENIConfig whose subnet the cloud must be asked for. */
  | { readonly kind: 'waits'; readonly waitsFor: string; readonly undescribed?: EniConfig }
  | {
      readonly kind: 'unusable';
      readonly name: string;
      readonly problem: string;
      /** Worth asking the cloud for its subnet again, at long intervals. */
      readonly absent?: EniConfig;
    };

/** What the cloud said of a subnet: `absent` where it does not know it, undefined where it was not asked or did not answer. */
export type SubnetWord = SubnetDescription | 'absent' | undefined;

/** The ENIConfig that counts: while the API server has not answered, the one that was usable last. */
export function eniConfigOf(lookup: EniConfigLookup, remembered: EniConfig | undefined): EniConfig | undefined {
  switch (lookup.kind) {
    case 'found':
      return lookup.eniConfig;
    case 'unknown':
      return remembered;
    case 'missing':
      return undefined;
    default:
      return lookup satisfies never;
  }
}

export function placeOf(
  lookup: EniConfigLookup,
  remembered: EniConfig | undefined,
  wordOn: (subnetId: string) => SubnetWord,
  node: Pick<InstanceIdentity, 'vpcId' | 'availabilityZone'>,
): EniConfigPlace {
  if (lookup.kind === 'missing') return { kind: 'unusable', name: lookup.name, problem: lookup.why };
  const eniConfig = eniConfigOf(lookup, remembered);
  if (eniConfig === undefined)
    return { kind: 'waits', waitsFor: 'the API server to say which ENIConfig this node uses' };
  const { name, subnetId } = eniConfig;
  const subnet = wordOn(subnetId);
  if (subnet === undefined)
    return {
      kind: 'waits',
      waitsFor: `EC2 to describe ${subnetId}, the subnet of ENIConfig ${name}`,
      undescribed: eniConfig,
    };
  if (subnet === 'absent')
    return { kind: 'unusable', name, problem: `EC2 knows no subnet ${subnetId}.`, absent: eniConfig };
  const problem = problemOf(subnet, node);
  return problem === undefined ? { kind: 'usable', eniConfig } : { kind: 'unusable', name, problem };
}

/** EC2 attaches an interface only to an instance of its own VPC and zone (AttachNetworkInterface). */
function problemOf(
  { id, vpcId, availabilityZone }: SubnetDescription,
  node: Pick<InstanceIdentity, 'vpcId' | 'availabilityZone'>,
): string | undefined {
  if (vpcId !== node.vpcId) return `its subnet ${id} is in ${vpcId}, and this node is in ${node.vpcId}.`;
  if (availabilityZone !== node.availabilityZone)
    return `its subnet ${id} is in ${availabilityZone}, and this node is in ${node.availabilityZone}.`;
  return undefined;
}

export function constraintOf(place: EniConfigPlace): PlanConstraint | undefined {
  switch (place.kind) {
    case 'usable':
      return undefined;
    case 'waits':
      return { kind: 'eniconfig-unknown', waitsFor: place.waitsFor };
    case 'unusable':
      return { kind: 'eniconfig-unusable', eniConfig: place.name, problem: place.problem };
    default:
      return place satisfies never;
  }
}

/**
 * Whether an interface hosts no new pod under custom networking: the primary one never does; of the others, those outside
 * the ENIConfig's subnet. Undefined where no ENIConfig is usable: then what was said before stays.
 */
export function isOutside(
  { isPrimary, subnetId }: { readonly isPrimary: boolean; readonly subnetId: string },
  place: EniConfigPlace,
): boolean | undefined {
  if (isPrimary) return true;
  return place.kind === 'usable' ? subnetId !== place.eniConfig.subnetId : undefined;
}
