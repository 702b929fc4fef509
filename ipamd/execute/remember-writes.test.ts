import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { CloudError, type CloudErrorCode } from '#cloud/errors.ts';
import type { CloudProvider, NetworkInterfaceDescription } from '#cloud/provider.ts';
import { quietProvider } from '#cloud/decorate/testing/quiet-provider.ts';
import { OWN_WRITE_OUTRANKS_MS } from '../store/own-writes.ts';
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

it('does not give back what it could not write down, and believes a read that lists it', async () => {
  const asked: object[] = [];
  const listed = await quietProvider.createNetworkInterface(
    { subnetId: '', securityGroupIds: [], description: '', tags: {}, clientToken: '' },
    CAUSE,
  );
  const watched: CloudProvider = {
    ...quietProvider,
    unassignPrivateIpAddresses: async (request) => void asked.push(request),
    describeNetworkInterfaces: () => Promise.resolve([{ ...listed, id: 'eni-1', secondaryAddresses: ['10.0.0.5'] }]),
  };
  const journal = { append: () => Promise.reject(new Error('no space left on device')) };
  const now = () => 1000;
  const writes = new OwnWrites({ journal, log: pino({ enabled: false }), now, earlier: [] });
  const provider = withOwnWrites(watched, writes, now);
  await expect(provider.unassignPrivateIpAddresses(release, CAUSE)).rejects.toThrow('no space left');
  expect(asked).toEqual([]);
  const [described] = await provider.describeNetworkInterfaces({ ids: ['eni-1'] }, CAUSE);
  expect(described?.secondaryAddresses).toEqual(['10.0.0.5']);
});

it.each([
  ['nine seconds after', 9000, []],
  ['ten seconds after', OWN_WRITE_OUTRANKS_MS, ['10.0.0.5']],
] as const)(
  'a read that was asked for %s a release and answered much later counts from the question',
  async (_, age, is) => {
    let time = 1000;
    const answer = Promise.withResolvers<readonly NetworkInterfaceDescription[]>();
    const slow: CloudProvider = { ...quietProvider, describeNetworkInterfaces: () => answer.promise };
    const log = pino({ enabled: false });
    const now = () => time;
    const writes = new OwnWrites({ journal: { append: () => Promise.resolve() }, log, now, earlier: [] });
    const provider = withOwnWrites(slow, writes, now);
    await provider.unassignPrivateIpAddresses(release, CAUSE);
    time += age;
    const described = provider.describeNetworkInterfaces({ ids: ['eni-1'] }, CAUSE);
    time += 5000;
    // Whatever is written down meanwhile forgets what is old.
    await writes.note({ kind: 'asked', interfaceId: 'eni-2' });
    const listed = await quietProvider.createNetworkInterface(
      { subnetId: '', securityGroupIds: [], description: '', tags: {}, clientToken: '' },
      CAUSE,
    );
    answer.resolve([{ ...listed, id: 'eni-1', secondaryAddresses: ['10.0.0.5'] }]);
    expect((await described)[0]?.secondaryAddresses).toEqual(is);
  },
);
