import { expect, it } from '@jest/globals';
import type { CallOptions, CloudProvider } from '#cloud/provider.ts';
import { callEach } from '#cloud/decorate/testing/quiet-provider.ts';
import type { Operation } from '#cloud/decorate/decorate.ts';
import { CloudError } from '#cloud/errors.ts';
import { ABSENT, CAUSE } from './subject.ts';
import type { World } from './subject.ts';

type Call = (provider: CloudProvider, options: CallOptions) => Promise<unknown>;
const networkInterfaceId = ABSENT.networkInterface;

/** Each call on something that is not there. */
const ON_NOTHING: Readonly<Record<Operation, Call>> = {
  describeNetworkInterfaces: (p, o) => p.describeNetworkInterfaces({ ids: [networkInterfaceId] }, o),
  describeSubnets: (p, o) => p.describeSubnets({ ids: [ABSENT.subnet] }, o),
  describeInstanceTypes: (p, o) => p.describeInstanceTypes({ instanceTypes: ['z99.nano'] }, o),
  createNetworkInterface: (p, o) =>
    p.createNetworkInterface(
      { subnetId: ABSENT.subnet, securityGroupIds: [], description: '', tags: {}, clientToken: 'none' },
      o,
    ),
  attachNetworkInterface: (p, o) =>
    p.attachNetworkInterface(
      { networkInterfaceId, instanceId: ABSENT.instance, deviceIndex: 1, networkCardIndex: 0 },
      o,
    ),
  modifyNetworkInterfaceAttribute: (p, o) =>
    p.modifyNetworkInterfaceAttribute(
      { networkInterfaceId, deleteOnTermination: { attachmentId: ABSENT.attachment, value: true } },
      o,
    ),
  detachNetworkInterface: (p, o) => p.detachNetworkInterface({ attachmentId: ABSENT.attachment }, o),
  deleteNetworkInterface: (p, o) => p.deleteNetworkInterface({ networkInterfaceId }, o),
  assignPrivateIpAddresses: (p, o) => p.assignPrivateIpAddresses({ networkInterfaceId, addressCount: 1 }, o),
  unassignPrivateIpAddresses: (p, o) =>
    p.unassignPrivateIpAddresses({ networkInterfaceId, addresses: ['10.0.0.9'] }, o),
  assignIpv6Addresses: (p, o) => p.assignIpv6Addresses({ networkInterfaceId, addressCount: 1 }, o),
  unassignIpv6Addresses: (p, o) => p.unassignIpv6Addresses({ networkInterfaceId, addresses: ['2001:db8::9'] }, o),
  createTags: (p, o) => p.createTags({ resourceIds: [networkInterfaceId], tags: { a: 'b' } }, o),
};
const OPERATIONS = Object.keys(ON_NOTHING) as Operation[];

/** What is refused, and with which code; nothing but a CloudError is thrown. */
export function refusalTests(world: () => World): void {
  it.each(OPERATIONS)('%s on what is not there is not-found, in words of EC2', async (operation) => {
    const error: unknown = await ON_NOTHING[operation](world().provider, CAUSE).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CloudError);
    expect(error).toMatchObject({ code: 'not-found', retry: 'never', ec2Code: expect.stringMatching(/^Invalid/) });
  });

  it.each(OPERATIONS)('%s ends with aborted where its signal has fired, and changes nothing', async (operation) => {
    const { place, provider } = world();
    const before = await place.state();
    const call = ON_NOTHING[operation](provider, { ...CAUSE, signal: AbortSignal.abort() });
    await expect(call).rejects.toMatchObject({ name: 'CloudError', code: 'aborted' });
    expect(await place.state()).toEqual(before);
  });

  it('requests that make no sense are invalid', async () => {
    const { provider, create, subnet } = world();
    const made = await create(await subnet(24));
    const target = { networkInterfaceId: made.id };
    for (const wrong of [
      provider.describeNetworkInterfaces({ ids: ['not-an-id'] }, CAUSE),
      provider.describeNetworkInterfaces({ filters: { 'no-such-filter': ['x'] } }, CAUSE),
      provider.assignPrivateIpAddresses({ ...target, addresses: ['192.0.2.1'] }, CAUSE),
      provider.assignPrivateIpAddresses({ ...target, prefixes: ['10.0.0.8/28'] }, CAUSE),
      provider.unassignPrivateIpAddresses({ ...target, addresses: [made.primaryAddress] }, CAUSE),
    ]) {
      await expect(wrong).rejects.toMatchObject({ name: 'CloudError', code: 'invalid', retry: 'never' });
    }
  });

  it('the primary interface of an instance cannot be detached, nor its groups named wrongly', async () => {
    const { instance, look, provider, subnet } = world();
    const node = await instance('m5.large', await subnet(24));
    const primary = await look(node.primaryInterfaceId);
    const detach = provider.detachNetworkInterface({ attachmentId: primary.attachment?.attachmentId ?? '' }, CAUSE);
    await expect(detach).rejects.toMatchObject({ code: 'invalid' });
    const request = { networkInterfaceId: primary.id, securityGroupIds: ['sg-00000000000000000'] };
    await expect(provider.modifyNetworkInterfaceAttribute(request, CAUSE)).rejects.toMatchObject({ code: 'not-found' });
    expect(await look(node.primaryInterfaceId)).toEqual(primary);
  });

  it('has each method of the port', () => {
    expect(Object.keys(callEach(world().provider)).toSorted()).toEqual(OPERATIONS.toSorted());
  });
}
