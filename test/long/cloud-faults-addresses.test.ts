/** EC2 that fails on the wire while single addresses come and go: the pool ends where the cloud is, pods work. */
import { afterAll, afterEach, beforeAll, it } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import { FaultBed, rounds } from './cloud-faults-bed.ts';

describeWith(['root', 'ip', 'nft'], 'a cloud that fails, address by address', () => {
  let bed: FaultBed;
  beforeAll(async () => {
    bed = await FaultBed.create({ env: { MAX_ENI: '1', WARM_IP_TARGET: '1' }, pods: 2, kept: 1 });
  });
  afterEach(() => bed?.cluster.cloud.clearFaults());
  afterAll(() => bed?.[Symbol.asyncDispose]());

  it.each(rounds('AssignPrivateIpAddresses'))('grows in spite of %s: %s', (action, _, fault) =>
    bed.growsInSpiteOf(action, fault),
  );
  it.each(rounds('UnassignPrivateIpAddresses'))('shrinks in spite of %s: %s', (action, _, fault) =>
    bed.shrinksInSpiteOf(action, fault),
  );
  it('looks when AssignPrivateIpAddresses and the Describe that would tell both fail for long', () =>
    bed.looksAfter('AssignPrivateIpAddresses'));
});
