/**
 * Concurrent requests are linearizable (Herlihy and Wing, 1990): there is an order of them, in which none that was answered
 * comes after one that was sent later, and in which a region that gets them one by one gives the same answers.
 */
import { expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { Cloud } from '#cloud/emulator/cloud.ts';
import { startCloud } from '#cloud/emulator/cloud.ts';
import { Ec2Face } from '#cloud/emulator/ec2/face.ts';
import { Region } from '#cloud/emulator/region.ts';
import { Switches } from '#cloud/emulator/switches.ts';

const REGION = 'eu-test-1';
/** The same seed and requests give the same ids: known here before anything has run. */
const SETUP = ['Action=CreateVpc&CidrBlock=10.0.0.0/16'];
/** What a region of its own answers to the last of some requests, got one by one. */
function answersOf(requests: readonly string[]): readonly string[] {
  const region = new Region({ region: REGION, clock: Date });
  const face = new Ec2Face({
    switches: new Switches(1),
    execute: (_, action, input) => region.execute(action, input),
    onBug: (error) => {
      throw error;
    },
  });
  return requests.map((request) => comparable(face.handle(`Version=2016-11-15&${request}`, 0).answer?.body ?? ''));
}

/** Without what is new in each answer. */
function comparable(xml: string): string {
  return xml.replaceAll(/<(requestId|RequestID)>[^<]*/g, '<$1>').replaceAll(/<(attachTime|launchTime)>[^<]*/g, '<$1>');
}

const idIn = (xml: string, element: string): string => new RegExp(`<${element}>([^<]+)`).exec(xml)?.[1] ?? '';

function layout(): { readonly setup: readonly string[]; readonly ids: Ids } {
  const setup = [...SETUP];
  const add = (request: string, element: string): string => {
    setup.push(request);
    return idIn(answersOf(setup).at(-1) ?? '', element);
  };
  const vpc = idIn(answersOf(setup)[0] ?? '', 'vpcId');
  const subnet = add(`Action=CreateSubnet&VpcId=${vpc}&CidrBlock=10.0.0.0/28`, 'subnetId');
  const run = `Action=RunInstances&ImageId=ami-1&InstanceType=m5.large&MinCount=1&MaxCount=1&SubnetId=${subnet}`;
  const instance = add(run, 'instanceId');
  const interfaces = [1, 2].map(() => add(`Action=CreateNetworkInterface&SubnetId=${subnet}`, 'networkInterfaceId'));
  return { setup, ids: { subnet, instance, interfaces } };
}

interface Ids {
  readonly subnet: string;
  readonly instance: string;
  readonly interfaces: readonly string[];
}

/** Requests that get in each other's way: eight addresses are left, and two interfaces. */
function requests({ subnet, instance, interfaces }: Ids): fc.Arbitrary<string> {
  const eni = fc.constantFrom(...interfaces);
  const address = fc.integer({ min: 7, max: 10 }).map((last) => `10.0.0.${last}`);
  const few = fc.integer({ min: 1, max: 4 });
  return fc.oneof(
    few.map((count) => `Action=CreateNetworkInterface&SubnetId=${subnet}&SecondaryPrivateIpAddressCount=${count}`),
    few.map(
      (count) =>
        `Action=CreateNetworkInterface&SubnetId=${subnet}&ClientToken=t&SecondaryPrivateIpAddressCount=${count % 2}`,
    ),
    fc
      .tuple(eni, few)
      .map(
        ([id, count]) =>
          `Action=AssignPrivateIpAddresses&NetworkInterfaceId=${id}&SecondaryPrivateIpAddressCount=${count}`,
      ),
    fc
      .tuple(eni, address)
      .map(([id, one]) => `Action=AssignPrivateIpAddresses&NetworkInterfaceId=${id}&PrivateIpAddress.1=${one}`),
    fc
      .tuple(eni, address)
      .map(([id, one]) => `Action=UnassignPrivateIpAddresses&NetworkInterfaceId=${id}&PrivateIpAddress.1=${one}`),
    fc
      .tuple(eni, fc.constantFrom(1, 2))
      .map(
        ([id, index]) =>
          `Action=AttachNetworkInterface&NetworkInterfaceId=${id}&InstanceId=${instance}&DeviceIndex=${index}`,
      ),
    eni.map((id) => `Action=DeleteNetworkInterface&NetworkInterfaceId=${id}`),
    fc.constant('Action=DescribeNetworkInterfaces'),
    fc.constant(`Action=DescribeSubnets&SubnetId.1=${subnet}`),
    fc.constant(`Action=TerminateInstances&InstanceId.1=${instance}`),
  );
}

interface Observed {
  readonly request: string;
  readonly answer: string;
  readonly from: number;
  readonly until: number;
}

async function send(cloud: Cloud, request: string): Promise<Observed> {
  const from = performance.now();
  const answer = await (await fetch(`${cloud.endpoint}/?Version=2016-11-15&${request}`)).text();
  return { request, answer: comparable(answer), from, until: performance.now() };
}

/** An order that explains what was seen; undefined where there is none. */
function explanation(before: readonly string[], seen: readonly Observed[]): readonly Observed[] | undefined {
  const search = (chosen: readonly Observed[], left: readonly Observed[]): readonly Observed[] | undefined => {
    if (left.length === 0) return chosen;
    const earliestEnd = Math.min(...left.map(({ until }) => until));
    for (const next of left.filter(({ from }) => from <= earliestEnd)) {
      const answers = answersOf([...before, ...chosen.map(({ request }) => request), next.request]);
      if (answers.at(-1) !== next.answer) continue;
      const found = search(
        [...chosen, next],
        left.filter((other) => other !== next),
      );
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return search([], seen);
}

it('concurrent requests of several clients have an order that explains all their answers', async () => {
  const { setup, ids } = layout();
  const clients = fc.array(fc.array(requests(ids), { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(clients, async (sequences) => {
      await using cloud = await startCloud({ region: REGION });
      for (const request of setup) await send(cloud, request);
      const seen = await Promise.all(
        sequences.map(async (sequence) => {
          const own: Observed[] = [];
          for (const request of sequence) own.push(await send(cloud, request));
          return own;
        }),
      );
      expect(explanation(setup, seen.flat())).toBeDefined();
    }),
    { numRuns: 25 },
  );
});

it('what no order explains is found', () => {
  const { setup, ids } = layout();
  const assign = `Action=AssignPrivateIpAddresses&NetworkInterfaceId=${String(ids.interfaces[0])}&SecondaryPrivateIpAddressCount=1`;
  const [first = '', second = ''] = answersOf([...setup, assign, assign]).slice(setup.length);
  const observed = (answer: string, from: number, until: number): Observed => ({
    request: assign,
    answer,
    from,
    until,
  });
  expect(first).not.toBe(second);
  expect(explanation(setup, [observed(first, 0, 9), observed(second, 0, 9)])).toBeDefined();
  expect(explanation(setup, [observed(second, 0, 9), observed(first, 0, 9)])).toBeDefined();
  // The same address twice; and an order against the clock.
  expect(explanation(setup, [observed(first, 0, 9), observed(first, 0, 9)])).toBeUndefined();
  expect(explanation(setup, [observed(second, 0, 1), observed(first, 2, 3)])).toBeUndefined();
});
