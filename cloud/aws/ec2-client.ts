import type * as Ec2Sdk from '@aws-sdk/client-ec2';
import type { CloudError } from '../errors.ts';
import { checkAnswers } from './answer-check.ts';
import type { Ec2CallName, Ec2Input, Ec2Output, Ec2Send } from './ec2-send.ts';
import { abortedError, cloudErrorFrom } from './map-errors.ts';
import { fromSdkError } from './sdk-errors.ts';

export interface Ec2ClientOptions {
  readonly region: string;
  /** Where EC2 is; without it AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL, the shared config, then the region's own. */
  readonly endpoint?: string | undefined;
  /** A call without a whole answer after this long fails with `unavailable`. Default 10, as the peer's HTTP_TIMEOUT. */
  readonly httpTimeoutSeconds?: number | undefined;
  /** Our version, for the user agent `wellspring/<version>`. */
  readonly version: string;
}

/** A sender with connections that must be closed: `using`, or `[Symbol.dispose]()` at the end. */
export interface Ec2ClientSend extends Ec2Send, Disposable {}

type EC2Client = Ec2Sdk.EC2Client;
type Sdk = typeof Ec2Sdk;

type Senders = {
  readonly [A in Ec2CallName]: (
    input: Ec2Input<A>,
    options: { readonly abortSignal: AbortSignal },
  ) => Promise<Ec2Output<A>>;
};

interface Loaded {
  readonly client: EC2Client;
  readonly senders: Senders;
}

/**
 * EC2 through `@aws-sdk/client-ec2`: credentials by the SDK's default chain, connections kept alive, and one attempt a
 * call, because retrying is the business of cloud/decorate/retry.ts. The SDK (about 80 MiB resident) is loaded by the
 * first call.
 */
export function createEc2ClientSend(options: Ec2ClientOptions): Ec2ClientSend {
  const timeoutMs = (options.httpTimeoutSeconds ?? 10) * 1000;
  let loading: Promise<Loaded> | undefined;

  const send: Ec2Send = async (action, input, { signal }) => {
    if (signal?.aborted) throw abortedError(action, signal);
    const timeout = AbortSignal.timeout(timeoutMs);
    const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    try {
      loading ??= load(options, timeoutMs);
      const { senders } = await loading;
      // The SDK stops listening to the signal once the headers are in; this also ends a body that never comes.
      return await orAbort(senders[action](input, { abortSignal: either }), either);
    } catch (error) {
      if (signal?.aborted) throw abortedError(action, signal);
      if (timeout.aborted) throw noAnswerInTime(action, timeoutMs, error);
      throw fromSdkError(action, error);
    }
  };

  const dispose = (): void => {
    // A client that never loaded has nothing to close, and the call that waited for it has been told why.
    loading?.then(
      ({ client }) => client.destroy(),
      () => undefined,
    );
  };
  return Object.assign(send, { [Symbol.dispose]: dispose });
}

async function load(options: Ec2ClientOptions, timeoutMs: number): Promise<Loaded> {
  const sdk = await import('@aws-sdk/client-ec2');
  const client = new sdk.EC2Client({
    region: options.region,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    maxAttempts: 1,
    customUserAgent: [['wellspring', options.version]],
    requestHandler: { connectionTimeout: timeoutMs, requestTimeout: timeoutMs, throwOnRequestTimeout: true },
  });
  checkAnswers(client);
  return { client, senders: sendersOf(sdk, client) };
}

function noAnswerInTime(action: string, timeoutMs: number, cause: unknown): CloudError {
  const message = `no answer within ${String(timeoutMs / 1000)} s (HTTP_TIMEOUT)`;
  return cloudErrorFrom(action, { ec2Code: undefined, status: undefined, message, cause });
}

/** Settles as `promise` does, or rejects when `signal` fires, whichever is first. */
async function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    reject(signal.reason);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function sendersOf(sdk: Sdk, client: EC2Client): Senders {
  return {
    DescribeNetworkInterfaces: (input, o) => client.send(new sdk.DescribeNetworkInterfacesCommand(input), o),
    DescribeSubnets: (input, o) => client.send(new sdk.DescribeSubnetsCommand(input), o),
    DescribeInstanceTypes: (input, o) => client.send(new sdk.DescribeInstanceTypesCommand(input), o),
    CreateNetworkInterface: (input, o) => client.send(new sdk.CreateNetworkInterfaceCommand(input), o),
    AttachNetworkInterface: (input, o) => client.send(new sdk.AttachNetworkInterfaceCommand(input), o),
    ModifyNetworkInterfaceAttribute: (input, o) =>
      client.send(new sdk.ModifyNetworkInterfaceAttributeCommand(input), o),
    DetachNetworkInterface: (input, o) => client.send(new sdk.DetachNetworkInterfaceCommand(input), o),
    DeleteNetworkInterface: (input, o) => client.send(new sdk.DeleteNetworkInterfaceCommand(input), o),
    AssignPrivateIpAddresses: (input, o) => client.send(new sdk.AssignPrivateIpAddressesCommand(input), o),
    UnassignPrivateIpAddresses: (input, o) => client.send(new sdk.UnassignPrivateIpAddressesCommand(input), o),
    AssignIpv6Addresses: (input, o) => client.send(new sdk.AssignIpv6AddressesCommand(input), o),
    UnassignIpv6Addresses: (input, o) => client.send(new sdk.UnassignIpv6AddressesCommand(input), o),
    CreateTags: (input, o) => client.send(new sdk.CreateTagsCommand(input), o),
  };
}
