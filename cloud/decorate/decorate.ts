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

/** Makes one call of any operation. */
export type MakeCall = <O extends Operation>(
  operation: O,
  request: RequestOf<O>,
  options: CallOptions,
) => Promise<ResultOf<O>>;

/** A provider of which every method is `call` with the method's name. */
export function providerOf(call: MakeCall): CloudProvider {
  const method =
    <O extends Operation>(operation: O) =>
    (request: RequestOf<O>, options: CallOptions): Promise<ResultOf<O>> =>
      call(operation, request, options);
  return {
    describeNetworkInterfaces: method('describeNetworkInterfaces'),
    describeSubnets: method('describeSubnets'),
    describeInstanceTypes: method('describeInstanceTypes'),
    createNetworkInterface: method('createNetworkInterface'),
    attachNetworkInterface: method('attachNetworkInterface'),
    modifyNetworkInterfaceAttribute: method('modifyNetworkInterfaceAttribute'),
    detachNetworkInterface: method('detachNetworkInterface'),
    deleteNetworkInterface: method('deleteNetworkInterface'),
    assignPrivateIpAddresses: method('assignPrivateIpAddresses'),
    unassignPrivateIpAddresses: method('unassignPrivateIpAddresses'),
    assignIpv6Addresses: method('assignIpv6Addresses'),
    unassignIpv6Addresses: method('unassignIpv6Addresses'),
    createTags: method('createTags'),
  };
}

/** The call of `provider` that has this name. */
export function callOf(provider: CloudProvider): MakeCall {
  const methods: Methods = provider;
  return (operation, request, options) => methods[operation](request, options);
}

/** A provider that does what `provider` does, with `around` about each call. */
export function decorate(provider: CloudProvider, around: Around): CloudProvider {
  const make = callOf(provider);
  return providerOf((operation, request, options) =>
    around({ operation, request, options }, (changed) => make(operation, request, changed)),
  );
}
