import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { CloudError, type CloudErrorCode } from '#cloud/errors.ts';
import type { CloudProvider } from '#cloud/provider.ts';
import { quietProvider } from '#cloud/decorate/testing/quiet-provider.ts';
import { OwnWrites, withOwnWrites } from './remember-writes.ts';

const CAUSE = { cause: 'test' };
const release = { networkInterfaceId: 'eni-1', addresses: ['10.0.0.5'] };

/** A cloud that refuses releases with a code and lists the address as if nothing had happened. */
async function afterRefusal(code: CloudErrorCode): Promise<readonly string[] | undefined> {
  const refusing: CloudProvider = {
    ...quietProvider,
    unassignPrivateIpAddresses: () => Promise.reject(new CloudError(code, 'UnassignPrivateIpAddresses', 'as told')),
    describeNetworkInterfaces: async (request, options) => {
      const created = await quietProvider.createNetworkInterface(
        { subnetId: '', securityGroupIds: [], description: '', tags: {}, clientToken: '' },
        options,
      );
      return [{ ...created, id: request.ids?.[0] ?? '', secondaryAddresses: ['10.0.0.5'] }];
    },
  };
  const now = () => 1000;
  const log = pino({ enabled: false });
  const writes = new OwnWrites({ journal: { append: () => Promise.resolve() }, log, now, earlier: [] });
  const provider = withOwnWrites(refusing, writes, now);
  await expect(provider.unassignPrivateIpAddresses(release, CAUSE)).rejects.toMatchObject({ code });
  const [described] = await provider.describeNetworkInterfaces({ ids: ['eni-1'] }, CAUSE);
  return described?.secondaryAddresses;
}

it.each([
  ['denied', true],
  ['throttled', true],
  // It may be gone already: a read that lists it may be older than that.
  ['not-found', false],
  ['unavailable', false],
  ['aborted', false],
] as const)('after a release that failed with %s a read that lists the address is believed: %s', async (code, is) => {
  expect(await afterRefusal(code)).toEqual(is ? ['10.0.0.5'] : []);
});
