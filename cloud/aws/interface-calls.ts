import { CloudError } from '../errors.ts';
import type { CloudProvider, CreateNetworkInterfaceRequest } from '../provider.ts';
import { chunk, fieldOf } from './describe.ts';
import type { Ec2Input, Ec2Send } from './ec2-send.ts';
import { toEc2Tags, toNetworkInterface } from './interface-mapping.ts';

type InterfaceCalls = Pick<
  CloudProvider,
  | 'createNetworkInterface'
  | 'attachNetworkInterface'
  | 'modifyNetworkInterfaceAttribute'
  | 'detachNetworkInterface'
  | 'deleteNetworkInterface'
  | 'createTags'
>;

/** CreateTags takes 1000 resources; smaller requests are less often throttled and fail in smaller parts. */
const MAX_TAGGED = 200;

/** The life of an interface: made, attached, changed, detached, deleted, tagged. */
export function interfaceCalls(send: Ec2Send): InterfaceCalls {
  return {
    createNetworkInterface: async (request, { signal }) => {
      const action = 'CreateNetworkInterface';
      const output = await send(action, toCreateInput(request), { signal });
      if (output.NetworkInterface === undefined) {
        throw new CloudError('unavailable', action, 'the answer has no networkInterface');
      }
      return toNetworkInterface(action, output.NetworkInterface);
    },
    attachNetworkInterface: async (request, { signal }) => {
      const output = await send(
        'AttachNetworkInterface',
        {
          NetworkInterfaceId: request.networkInterfaceId,
          InstanceId: request.instanceId,
          DeviceIndex: request.deviceIndex,
          NetworkCardIndex: request.networkCardIndex,
        },
        { signal },
      );
      return { attachmentId: fieldOf('AttachNetworkInterface', 'attachmentId', output.AttachmentId) };
    },
    modifyNetworkInterfaceAttribute: async (request, { signal }) => {
      for (const input of toModifyInputs(request)) await send('ModifyNetworkInterfaceAttribute', input, { signal });
    },
    detachNetworkInterface: async ({ attachmentId, force }, { signal }) => {
      const input = { AttachmentId: attachmentId, ...(force === undefined ? {} : { Force: force }) };
      await send('DetachNetworkInterface', input, { signal });
    },
    deleteNetworkInterface: async ({ networkInterfaceId }, { signal }) => {
      await send('DeleteNetworkInterface', { NetworkInterfaceId: networkInterfaceId }, { signal });
    },
    createTags: async ({ resourceIds, tags }, { signal }) => {
      if (Object.keys(tags).length === 0) return;
      for (const Resources of chunk(resourceIds, MAX_TAGGED)) {
        await send('CreateTags', { Resources, Tags: toEc2Tags(tags) }, { signal });
      }
    },
  };
}

function toCreateInput(request: CreateNetworkInterfaceRequest): Ec2Input<'CreateNetworkInterface'> {
  const Tags = toEc2Tags(request.tags);
  return {
    SubnetId: request.subnetId,
    Groups: [...request.securityGroupIds],
    Description: request.description,
    ClientToken: request.clientToken,
    // EC2 refuses a tag specification without tags.
    ...(Tags.length > 0 && { TagSpecifications: [{ ResourceType: 'network-interface' as const, Tags }] }),
    ...positive('SecondaryPrivateIpAddressCount', request.secondaryAddressCount),
    ...positive('Ipv4PrefixCount', request.ipv4PrefixCount),
    ...positive('Ipv6PrefixCount', request.ipv6PrefixCount),
  };
}

/** EC2 refuses a count of 0; it means the same as no count. */
function positive<K extends string>(name: K, count: number | undefined): { [P in K]?: number } {
  const part: { [P in K]?: number } = {};
  if (count !== undefined && count !== 0) part[name] = count;
  return part;
}

/** EC2 takes one attribute a call (ModifyNetworkInterfaceAttribute: "You can specify only one attribute at a time"). */
function toModifyInputs(
  request: Parameters<CloudProvider['modifyNetworkInterfaceAttribute']>[0],
): Ec2Input<'ModifyNetworkInterfaceAttribute'>[] {
  const NetworkInterfaceId = request.networkInterfaceId;
  const { deleteOnTermination: deletion, securityGroupIds: groups } = request;
  return [
    ...(deletion === undefined
      ? []
      : [
          {
            NetworkInterfaceId,
            Attachment: { AttachmentId: deletion.attachmentId, DeleteOnTermination: deletion.value },
          },
        ]),
    ...(groups === undefined ? [] : [{ NetworkInterfaceId, Groups: [...groups] }]),
  ];
}
