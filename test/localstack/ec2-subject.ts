/** The adapter under test and the SDK beside it, at the endpoint that the lane names: LocalStack, or EC2 itself. */
import { DescribeSubnetsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { createEc2ClientSend } from '#cloud/aws/ec2-client.ts';
import { createEc2Provider } from '#cloud/aws/ec2-provider.ts';
import type { Subject } from '#test/conformance/cloud-provider/subject.ts';
import { ec2Place, removeRun } from './ec2-place.ts';
import { laneSettings } from './lane.ts';
import { Settling } from './settling.ts';

export interface Ec2Subject extends Subject {
  readonly send: EC2Client['send'];
}

let worlds = 0;

/** What is made through it is gone when it is disposed of. */
export async function makeSubject(): Promise<Ec2Subject> {
  const { run, realSubnet, settleMs } = laneSettings();
  const settling = new Settling(settleMs);
  worlds += 1;
  const client = new EC2Client({ maxAttempts: realSubnet === undefined ? 1 : 10 });
  const region = await client.config.region();
  const send = createEc2ClientSend({ region, version: '0.0.0', httpTimeoutSeconds: 30 });
  const name = `${run}/${String(process.pid)}/${String(worlds)}`;
  const place = await ec2Place(client, { region, zone: await zoneOf(client, region, realSubnet), run: name });
  const dispose = async (): Promise<void> => {
    await removeRun(client, name);
    send[Symbol.dispose]();
    client.destroy();
  };
  return {
    send: settling.send(client),
    provider: settling.provider(createEc2Provider(send)),
    place: settling.place(place),
    [Symbol.asyncDispose]: dispose,
  };
}

async function zoneOf(client: EC2Client, region: string, realSubnet: string | undefined): Promise<string> {
  if (realSubnet === undefined) return `${region}a`;
  const { Subnets } = await client.send(new DescribeSubnetsCommand({ SubnetIds: [realSubnet] }));
  const zone = Subnets?.[0]?.AvailabilityZone;
  if (zone === undefined) throw new Error(`${realSubnet} is in no availability zone`);
  return zone;
}
