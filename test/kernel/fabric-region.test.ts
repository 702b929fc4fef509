import { expect, it } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import { follow } from '#cloud/emulator/fabric/follow.ts';
import { regionSource } from '#cloud/emulator/fabric/region-source.ts';
import { Region } from '#cloud/emulator/region.ts';
import { comparableText, fabricBed, ip, kernelText, reaches } from './fabric-bed.ts';

describeWith(['root', 'ip'], 'a fabric that follows an emulated region', () => {
  it('shows instances, attached interfaces, assigned addresses and their end', async () => {
    const region = new Region({ region: 'us-west-2', clock: { now: () => 0 } });
    const vpcId = region.execute('CreateVpc', { CidrBlock: '10.0.0.0/16' }).Vpc?.VpcId ?? '';
    const other = region.execute('CreateVpc', { CidrBlock: '10.1.0.0/16' }).Vpc?.VpcId ?? '';
    const SubnetId = region.execute('CreateSubnet', { VpcId: vpcId, CidrBlock: '10.0.0.0/24' }).Subnet?.SubnetId ?? '';
    region.execute('CreateSubnet', { VpcId: other, CidrBlock: '10.1.0.0/24' });
    const launched = region.execute('RunInstances', {
      SubnetId,
      ImageId: 'ami-00000000',
      InstanceType: 'm5.large',
      MinCount: 2,
      MaxCount: 2,
    });
    const [one = '', two = ''] = (launched.Instances ?? []).map((instance) => instance.InstanceId ?? '');

    const errors: Error[] = [];
    await using bed = await fabricBed();
    await bed.fabric.addNode(one, 'one');
    await bed.fabric.addNode(two, 'two');
    await using following = follow(regionSource(region, vpcId), bed.fabric, (error) => errors.push(error));
    await following.settled();
    const [node, peer] = [bed.fabric.nodeNamespace(one), bed.fabric.nodeNamespace(two)];
    const primary = (id: string): string =>
      region.networkInterfaces().find((each) => each.attachment?.instanceId === id)?.primaryAddress ?? '';
    expect(await reaches(node, primary(two))).toBe(true);
    expect(await reaches(peer, primary(one))).toBe(true);
    const before = comparableText(bed.router);
    expect(before.join('\n')).not.toContain('10.1.0');

    const created = region.execute('CreateNetworkInterface', { SubnetId }).NetworkInterface;
    const NetworkInterfaceId = created?.NetworkInterfaceId ?? '';
    const attached = region.execute('AttachNetworkInterface', { NetworkInterfaceId, InstanceId: one, DeviceIndex: 1 });
    region.execute('AssignPrivateIpAddresses', { NetworkInterfaceId, PrivateIpAddresses: ['10.0.0.200'] });
    region.execute('AssignPrivateIpAddresses', { NetworkInterfaceId, Ipv4Prefixes: ['10.0.0.64/28'] });
    await following.settled();
    expect(ip(['-o', 'link', 'show', 'eth1'], node)).toContain(created?.MacAddress ?? '?');
    expect(kernelText(bed.router)).toMatch(/^10\.0\.0\.200 via /m);
    expect(kernelText(bed.router)).toMatch(/^10\.0\.0\.64\/28 via /m);

    region.execute('DetachNetworkInterface', { AttachmentId: attached.AttachmentId ?? '' });
    await following.settled();
    expect(comparableText(bed.router)).toEqual(before);
    region.execute('TerminateInstances', { InstanceIds: [two] });
    await following.settled();
    expect(ip(['-o', 'link'], peer)).not.toContain('eth0');
    expect(await reaches(node, '203.0.113.10')).toBe(true);
    expect(errors).toEqual([]);
  });
});
