import { CloudError } from '../errors.ts';
import type { AssignRequest, Assigned, CloudProvider, UnassignRequest } from '../provider.ts';
import type { Ec2Input, Ec2Send } from './ec2-send.ts';
import { present } from './interface-mapping.ts';

type AddressCalls = Pick<
  CloudProvider,
  'assignPrivateIpAddresses' | 'unassignPrivateIpAddresses' | 'assignIpv6Addresses' | 'unassignIpv6Addresses'
>;

/** Addresses and prefixes of an interface. Assigns answer only what is new, as EC2 does. */
export function addressCalls(send: Ec2Send): AddressCalls {
  return {
    assignPrivateIpAddresses: async (request, { signal }) => {
      const output = await send('AssignPrivateIpAddresses', toAssignInput(request), { signal });
      return onlyNew('AssignPrivateIpAddresses', request, {
        addresses: present((output.AssignedPrivateIpAddresses ?? []).map((a) => a.PrivateIpAddress)),
        prefixes: present((output.AssignedIpv4Prefixes ?? []).map((p) => p.Ipv4Prefix)),
      });
    },
    assignIpv6Addresses: async (request, { signal }) => {
      const output = await send('AssignIpv6Addresses', toAssignIpv6Input(request), { signal });
      return onlyNew('AssignIpv6Addresses', request, {
        addresses: output.AssignedIpv6Addresses ?? [],
        prefixes: output.AssignedIpv6Prefixes ?? [],
      });
    },
    unassignPrivateIpAddresses: async (request, { signal }) => {
      for (const [kind, values] of unassignParts(request)) {
        const what = kind === 'addresses' ? { PrivateIpAddresses: values } : { Ipv4Prefixes: values };
        await send(
          'UnassignPrivateIpAddresses',
          { NetworkInterfaceId: request.networkInterfaceId, ...what },
          { signal },
        );
      }
    },
    unassignIpv6Addresses: async (request, { signal }) => {
      for (const [kind, values] of unassignParts(request)) {
        const what = kind === 'addresses' ? { Ipv6Addresses: values } : { Ipv6Prefixes: values };
        await send('UnassignIpv6Addresses', { NetworkInterfaceId: request.networkInterfaceId, ...what }, { signal });
      }
    },
  };
}

/**
 * An answer with more than was asked for cannot be only new; LocalStack's and moto's list all that the interface has, its
 * primary address too. Which are new is then unknown, as after an answer that was lost: the caller must describe.
 */
function onlyNew(action: string, request: AssignRequest, answer: Assigned): Assigned {
  const asked = {
    addresses: request.addresses?.length ?? request.addressCount ?? 0,
    prefixes: request.prefixes?.length ?? request.prefixCount ?? 0,
  };
  for (const kind of ['addresses', 'prefixes'] as const) {
    if (answer[kind].length > asked[kind]) {
      const counts = `${String(asked[kind])} asked for, ${String(answer[kind].length)} answered`;
      throw new CloudError('unavailable', action, `the ${kind} of the answer cannot all be new: ${counts}`);
    }
  }
  return answer;
}

function toAssignInput(request: AssignRequest): Ec2Input<'AssignPrivateIpAddresses'> {
  return {
    NetworkInterfaceId: request.networkInterfaceId,
    ...(request.addressCount !== undefined && { SecondaryPrivateIpAddressCount: request.addressCount }),
    ...(request.prefixCount !== undefined && { Ipv4PrefixCount: request.prefixCount }),
    ...(request.addresses && { PrivateIpAddresses: [...request.addresses] }),
    ...(request.prefixes && { Ipv4Prefixes: [...request.prefixes] }),
  };
}

function toAssignIpv6Input(request: AssignRequest): Ec2Input<'AssignIpv6Addresses'> {
  return {
    NetworkInterfaceId: request.networkInterfaceId,
    ...(request.addressCount !== undefined && { Ipv6AddressCount: request.addressCount }),
    ...(request.prefixCount !== undefined && { Ipv6PrefixCount: request.prefixCount }),
    ...(request.addresses && { Ipv6Addresses: [...request.addresses] }),
    ...(request.prefixes && { Ipv6Prefixes: [...request.prefixes] }),
  };
}

/** One call for the addresses and one for the prefixes, as EC2 documents each alone; nothing to give back, no call. */
function unassignParts(request: UnassignRequest): UnassignPart[] {
  const parts: readonly UnassignPart[] = [
    ['addresses', [...(request.addresses ?? [])]],
    ['prefixes', [...(request.prefixes ?? [])]],
  ];
  return parts.filter(([, values]) => values.length > 0);
}

type UnassignPart = readonly [kind: 'addresses' | 'prefixes', values: string[]];
