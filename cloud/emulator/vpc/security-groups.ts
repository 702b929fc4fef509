import type { SecurityGroup } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../ec2-error.ts';
import type { Context } from './context.ts';
import type { FilterTable } from './filters.ts';
import { applyFilters } from './filters.ts';
import { groupOf, groupsNamed, vpcOf } from './lookup.ts';
import { pageOf } from './paging.ts';
import { required } from './parameters.ts';
import type { SecurityGroupRecord, VpcState } from './state.ts';
import { tagsFor, tagSetOf } from './tag-sets.ts';
import type { Query, Transition } from './transition.ts';

/** EC2's default quota. */
const MOST_GROUPS_PER_INTERFACE = 5;

/** Gives a VPC the group `default` that every VPC has from its birth. */
export function createDefaultGroup(state: VpcState, vpcId: string, context: Context): VpcState {
  const group: SecurityGroupRecord = {
    ...context.identities.next('sg'),
    tags: {},
    vpcId,
    name: 'default',
    description: 'default VPC security group',
  };
  return { ...state, securityGroups: state.securityGroups.set(group.id, group) };
}

export const createSecurityGroup: Transition<'CreateSecurityGroup'> = (state, input, context) => {
  const name = required(input.GroupName, 'GroupName');
  const description = required(input.Description, 'GroupDescription');
  if (input.VpcId === undefined) throw new Ec2Error('VPCIdNotSpecified', 'No default VPC for this user');
  const vpc = vpcOf(state, input.VpcId);
  if (state.securityGroups.values().some((group) => group.vpcId === vpc.id && group.name === name)) {
    throw new Ec2Error('InvalidGroup.Duplicate', `The security group '${name}' already exists for VPC '${vpc.id}'`);
  }
  const tags = tagsFor(input.TagSpecifications, 'security-group');
  const group: SecurityGroupRecord = { ...context.identities.next('sg'), tags, vpcId: vpc.id, name, description };
  return {
    state: { ...state, securityGroups: state.securityGroups.set(group.id, group) },
    output: { GroupId: group.id, Tags: tagSetOf(tags) },
  };
};

export const deleteSecurityGroup: Transition<'DeleteSecurityGroup'> = (state, input) => {
  const group = groupOf(state, input.GroupId);
  if (group.name === 'default') {
    throw new Ec2Error(
      'CannotDelete',
      `the specified group: "${group.id}" name: "default" cannot be deleted by a user`,
    );
  }
  if (state.interfaces.values().some((held) => held.groups.includes(group.id))) {
    throw new Ec2Error('DependencyViolation', `resource ${group.id} has a dependent object`);
  }
  return {
    state: { ...state, securityGroups: state.securityGroups.delete(group.id) },
    output: { Return: true, GroupId: group.id },
  };
};

export const describeSecurityGroups: Query<'DescribeSecurityGroups'> = (state, input, context) => {
  const named = groupsNamed(state, input.GroupIds).filter(
    (group) => input.GroupNames === undefined || input.GroupNames.length === 0 || input.GroupNames.includes(group.name),
  );
  const chosen = applyFilters(named, input.Filters, GROUP_FILTERS, (group) => group.tags);
  const rules = { action: 'DescribeSecurityGroups', byId: (input.GroupIds ?? []).length > 0, largest: 1000 };
  const page = pageOf(chosen, (group) => group.order, input, rules);
  return { SecurityGroups: page.items.map((group) => describeGroup(group, context)), NextToken: page.nextToken };
};

const GROUP_FILTERS: FilterTable<SecurityGroupRecord> = {
  'group-id': (group) => [group.id],
  'group-name': (group) => [group.name],
  'vpc-id': (group) => [group.vpcId],
  description: (group) => [group.description],
};

function describeGroup(group: SecurityGroupRecord, context: Context): SecurityGroup {
  return {
    GroupId: group.id,
    GroupName: group.name,
    Description: group.description,
    OwnerId: context.accountId,
    VpcId: group.vpcId,
    SecurityGroupArn: `arn:aws:ec2:${context.region}:${context.accountId}:security-group/${group.id}`,
    IpPermissions: [],
    IpPermissionsEgress: [
      {
        IpProtocol: '-1',
        IpRanges: [{ CidrIp: '0.0.0.0/0' }],
        Ipv6Ranges: [],
        PrefixListIds: [],
        UserIdGroupPairs: [],
      },
    ],
    Tags: tagSetOf(group.tags),
  };
}

/**
 * The groups of an interface of `vpcId`: those named, or the VPC's default group where none is. Every group must exist
 * and belong to the VPC.
 */
export function groupsForInterface(
  state: VpcState,
  vpcId: string,
  ids: readonly string[] | undefined,
): readonly string[] {
  if (ids === undefined || ids.length === 0) {
    const fallback = state.securityGroups.values().find((group) => group.vpcId === vpcId && group.name === 'default');
    return fallback === undefined ? [] : [fallback.id];
  }
  const groups = [...new Set(ids)].map((id) => groupOf(state, id));
  const foreign = groups.find((group) => group.vpcId !== vpcId);
  if (foreign !== undefined) {
    throw new Ec2Error(
      'InvalidParameter',
      `Security group ${foreign.id} and VPC ${vpcId} belong to different networks.`,
    );
  }
  if (groups.length > MOST_GROUPS_PER_INTERFACE) {
    throw new Ec2Error(
      'SecurityGroupsPerInterfaceLimitExceeded',
      'The maximum number of security groups per interface has been reached.',
    );
  }
  return groups.map((group) => group.id);
}

/** Ids of the groups of `vpcId` with these names. */
export function groupIdsByName(state: VpcState, vpcId: string, names: readonly string[]): readonly string[] {
  return names.map((name) => {
    const found = state.securityGroups.values().find((group) => group.vpcId === vpcId && group.name === name);
    if (found !== undefined) return found.id;
    throw new Ec2Error('InvalidGroup.NotFound', `The security group '${name}' does not exist in VPC '${vpcId}'`);
  });
}
