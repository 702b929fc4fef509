import type { CallOptions, CloudProvider } from '../provider.ts';

export type Operation = keyof CloudProvider;
export type RequestOf<O extends Operation> = Parameters<CloudProvider[O]>[0];
export type ResultOf<O extends Operation> = Awaited<ReturnType<CloudProvider[O]>>;

/** One call on its way to the cloud. */
export interface Call {
  readonly operation: Operation;
  readonly request: RequestOf<Operation>;
  readonly options: CallOptions;
}

/** Stands around every call of a provider; `proceed` makes the call, as often as it is called, with the options given. */
export type Around = <T>(call: Call, proceed: (options: CallOptions) => Promise<T>) => Promise<T>;

type Methods = { readonly [O in Operation]: (request: RequestOf<O>, options: CallOptions) => Promise<ResultOf<O>> };

/** A provider that does what `provider` does, with `around` about each call. */
export function decorate(provider: CloudProvider, around: Around): CloudProvider {
  const methods: Methods = provider;
  const wrap =
    <O extends Operation>(operation: O) =>
    (request: RequestOf<O>, options: CallOptions): Promise<ResultOf<O>> =>
      around({ operation, request, options }, (changed) => methods[operation](request, changed));
  return {
    describeNetworkInterfaces: wrap('describeNetworkInterfaces'),
    describeSubnets: wrap('describeSubnets'),
    describeInstanceTypes: wrap('describeInstanceTypes'),
    createNetworkInterface: wrap('createNetworkInterface'),
    attachNetworkInterface: wrap('attachNetworkInterface'),
    modifyNetworkInterfaceAttribute: wrap('modifyNetworkInterfaceAttribute'),
    detachNetworkInterface: wrap('detachNetworkInterface'),
    deleteNetworkInterface: wrap('deleteNetworkInterface'),
    assignPrivateIpAddresses: wrap('assignPrivateIpAddresses'),
    unassignPrivateIpAddresses: wrap('unassignPrivateIpAddresses'),
    assignIpv6Addresses: wrap('assignIpv6Addresses'),
    unassignIpv6Addresses: wrap('unassignIpv6Addresses'),
    createTags: wrap('createTags'),
  };
}
