/** What the runtime asks for beside an address: host ports and limits (CONVENTIONS.md, `portMappings` and `bandwidth`). */
import type { NetworkConfig } from '#cni/spec/config.ts';
import { CniError } from '#cni/spec/errors.ts';
import type { PortMapping } from '#cni/spec/runtime-config.ts';
import { addressesOf, attachmentKey } from '#warm-pool/ledger.ts';
import type { Attachment } from '#warm-pool/model.ts';
import { bandwidthProblem } from '../../datapath/bandwidth/limits.ts';
import { mappingProblem, publishedPorts, takenPort } from '../../datapath/host-port/published.ts';
import type { StoredAssignment } from '../../store/records.ts';
import type { HandlerContext } from './context.ts';

/** What of a configuration is kept with the assignment; the keys are absent where nothing is asked for. */
export function askedFor({
  portMappings,
  bandwidth,
}: NetworkConfig): Pick<StoredAssignment, 'portMappings' | 'bandwidth'> {
  const isLimited = (bandwidth?.ingressRate ?? 0) > 0 || (bandwidth?.egressRate ?? 0) > 0;
  return {
    ...(portMappings.length === 0 ? {} : { portMappings }),
    ...(bandwidth !== undefined && isLimited ? { bandwidth } : {}),
  };
}

type Attached = Pick<HandlerContext, 'attachments'> & {
  readonly branches: Pick<HandlerContext['branches'], 'attachments'>;
};

/** One address of each family: what a pod of either would publish, while its own addresses are not known. */
const OF_EITHER_FAMILY = ['0.0.0.0', '::'];

/**
 * Before an address is taken: what can be refused then, is. Throws `CniError` invalid-config with the key at fault, or the
 * port and the pod that has it.
 */
export function checkRuntimeConfig(
  { portMappings, bandwidth, mtu }: NetworkConfig,
  attachment: Attachment,
  context: Pick<HandlerContext, 'podMtu'> & Attached,
): void {
  refuse(mappingProblem(portMappings, OF_EITHER_FAMILY) ?? bandwidthProblem(bandwidth, mtu ?? context.podMtu));
  checkTaken({ portMappings, attachment, addresses: OF_EITHER_FAMILY }, context);
}

/**
 * Whether the attachment may have its host ports now; two of them never have the same one, because between this and the
 * entry in `attachments` nothing else runs. Throws as `checkRuntimeConfig` does.
 */
export function checkHostPorts(stored: StoredAssignment, context: Attached): void {
  const { portMappings = [], attachment } = stored;
  const addresses = addressesOf(stored);
  refuse(mappingProblem(portMappings, addresses));
  checkTaken({ portMappings, attachment, addresses }, context);
}

function checkTaken(
  wanted: {
    readonly portMappings: readonly PortMapping[];
    readonly attachment: Attachment;
    readonly addresses: readonly string[];
  },
  { attachments, branches }: Attached,
): void {
  if (wanted.portMappings.length === 0) return;
  const own = attachmentKey(wanted.attachment);
  const others = [...attachments.values(), ...branches.attachments.values()]
    .filter((other) => other.portMappings !== undefined && attachmentKey(other.attachment) !== own)
    .map((other) => ({ name: nameOf(other), ports: publishedPorts(other.portMappings ?? [], addressesOf(other)) }));
  const taken = takenPort(publishedPorts(wanted.portMappings, wanted.addresses), others);
  if (taken !== undefined) refuse(`runtimeConfig.portMappings: hostPort ${taken.port} belongs to ${taken.by}`);
}

function nameOf({ pod, attachment }: StoredAssignment): string {
  return pod.name === '' ? `container ${attachment.containerId}` : `pod ${pod.namespace}/${pod.name}`;
}

function refuse(problem: string | undefined): void {
  if (problem !== undefined) throw new CniError('invalid-config', `network configuration: ${problem}`);
}
