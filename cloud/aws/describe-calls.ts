import type { _InstanceType } from '@aws-sdk/client-ec2';
import type { CallOptions, CloudProvider } from '../provider.ts';
import { allPages, chunk, distinctBy, listOf, MAX_INSTANCE_TYPES, selectionsOf } from './describe.ts';
import type { Selection } from './describe.ts';
import type { Ec2Send } from './ec2-send.ts';
import { toNetworkInterface } from './interface-mapping.ts';
import { toInstanceType, toSubnet } from './subnet-mapping.ts';

type Describes = Pick<CloudProvider, 'describeNetworkInterfaces' | 'describeSubnets' | 'describeInstanceTypes'>;

/** The reading half of the port: every list is complete, whatever EC2's limits on ids, filter values and pages. */
export function describeCalls(send: Ec2Send): Describes {
  return {
    describeNetworkInterfaces: async (request, options) =>
      distinctBy(await inTurn(selectionsOf(request), (part) => describeInterfaces(send, part, options)), (i) => i.id),
    describeSubnets: async (request, options) =>
      distinctBy(await inTurn(selectionsOf(request), (part) => describeSubnets(send, part, options)), (s) => s.id),
    describeInstanceTypes: async ({ instanceTypes }, options) =>
      inTurn(chunk([...new Set(instanceTypes)], MAX_INSTANCE_TYPES), (types) => describeTypes(send, types, options)),
  };
}

function describeInterfaces(send: Ec2Send, selection: Selection, { signal }: CallOptions) {
  const action = 'DescribeNetworkInterfaces';
  return allPages(action, async (token) => {
    const { ids, ...rest } = selection;
    const output = await send(
      action,
      { ...(ids && { NetworkInterfaceIds: [...ids] }), ...pageInput(rest, token) },
      { signal },
    );
    const items = listOf(action, 'networkInterfaceSet', output.NetworkInterfaces);
    return { items: items.map((eni) => toNetworkInterface(action, eni)), next: output.NextToken };
  });
}

function describeSubnets(send: Ec2Send, selection: Selection, { signal }: CallOptions) {
  const action = 'DescribeSubnets';
  return allPages(action, async (token) => {
    const { ids, ...rest } = selection;
    const output = await send(action, { ...(ids && { SubnetIds: [...ids] }), ...pageInput(rest, token) }, { signal });
    const items = listOf(action, 'subnetSet', output.Subnets);
    return { items: items.map((subnet) => toSubnet(action, subnet)), next: output.NextToken };
  });
}

function describeTypes(send: Ec2Send, types: readonly string[], { signal }: CallOptions) {
  const action = 'DescribeInstanceTypes';
  return allPages(action, async (token) => {
    // EC2 knows more types than the SDK's list of names does, and takes any string.
    const InstanceTypes = types as readonly _InstanceType[];
    const output = await send(
      action,
      { InstanceTypes: [...InstanceTypes], ...(token !== undefined && { NextToken: token }) },
      { signal },
    );
    const items = listOf(action, 'instanceTypeSet', output.InstanceTypes);
    return { items: items.map((info) => toInstanceType(action, info)), next: output.NextToken };
  });
}

function pageInput({ filters, maxResults }: Omit<Selection, 'ids'>, token: string | undefined) {
  return {
    ...(filters && { Filters: filters }),
    ...(maxResults !== undefined && { MaxResults: maxResults }),
    ...(token !== undefined && { NextToken: token }),
  };
}

/** One after the other: a burst of pages is what EC2 throttles first. */
async function inTurn<P, T>(parts: readonly P[], one: (part: P) => Promise<readonly T[]>): Promise<T[]> {
  const all: T[] = [];
  for (const part of parts) all.push(...(await one(part)));
  return all;
}
