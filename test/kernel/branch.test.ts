/**
 * Branch ENIs as far as a kernel without 8021q lets them be seen: the rules of strict mode, and what a refusal leaves behind.
 * Packets are in test/vm/branch.test.ts.
 */
import { expect, it } from '@jest/globals';
import { cleanUp } from '#ipamd/datapath/clean-up.ts';
import type { PodAttachment } from '#ipamd/datapath/datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { hasVlan } from '#test/support/vlan.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { SECONDARY_MAC } from './support/datapath-node.ts';

const withVlan = hasVlan();

describeWith(['root', 'ip', 'nft'], 'branch ENIs', () => {
  const bed = new DatapathFixture();
  const rules = () => [bed.node.ip('node', 'rule'), bed.node.ip('node', '-6 rule')];

  it('strict mode moves the rule for local addresses, and whatever ends it puts that back', async () => {
    const before = rules();
    await bed.setUp({ family: 'dual', branchMode: 'strict' });
    const [ipv4 = '', ipv6 = ''] = rules();
    expect(ipv4).not.toMatch(/^0:/m);
    expect(ipv4).toMatch(/^9:\tfrom all fwmark 0xff\/0xff lookup 8788 proto 87\n20:\tfrom all lookup local proto 87$/m);
    expect(ipv6).toMatch(/^0:\tfrom fe80:ec2::1 ipproto ipv6-icmp lookup local proto 87 ?\n9:/m);
    expect(ipv6).toMatch(/^20:\tfrom all lookup local proto 87$/m);

    // Somebody puts it back: CHECK says so, the next start takes it away.
    const pod = await bed.addPod('plain', '10.0.0.20');
    bed.node.ip('node', 'rule add priority 0 lookup local protocol kernel');
    expect(await bed.datapath.checkPod(pod)).toEqual([
      {
        object: 'rule for local addresses',
        expected: 'at priority 20 alone',
        found: expect.stringContaining('0: from all'),
      },
    ]);
    await bed.setUp({ family: 'dual', branchMode: 'strict' });
    expect(await bed.datapath.checkPod(pod)).toEqual([]);

    // Another life, without the setting.
    await bed.open();
    await bed.setUp({ family: 'dual' });
    expect(rules().join('')).not.toMatch(/^(9|20):/m);
    expect(rules().join('')).toMatch(/^0:\tfrom all lookup local$/m);

    await bed.setUp({ family: 'dual', branchMode: 'strict' });
    await cleanUp({ remove: true, hostNetns: bed.node.path('node') });
    expect(rules()).toEqual(before);
  });

  const branchPod = (trunkMac: string): PodAttachment => {
    bed.node.addNamespace('one');
    const branch = {
      mac: '02:57:00:00:00:77',
      vlanId: 7,
      trunkMac,
      subnetCidr: '10.0.7.0/24',
      mode: 'strict',
    } as const;
    return { ...bed.attachment('one', '10.0.7.20'), hostIfName: 'vlan0123456789a', branch };
  };

  it('a trunk that is not there is named, and nothing is left behind', async () => {
    await bed.setUp({ branchMode: 'strict' });
    const pod = branchPod('02:57:00:00:00:99');
    const before = bed.hostState();
    await expect(bed.datapath.addPod(pod)).rejects.toMatchObject({
      code: 'no-such-link',
      message: expect.stringContaining('02:57:00:00:00:99'),
    });
    await bed.datapath.settled();
    expect(bed.hostState()).toEqual(before);
  });

  (withVlan ? it.skip : it)('a kernel without VLAN links is named as that, and nothing is left behind', async () => {
    await bed.setUp({ branchMode: 'strict' });
    const pod = branchPod(SECONDARY_MAC);
    const before = bed.hostState();
    await expect(bed.datapath.addPod(pod)).rejects.toMatchObject({
      code: 'kernel-refused',
      message: expect.stringContaining('load the module 8021q'),
    });
    await bed.datapath.settled();
    expect(bed.hostState()).toEqual(before);
    expect(await bed.datapath.listBranchPods?.()).toEqual([]);
  });

  if (!withVlan)
    for (const title of ['strict mode by packets', 'damage and reuse of a number', 'standard mode by packets'])
      it.skip(`${title} [unsupported here: the kernel has no 8021q; npm run test:vm runs it]`, () => undefined);
});
