import type { TagDescription } from '@aws-sdk/client-ec2';
import type { Tags } from '#cloud/provider.ts';
import { Ec2Error } from '../ec2-error.ts';
import { applyFilters } from './filters.ts';
import { groupOf, instanceOf, interfaceOf, subnetOf, subnetOfReservation, vpcOf } from './lookup.ts';
import { pageOf } from './paging.ts';
import { missing, required } from './parameters.ts';
import type { Resource, VpcState } from './state.ts';
import { withTags } from './tag-sets.ts';
import type { Query, Transition } from './transition.ts';

type Change = (tags: Tags) => Tags;

/** How the tags of one kind of resource are changed, by the prefix of its ids. */
const TAGGERS: Readonly<Record<string, (state: VpcState, id: string, change: Change) => VpcState>> = {
  vpc: (state, id, change) => ({ ...state, vpcs: state.vpcs.set(id, changed(vpcOf(state, id), change)) }),
  subnet: (state, id, change) => ({ ...state, subnets: state.subnets.set(id, changed(subnetOf(state, id), change)) }),
  sg: (state, id, change) => ({
    ...state,
    securityGroups: state.securityGroups.set(id, changed(groupOf(state, id), change)),
  }),
  eni: (state, id, change) => ({
    ...state,
    interfaces: state.interfaces.set(id, changed(interfaceOf(state, id), change)),
  }),
  i: (state, id, change) => ({ ...state, instances: state.instances.set(id, changed(instanceOf(state, id), change)) }),
  scr: (state, id, change) => {
    const subnet = subnetOfReservation(state, id);
    const reservations = subnet.reservations.map((held) => (held.id === id ? changed(held, change) : held));
    return { ...state, subnets: state.subnets.set(subnet.id, { ...subnet, reservations }) };
  },
};

export const createTags: Transition<'CreateTags'> = (state, input) => {
  const tags = required(input.Tags, 'Tag');
  return { state: changeAll(state, input.Resources, (held) => withTags(held, tags)), output: {} };
};

/** Without tags all of them go; a tag with a value goes only where it has that value (EC2 API reference, DeleteTags). */
export const deleteTags: Transition<'DeleteTags'> = (state, input) => {
  const named = input.Tags ?? [];
  const goes = (key: string, value: string): boolean =>
    named.length === 0 || named.some((tag) => tag.Key === key && (tag.Value === undefined || tag.Value === value));
  const change: Change = (held) => Object.fromEntries(Object.entries(held).filter(([key, value]) => !goes(key, value)));
  return { state: changeAll(state, input.Resources, change), output: {} };
};

export const describeTags: Query<'DescribeTags'> = (state, input) => {
  const chosen = applyFilters(
    allTags(state),
    input.Filters,
    {
      key: (tag) => [tag.Key],
      value: (tag) => [tag.Value],
      'resource-id': (tag) => [tag.ResourceId],
      'resource-type': (tag) => [tag.ResourceType],
    },
    (tag) => ({ [tag.Key]: tag.Value }),
  );
  const page = pageOf(chosen, (tag) => tag.order, input, { action: 'DescribeTags', byId: false, largest: 1000 });
  return {
    Tags: page.items.map(({ ResourceId, ResourceType, Key, Value }): TagDescription => ({
      ResourceId,
      ResourceType,
      Key,
      Value,
    })),
    NextToken: page.nextToken,
  };
};

type TagRow = {
  readonly order: number;
  readonly ResourceId: string;
  readonly ResourceType: NonNullable<TagDescription['ResourceType']>;
  readonly Key: string;
  readonly Value: string;
};

/** A resource has at most 50 tags, so that 64 places a resource keep the order of its tags. */
const PLACES = 64;

function allTags(state: VpcState): readonly TagRow[] {
  const rows = (ResourceType: TagRow['ResourceType'], resources: readonly Resource[]): TagRow[] =>
    resources.flatMap((resource) =>
      Object.entries(resource.tags).map(([Key, Value], index) => ({
        order: resource.order * PLACES + index,
        ResourceId: resource.id,
        ResourceType,
        Key,
        Value,
      })),
    );
  return [
    ...rows('vpc', state.vpcs.values()),
    ...rows('subnet', state.subnets.values()),
    ...rows('security-group', state.securityGroups.values()),
    ...rows('network-interface', state.interfaces.values()),
    ...rows('instance', state.instances.values()),
    ...rows(
      'subnet-cidr-reservation',
      state.subnets.values().flatMap((subnet) => subnet.reservations),
    ),
  ];
}

function changeAll(state: VpcState, ids: readonly string[] | undefined, change: Change): VpcState {
  const resources = [...new Set(required(ids, 'ResourceId'))];
  if (resources.length === 0) throw missing('ResourceId');
  return resources.reduce((next, id) => taggerOf(id)(next, id, change), state);
}

function taggerOf(id: string): (state: VpcState, id: string, change: Change) => VpcState {
  const prefix = id.slice(0, Math.max(id.lastIndexOf('-'), 0));
  const tagger = Object.hasOwn(TAGGERS, prefix) ? TAGGERS[prefix] : undefined;
  if (tagger === undefined) throw new Ec2Error('InvalidID', `The ID '${id}' is not valid`);
  return tagger;
}

function changed<T extends Resource>(resource: T, change: Change): T {
  return { ...resource, tags: change(resource.tags) };
}
