/** The cloud as this node sees it: instance metadata, and what the node's role may do, asked with DryRun, which changes nothing. */
import { CredentialsUnavailable } from '#cloud/aws/credential-errors.ts';
import { createEc2ClientSend } from '#cloud/aws/ec2-client.ts';
import type { Ec2CallName, Ec2Input, Ec2Send } from '#cloud/aws/ec2-send.ts';
import { createInstanceMetadata, metadataEndpoint } from '#cloud/aws/instance-metadata.ts';
import { CloudError } from '#cloud/errors.ts';
import type { Known, MetadataFact, PermissionFact } from '../facts.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const LIMIT_MS = 10_000;

/** Three tries of a second: who waits for this is a person. */
export async function collectMetadata(environment: Environment): Promise<Known<MetadataFact>> {
  const from = performance.now();
  try {
    const source = createInstanceMetadata(environment, { timeoutMs: 1000, attempts: 3 });
    const identity = await source.identity({ signal: AbortSignal.timeout(LIMIT_MS) });
    return {
      value: {
        endpoint: metadataEndpoint(environment),
        instanceId: identity.instanceId,
        region: identity.region,
        subnetId: identity.subnetId,
        interfaceId: identity.primaryInterfaceId,
        ms: Math.round(performance.now() - from),
      },
    };
  } catch (error) {
    return { unknown: error instanceof Error ? error.message : String(error) };
  }
}

/** Objects that EC2 must find before it judges who asks: this node's own, and one attachment that cannot be. */
function questions({ interfaceId, instanceId, subnetId }: MetadataFact, environment: Environment): readonly Question[] {
  const NetworkInterfaceId = interfaceId;
  const ipv4 = [
    ask('AssignPrivateIpAddresses', { NetworkInterfaceId, SecondaryPrivateIpAddressCount: 1 }),
    ask('UnassignPrivateIpAddresses', { NetworkInterfaceId, PrivateIpAddresses: ['192.0.2.1'] }),
  ];
  const ipv6 = [
    ask('AssignIpv6Addresses', { NetworkInterfaceId, Ipv6PrefixCount: 1 }),
    ask('UnassignIpv6Addresses', { NetworkInterfaceId, Ipv6Addresses: ['2001:db8::1'] }),
  ];
  return [
    ask('DescribeNetworkInterfaces', {}),
    ask('DescribeSubnets', {}),
    ask('DescribeInstanceTypes', {}),
    ask('CreateNetworkInterface', { SubnetId: subnetId }),
    ask('AttachNetworkInterface', { NetworkInterfaceId, InstanceId: instanceId, DeviceIndex: 15 }),
    ask('ModifyNetworkInterfaceAttribute', { NetworkInterfaceId, SourceDestCheck: { Value: true } }),
    ask('DetachNetworkInterface', { AttachmentId: 'eni-attach-00000000000000000' }),
    ask('DeleteNetworkInterface', { NetworkInterfaceId }),
    ...(environment['ENABLE_IPv4'] === 'false' ? [] : ipv4),
    ...(environment['ENABLE_IPv6'] === 'true' ? ipv6 : []),
    ask('CreateTags', { Resources: [interfaceId], Tags: [{ Key: 'wellspring.dev/probe', Value: '' }] }),
  ];
}

interface Question {
  readonly action: Ec2CallName;
  readonly send: (send: Ec2Send, signal: AbortSignal) => Promise<unknown>;
}

function ask<A extends Ec2CallName>(action: A, input: Ec2Input<A>): Question {
  return { action, send: (send, signal) => send(action, { ...input, DryRun: true }, { signal }) };
}

/** One call for each action the daemon makes, side by side. */
export async function collectPermissions(
  metadata: Known<MetadataFact>,
  { environment, version }: { readonly environment: Environment; readonly version: string },
): Promise<Known<readonly PermissionFact[]>> {
  if ('unknown' in metadata)
    return { unknown: 'instance metadata does not say which region and interface to ask about' };
  const endpoint = environment['AWS_EC2_ENDPOINT'] || undefined;
  using send = createEc2ClientSend({ region: metadata.value.region, endpoint, version, environment });
  const signal = AbortSignal.timeout(LIMIT_MS);
  const facts = await Promise.all(
    questions(metadata.value, environment).map(async (question): Promise<PermissionFact> => {
      try {
        await question.send(send, signal);
        return { action: question.action, outcome: 'allowed', says: 'done' };
      } catch (error) {
        return { action: question.action, ...judged(error) };
      }
    }),
  );
  return { value: facts };
}

/** EC2 user guide, "DryRun": DryRunOperation is yes, UnauthorizedOperation no; other refusals came before or after that. */
function judged(error: unknown): Pick<PermissionFact, 'outcome' | 'says'> {
  const says = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  if (!(error instanceof CloudError)) return { outcome: 'unknown', says };
  if (error.cause instanceof CredentialsUnavailable) return { outcome: 'no-credentials', says: error.cause.message };
  if (error.ec2Code === 'DryRunOperation') return { outcome: 'allowed', says: 'DryRunOperation' };
  return { outcome: error.code === 'denied' ? 'denied' : 'unknown', says };
}
