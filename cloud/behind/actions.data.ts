/**
 * What the emulator in front of another EC2 does with each action. Actions that are not named here are passed through
 * byte for byte, as is everything that is no EC2 request.
 */
export type BehindClass = 'ours' | 'merged';

interface BehindAction {
  readonly as: BehindClass;
  /** What is done, for docs/behind.md. */
  readonly how: string;
}

const OWN_RULES = 'answered by our rules alone; the other EC2 is not asked';
const NOT_SERVED = 'refused by name (InvalidAction): the other EC2 knows no interface of ours';

export const BEHIND_ACTIONS = {
  CreateNetworkInterface: { as: 'ours', how: OWN_RULES },
  DescribeNetworkInterfaces: { as: 'ours', how: OWN_RULES },
  AttachNetworkInterface: { as: 'ours', how: OWN_RULES },
  DetachNetworkInterface: { as: 'ours', how: OWN_RULES },
  ModifyNetworkInterfaceAttribute: { as: 'ours', how: OWN_RULES },
  DeleteNetworkInterface: { as: 'ours', how: OWN_RULES },
  AssignPrivateIpAddresses: { as: 'ours', how: OWN_RULES },
  UnassignPrivateIpAddresses: { as: 'ours', how: OWN_RULES },
  AssignIpv6Addresses: { as: 'ours', how: OWN_RULES },
  UnassignIpv6Addresses: { as: 'ours', how: OWN_RULES },
  CreateSubnetCidrReservation: { as: 'ours', how: OWN_RULES },
  GetSubnetCidrReservations: { as: 'ours', how: OWN_RULES },
  DeleteSubnetCidrReservation: { as: 'ours', how: OWN_RULES },
  DescribeNetworkInterfaceAttribute: { as: 'ours', how: NOT_SERVED },
  ResetNetworkInterfaceAttribute: { as: 'ours', how: NOT_SERVED },
  CreateNetworkInterfacePermission: { as: 'ours', how: NOT_SERVED },
  DescribeNetworkInterfacePermissions: { as: 'ours', how: NOT_SERVED },
  DeleteNetworkInterfacePermission: { as: 'ours', how: NOT_SERVED },
  RunInstances: {
    as: 'merged',
    how: 'our rules first (limits, addresses, prefixes); then forwarded with no more of its interfaces than subnet and groups of the primary one; the answer with the interfaces that we gave. With a launch template it is forwarded as it is',
  },
  DescribeInstances: {
    as: 'merged',
    how: 'forwarded without filters about interfaces, which are ours; the answer with our interfaces in each instance',
  },
  TerminateInstances: { as: 'merged', how: 'forwarded; then our interfaces go with the instance, or become available' },
  DescribeSubnets: {
    as: 'merged',
    how: 'forwarded; the answer with our count of free addresses, and with the IPv6 blocks as associated',
  },
  DeleteSubnet: { as: 'merged', how: 'refused while an interface of ours is in the subnet; else forwarded' },
  DeleteSecurityGroup: { as: 'merged', how: 'refused while an interface of ours is in the group; else forwarded' },
  CreateTags: { as: 'merged', how: 'our ids (eni-, scr-) are ours, the others are forwarded; all or nothing' },
  DeleteTags: { as: 'merged', how: 'our ids (eni-, scr-) are ours, the others are forwarded; all or nothing' },
  DescribeTags: { as: 'merged', how: 'forwarded; the tags of our ids behind those of the answer' },
} as const satisfies Readonly<Record<string, BehindAction>>;

export type NamedAction = keyof typeof BEHIND_ACTIONS;

/** The actions whose answers both sides have a part in. */
export type MergedAction = {
  [A in NamedAction]: (typeof BEHIND_ACTIONS)[A]['as'] extends 'merged' ? A : never;
}[NamedAction];

export function isMerged(action: string): action is MergedAction {
  return behindClassOf(action) === 'merged';
}

/** Undefined for what is passed through. */
export function behindClassOf(action: string): BehindClass | undefined {
  return Object.hasOwn(BEHIND_ACTIONS, action) ? BEHIND_ACTIONS[action as NamedAction].as : undefined;
}
