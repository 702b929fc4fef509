/** A place for the conformance suite at any EC2 endpoint, through the SDK; each VPC carries the run's name. */
import * as Ec2 from '@aws-sdk/client-ec2';
import type { InputOf, OutputOf } from '#cloud/emulator/ec2-actions.ts';
import type { Execute, LayoutAction, Place } from '#test/conformance/cloud-provider/subject.ts';

/** What a run makes is found again by this tag on its VPCs. */
const RUN_TAG = 'wellspring:conformance-run';

type Senders = { readonly [A in LayoutAction]: (client: Ec2.EC2Client, input: InputOf<A>) => Promise<OutputOf<A>> };

const SENDERS: Senders = {
  CreateVpc: (client, input) => client.send(new Ec2.CreateVpcCommand(input)),
  DescribeVpcs: (client, input) => client.send(new Ec2.DescribeVpcsCommand(input)),
  CreateSubnet: (client, input) => client.send(new Ec2.CreateSubnetCommand(input)),
  CreateSecurityGroup: (client, input) => client.send(new Ec2.CreateSecurityGroupCommand(input)),
  DescribeSecurityGroups: (client, input) => client.send(new Ec2.DescribeSecurityGroupsCommand(input)),
  CreateNetworkInterface: (client, input) => client.send(new Ec2.CreateNetworkInterfaceCommand(input)),
  RunInstances: (client, input) => client.send(new Ec2.RunInstancesCommand(input)),
  DescribeInstances: (client, input) => client.send(new Ec2.DescribeInstancesCommand(input)),
};

export interface Ec2PlaceOptions {
  readonly region: string;
  readonly zone: string;
  readonly run: string;
}

export async function ec2Place(client: Ec2.EC2Client, { region, zone, run }: Ec2PlaceOptions): Promise<Place> {
  const execute: Execute = (action, input) => SENDERS[action](client, tagged(action, input, run));
  const state = async (): Promise<unknown> => {
    const byId = (one: string | undefined, other: string | undefined) => String(one).localeCompare(String(other));
    const interfaces = await allInterfaces(client, []);
    const { Subnets = [] } = await client.send(new Ec2.DescribeSubnetsCommand({}));
    return [
      interfaces.toSorted((a, b) => byId(a.NetworkInterfaceId, b.NetworkInterfaceId)),
      Subnets.toSorted((a, b) => byId(a.SubnetId, b.SubnetId)),
    ];
  };
  return { region, zone, imageId: await imageOf(client), execute, state };
}

function tagged<A extends LayoutAction>(action: A, input: InputOf<A>, run: string): InputOf<A> {
  if (action !== 'CreateVpc') return input;
  return { ...input, TagSpecifications: [{ ResourceType: 'vpc', Tags: [{ Key: RUN_TAG, Value: run }] }] };
}

/** Any image of Amazon's that starts on x86. */
async function imageOf(client: Ec2.EC2Client): Promise<string> {
  const filters = {
    architecture: ['x86_64'],
    state: ['available'],
    'virtualization-type': ['hvm'],
    name: ['al2023-ami-minimal-*', 'amzn2-ami-*'],
  };
  const Filters = Object.entries(filters).map(([Name, Values]) => ({ Name, Values }));
  const { Images = [] } = await client.send(new Ec2.DescribeImagesCommand({ Owners: ['amazon'], Filters }));
  const newest = Images.toSorted((one, other) => String(other.CreationDate).localeCompare(String(one.CreationDate)))[0];
  return newest?.ImageId ?? 'ami-0123456789abcdef0';
}

async function allInterfaces(client: Ec2.EC2Client, Filters: Ec2.Filter[]): Promise<Ec2.NetworkInterface[]> {
  const found: Ec2.NetworkInterface[] = [];
  const input = { MaxResults: 1000, ...(Filters.length > 0 && { Filters }) };
  for await (const page of Ec2.paginateDescribeNetworkInterfaces({ client }, input)) {
    found.push(...(page.NetworkInterfaces ?? []));
  }
  return found;
}

/** Removes every VPC whose run's name begins so, with all that is in it; answers how many there were. */
export async function removeRun(client: Ec2.EC2Client, run: string): Promise<number> {
  const { Vpcs = [] } = await client.send(
    new Ec2.DescribeVpcsCommand({ Filters: [{ Name: 'tag-key', Values: [RUN_TAG] }] }),
  );
  const ids = Vpcs.filter(({ Tags = [] }) =>
    Tags.some(({ Key, Value = '' }) => Key === RUN_TAG && Value.startsWith(run)),
  );
  for (const { VpcId } of ids) if (VpcId !== undefined) await removeVpc(client, VpcId);
  return ids.length;
}

async function removeVpc(client: Ec2.EC2Client, VpcId: string): Promise<void> {
  const Filters = [{ Name: 'vpc-id', Values: [VpcId] }];
  const { Reservations = [] } = await client.send(new Ec2.DescribeInstancesCommand({ Filters }));
  const InstanceIds = Reservations.flatMap(({ Instances = [] }) => Instances)
    .filter(({ State }) => State?.Name !== 'terminated')
    .flatMap(({ InstanceId }) => InstanceId ?? []);
  if (InstanceIds.length > 0) {
    await client.send(new Ec2.TerminateInstancesCommand({ InstanceIds }));
    await Ec2.waitUntilInstanceTerminated({ client, maxWaitTime: 600, minDelay: 1, maxDelay: 10 }, { InstanceIds });
  }
  // EC2 takes what is still attached with the instance, or lets go of it a moment later.
  for (const { NetworkInterfaceId } of await allInterfaces(client, Filters)) {
    await gone(() => client.send(new Ec2.DeleteNetworkInterfaceCommand({ NetworkInterfaceId })));
  }
  const { Subnets = [] } = await client.send(new Ec2.DescribeSubnetsCommand({ Filters }));
  for (const { SubnetId } of Subnets) await gone(() => client.send(new Ec2.DeleteSubnetCommand({ SubnetId })));
  const { SecurityGroups = [] } = await client.send(new Ec2.DescribeSecurityGroupsCommand({ Filters }));
  for (const { GroupId, GroupName } of SecurityGroups) {
    if (GroupName !== 'default') await gone(() => client.send(new Ec2.DeleteSecurityGroupCommand({ GroupId })));
  }
  await gone(() => client.send(new Ec2.DeleteVpcCommand({ VpcId })));
}

/** Deletes; what is gone already is gone, and what something else still holds is tried again for a while. */
async function gone(remove: () => Promise<unknown>): Promise<void> {
  const giveUpAt = performance.now() + 120_000;
  for (;;) {
    try {
      await remove();
      return;
    } catch (error) {
      const name = error instanceof Error ? error.name : '';
      if (name.endsWith('.NotFound') || name.endsWith('NotFound')) return;
      const held = name === 'DependencyViolation' || name.endsWith('.InUse') || name === 'InvalidParameterValue';
      if (!held || performance.now() > giveUpAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
