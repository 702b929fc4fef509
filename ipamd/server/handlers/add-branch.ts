/** ADD of a pod that has an ENI of its own: a journal record and a plugged pod, or nothing of them and an error. */
import { CniError } from '#cni/spec/errors.ts';
import type { NetworkConfig } from '#cni/spec/config.ts';
import { addressesOf } from '#warm-pool/ledger.ts';
import type { Attachment } from '#warm-pool/model.ts';
import type { BranchGrant } from '../../branch/branch-pods.ts';
import type { PodLinks } from '../../datapath/datapath.ts';
import { hostIfName } from '../../datapath/names.ts';
import { errorFields } from '../../observe/log.ts';
import type { StoredBranch } from '../../store/records.ts';
import type { RequestContext } from '../socket-server.ts';
import { resultOf } from './addresses.ts';
import { type HandlerContext, podAttachment, type PodCall, podOf } from './context.ts';
import { askedFor, checkHostPorts, checkRuntimeConfig } from './runtime-config.ts';

/** Links of strict pods; those who look for branch pods by name know them so (amazon-network-policy-agent). */
const STRICT_PREFIX = 'vlan';

type AddCall = Extract<PodCall, { command: 'ADD' | 'CHECK' }>;

/** The result of ADD where the pod asks for an ENI of its own; undefined for an ordinary pod. */
export async function addBranch(
  call: AddCall,
  attachment: Attachment,
  conf: NetworkConfig,
  request: RequestContext,
  context: HandlerContext,
): Promise<unknown> {
  const { branches } = context;
  const existing = branches.storedFor(attachment);
  // One that was adopted from the kernel does not know its namespace.
  if (existing !== undefined && existing.netns !== '' && existing.netns !== call.netns)
    throw new CniError(
      'attachment-conflict',
      `${call.ifName} of container ${call.containerId} is attached in ${existing.netns} already, not in ${call.netns}`,
    );
  const grant = await branches.grantFor(podOf(call), request.signal);
  if (grant === undefined) {
    // It runs with its own ENI: another ADD of the same container cannot make it an ordinary pod.
    if (existing === undefined) return undefined;
    throw new CniError('attachment-conflict', `${call.ifName} of container ${call.containerId} has an ENI of its own`);
  }
  checkRuntimeConfig(conf, attachment, context);
  const stored = storedBranch(call, existing?.attachment ?? attachment, conf, grant, context);
  if (grant.branch.mode === 'strict' && stored.portMappings !== undefined)
    throw new CniError(
      'invalid-config',
      'network configuration: runtimeConfig.portMappings: a pod with security groups of its own in strict mode has no host ports, because it answers by its own ENI; use POD_SECURITY_GROUP_ENFORCING_MODE=standard',
    );
  checkHostPorts(stored, context);
  const link = await plug(stored, existing !== undefined, conf, request, context);
  request.log.info(
    {
      pod: `${stored.pod.namespace}/${stored.pod.name}`,
      address: stored.address,
      eni: stored.interfaceId,
      vlan: stored.branch.vlanId,
    },
    'pod attached by an ENI of its own',
  );
  context.news.attached(stored.pod, addressesOf(stored));
  return resultOf([{ stored, link }], conf, context.podMtu);
}

function storedBranch(
  call: AddCall,
  attachment: Attachment,
  conf: NetworkConfig,
  { eni, branch }: BranchGrant,
  context: HandlerContext,
): StoredBranch {
  const [address = '', ipv6Address] = eni.addresses;
  const prefix = branch.mode === 'strict' ? STRICT_PREFIX : (conf.vethPrefix ?? context.vethPrefix);
  return {
    attachment,
    pod: podOf(call),
    address,
    ...(ipv6Address === undefined ? {} : { ipv6Address }),
    interfaceId: eni.eniId,
    cidr: '',
    assignedAt: context.now(),
    ...askedFor(conf),
    netns: call.netns,
    hostIfName: hostIfName(prefix, call.containerId, call.ifName),
    branch,
  };
}

async function plug(
  stored: StoredBranch,
  again: boolean,
  conf: NetworkConfig,
  request: RequestContext,
  context: HandlerContext,
): Promise<PodLinks> {
  const { branches, datapath } = context;
  const [record, link] = await Promise.allSettled([
    branches.store(stored),
    datapath.addPod(podAttachment(stored, conf, context)),
  ]);
  if (record.status === 'fulfilled' && link.status === 'fulfilled' && !request.signal.aborted) return link.value;
  // What the pod had before a repeated ADD stays; DEL will end it.
  if (!again)
    await branches.release(stored, request.log).catch((error: unknown) => {
      const fields = { address: stored.address, ...errorFields(error) };
      request.log.error(fields, 'a failed ADD could not be undone in full; DEL or the next start will');
    });
  if (link.status === 'rejected') throw link.reason;
  if (record.status === 'rejected') throw record.reason;
  throw request.signal.reason;
}
