import {
  AssignIpv6AddressesCommand,
  AssignPrivateIpAddressesCommand,
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  CreateTagsCommand,
  DeleteNetworkInterfaceCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DetachNetworkInterfaceCommand,
  ModifyNetworkInterfaceAttributeCommand,
  UnassignIpv6AddressesCommand,
  UnassignPrivateIpAddressesCommand,
} from '@aws-sdk/client-ec2';
import type { EC2Client } from '@aws-sdk/client-ec2';
import type { CloudError } from '../errors.ts';
import { refusesCredentials } from './credential-errors.ts';
import type { Ec2CallName, Ec2Input, Ec2Output, Ec2Send } from './ec2-send.ts';
import { Ec2Session } from './ec2-session.ts';
import type { Keys } from './ec2-session.ts';
import { abortedError, cloudErrorFrom } from './map-errors.ts';
import type { Environment } from './proxy.ts';
import { fromSdkError } from './sdk-errors.ts';

export interface Ec2ClientOptions {
  readonly region: string;
  /** Where EC2 is; without it AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL, the shared config, then the region's own. */
  readonly endpoint?: string | undefined;
  /** A call without a whole answer after this long fails with `unavailable`. Default 10, as the peer's HTTP_TIMEOUT. */
  readonly httpTimeoutSeconds?: number | undefined;
  /** Our version, for the user agent `wellspring/<version>`. */
  readonly version: string;
  /** Where the proxy is named, and by what it is told which credentials lack. Default: this process's. */
  readonly environment?: Environment | undefined;
  /** Credentials that an earlier client had. */
  readonly keys?: Keys | undefined;
  /** Told of credentials that the SDK found. Must not throw. */
  readonly onKeys?: ((keys: Keys) => void) | undefined;
}

/** A sender with connections that must be closed: `using`, or `[Symbol.dispose]()` at the end. */
export interface Ec2ClientSend extends Ec2Send, Disposable {}

type Senders = {
  readonly [A in Ec2CallName]: (
    client: EC2Client,
    input: Ec2Input<A>,
    options: { readonly abortSignal: AbortSignal },
  ) => Promise<Ec2Output<A>>;
};

/**
 * EC2 through `@aws-sdk/client-ec2`: credentials by the SDK's default chain, connections kept alive, and one attempt a
 * call, because retrying is the business of cloud/decorate/retry.ts. Only a call that is refused for its credentials is
 * sent a second time, where there are newer ones.
 */
export function createEc2ClientSend(options: Ec2ClientOptions): Ec2ClientSend {
  const timeoutMs = (options.httpTimeoutSeconds ?? 10) * 1000;
  const session = new Ec2Session({ ...options, environment: options.environment ?? process.env, timeoutMs });

  const send: Ec2Send = async (action, input, { signal }) => {
    if (signal?.aborted) throw abortedError(action, signal);
    const timeout = AbortSignal.timeout(timeoutMs);
    const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    const meaning = (error: unknown): CloudError => {
      if (signal?.aborted) return abortedError(action, signal);
      return timeout.aborted ? noAnswerInTime(action, timeoutMs, error) : fromSdkError(action, error);
    };
    // The SDK stops listening to the signal once the headers are in; this also ends a body that never comes.
    const attempt = (client: EC2Client) => orAbort(SENDERS[action](client, input, { abortSignal: either }), either);
    const { client } = session;
    try {
      return await attempt(client);
    } catch (error) {
      const refusal = meaning(error);
      if (!refusesCredentials(refusal)) throw refusal;
      try {
        if (await orAbort(session.renew(client), either)) return await attempt(session.client);
      } catch (later) {
        throw meaning(later);
      }
      throw refusal;
    }
  };
  return Object.assign(send, { [Symbol.dispose]: () => session[Symbol.dispose]() });
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

const SENDERS: Senders = {
  DescribeNetworkInterfaces: (client, input, o) => client.send(new DescribeNetworkInterfacesCommand(input), o),
  DescribeSubnets: (client, input, o) => client.send(new DescribeSubnetsCommand(input), o),
  DescribeInstanceTypes: (client, input, o) => client.send(new DescribeInstanceTypesCommand(input), o),
  CreateNetworkInterface: (client, input, o) => client.send(new CreateNetworkInterfaceCommand(input), o),
  AttachNetworkInterface: (client, input, o) => client.send(new AttachNetworkInterfaceCommand(input), o),
  ModifyNetworkInterfaceAttribute: (client, input, o) =>
    client.send(new ModifyNetworkInterfaceAttributeCommand(input), o),
  DetachNetworkInterface: (client, input, o) => client.send(new DetachNetworkInterfaceCommand(input), o),
  DeleteNetworkInterface: (client, input, o) => client.send(new DeleteNetworkInterfaceCommand(input), o),
  AssignPrivateIpAddresses: (client, input, o) => client.send(new AssignPrivateIpAddressesCommand(input), o),
  UnassignPrivateIpAddresses: (client, input, o) => client.send(new UnassignPrivateIpAddressesCommand(input), o),
  AssignIpv6Addresses: (client, input, o) => client.send(new AssignIpv6AddressesCommand(input), o),
  UnassignIpv6Addresses: (client, input, o) => client.send(new UnassignIpv6AddressesCommand(input), o),
  CreateTags: (client, input, o) => client.send(new CreateTagsCommand(input), o),
};
