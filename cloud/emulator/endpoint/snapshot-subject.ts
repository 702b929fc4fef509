/** Instance metadata out of a snapshot: the instance that an address belongs to, and all that is said of it. Pure. */
import type { NetworkInterface } from '@aws-sdk/client-ec2';
import type { Subject } from '../metadata/subject.ts';
import type { VpcSnapshot } from './snapshot.ts';

/** The instance that holds the address on one of its interfaces. */
export function subjectByAddress(snapshot: VpcSnapshot, region: string, address: string): Subject | undefined {
  const holder = snapshot.interfaces.find((each) => each.Attachment !== undefined && holds(each, address));
  const instance = snapshot.instances.find(({ InstanceId }) => InstanceId === holder?.Attachment?.InstanceId);
  if (holder === undefined || instance === undefined || instance.State?.Name === 'terminated') return undefined;
  const interfaces = snapshot.interfaces
    .filter(({ Attachment }) => Attachment?.InstanceId === instance.InstanceId)
    .toSorted((one, other) => slotOf(one) - slotOf(other))
    .map((description) => ({
      description,
      subnet: snapshot.subnets.find(({ SubnetId }) => SubnetId === description.SubnetId),
      vpc: snapshot.vpc,
    }));
  return { region, instance, zoneId: '', interfaces };
}

function holds({ PrivateIpAddresses = [] }: NetworkInterface, address: string): boolean {
  return PrivateIpAddresses.some(({ PrivateIpAddress }) => PrivateIpAddress === address);
}

function slotOf({ Attachment: attachment }: NetworkInterface): number {
  return (attachment?.NetworkCardIndex ?? 0) * 1000 + (attachment?.DeviceIndex ?? 0);
}
