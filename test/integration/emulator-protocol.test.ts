/** The EC2 Query protocol as bytes on the wire: what a client that is not the SDK, or not well, may send. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { ACTION_CLASSES } from '#cloud/emulator/ec2/actions.data.ts';
import { actionShape } from '#cloud/emulator/ec2/shapes.ts';
import type { World } from './emulator-world.ts';
import { makeSubnet, startWorld } from './emulator-world.ts';

let world: World;
let directory: string;
let socketPath: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wellspring-emulator-'));
  socketPath = join(directory, 'ec2.sock');
  world = await startWorld({ socketPath });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function post(body: string): Promise<{ status: number; text: string; requestId: string | null }> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const response = await fetch(world.cloud.endpoint, { method: 'POST', body, headers });
  return { status: response.status, text: await response.text(), requestId: response.headers.get('x-amzn-requestid') };
}

const codeOf = (text: string): string | undefined => /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
const messageOf = (text: string): string | undefined => /<Message>([^<]*)<\/Message>/.exec(text)?.[1];

describe('the EC2 Query protocol', () => {
  it('answers with a document in the namespace of the API, and one request id in header and body', async () => {
    const { status, text, requestId } = await post('Action=DescribeVpcs&Version=2016-11-15');
    expect(status).toBe(200);
    expect(text).toContain('<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">');
    expect(requestId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(text).toContain(`<requestId>${requestId}</requestId>`);
  });

  it('answers <return>true</return> where there is nothing else to say', async () => {
    const { Vpc } = await world.ec2.createVpc({ CidrBlock: '10.9.0.0/16' });
    const { text } = await post(`Action=DeleteVpc&VpcId=${Vpc?.VpcId}`);
    expect(text).toContain('<return>true</return>');
  });

  it('takes GET with a query, the tail of a signed URL included', async () => {
    const query = 'Action=DescribeVpcs&Version=2016-11-15&X-Amz-Signature=0&X-Amz-Date=20260101T000000Z';
    const response = await fetch(`${world.cloud.endpoint}/?${query}`);
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('DescribeVpcsResponse')]);
  });

  it.each([
    ['MissingAction', '', 'Action'],
    ['MissingAction', 'aborted', 'Action'],
    ['MissingAction', 'too-large', 'Action'],
    ['InvalidAction', 'Action=DescribeKeyPairs', 'DescribeKeyPairs'],
    ['InvalidAction', 'Action=__proto__', '__proto__'],
    ['NoSuchVersion', 'Action=DescribeVpcs&Version=2099-01-01', '2099-01-01'],
    ['UnknownParameter', 'Action=DescribeVpcs&Color=red', 'Color'],
    ['UnknownParameter', 'Action=DescribeVpcs&Filter.1.Nam=x', 'Filter.1.Nam'],
    ['UnknownParameter', 'Action=DescribeVpcs&VpcId.one=x', 'VpcId.one'],
    ['UnknownParameter', 'Action=DescribeVpcs&DryRun.1=true', 'DryRun.1'],
    ['MissingParameter', 'Action=CreateNetworkInterface', 'SubnetId'],
    ['InvalidParameterValue', 'Action=DescribeVpcs&MaxResults=ten', 'MaxResults'],
    ['InvalidParameterValue', 'Action=DescribeVpcs&MaxResults=99999999999999999999', 'MaxResults'],
    ['InvalidParameterValue', 'Action=DescribeVpcs&DryRun=maybe', 'DryRun'],
    ['InvalidQueryParameter', 'Action=DescribeVpcs&DryRun=true&DryRun=false', 'DryRun'],
    ['InvalidQueryParameter', 'Action=DescribeVpcs&Filter.1=x', 'Filter.1'],
    ['InvalidQueryParameter', 'Action=DescribeVpcs&Filter..Name=x', 'Filter..Name'],
    ['MalformedQueryString', 'Action=DescribeVpcs&VpcId.1=%E0%A4%A', 'percent'],
  ])('refuses with %s: %s', async (code, body, named) => {
    const { status, text } = await post(body);
    expect([status, codeOf(text)]).toEqual([400, code]);
    expect(messageOf(text)).toContain(named);
    expect(text).toMatch(
      /^<\?xml .*\n<Response><Errors><Error>.*<\/Error><\/Errors><RequestID>[^<]+<\/RequestID><\/Response>$/,
    );
  });

  it('refuses other methods, other paths and bodies beyond the limit, and goes on', async () => {
    const put = await fetch(world.cloud.endpoint, { method: 'PUT', body: 'Action=DescribeVpcs' });
    expect([put.status, codeOf(await put.text())]).toEqual([405, 'InvalidAction']);
    const lost = await fetch(`${world.cloud.endpoint}/bucket/key`);
    expect([lost.status, codeOf(await lost.text())]).toEqual([404, 'InvalidAction']);
    const large = await post(`Action=DescribeVpcs&VpcId.1=${'x'.repeat(3_000_000)}`);
    expect([large.status, codeOf(large.text)]).toEqual([413, 'RequestEntityTooLarge']);
    expect((await post('Action=DescribeVpcs')).status).toBe(200);
  });

  it('is served on the unix socket as well', async () => {
    const text = await new Promise<string>((resolve, reject) => {
      const sent = request({ socketPath, path: '/?Action=DescribeRegions' }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve(body));
      });
      sent.on('error', reject).end();
    });
    expect(text).toContain('<regionName>eu-test-1</regionName>');
    expect(world.cloud.calls().at(-1)).toMatchObject({ action: 'DescribeRegions', source: 'unix', status: 200 });
  });

  it('numbers lists by their numbers, gaps and order notwithstanding', async () => {
    const { vpcId, subnetId } = await makeSubnet(world.ec2);
    const { text } = await post(
      `Action=DescribeSubnets&Filter.7.Name=vpc-id&Filter.7.Value.3=${vpcId}&Filter.7.Value.1=x`,
    );
    expect(text).toContain(subnetId);
  });
});

/** Names that exist, so that a fuzzed request gets past the first check. */
const NAMES = Object.keys(ACTION_CLASSES).flatMap((action) => [...(actionShape(action)?.request.byWire.keys() ?? [])]);

describe('whatever is sent', () => {
  const word = fc.oneof(
    fc.constantFrom(...new Set(NAMES)),
    fc.constantFrom('1', '2', 'Name', 'Value', 'Tag', ''),
    fc.string(),
  );
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom('-1', '1e9', 'true', '10.0.0.0/16', '::/0', 'eni-0', '%', '&'),
    fc.integer().map(String),
  );
  const pair = fc.tuple(fc.array(word, { minLength: 1, maxLength: 4 }), value);
  const body = fc
    .tuple(fc.constantFrom(...Object.keys(ACTION_CLASSES)), fc.array(pair, { maxLength: 6 }))
    .map(([action, pairs]) => `Action=${action}&${pairs.map(([name, text]) => `${name.join('.')}=${text}`).join('&')}`);

  it('gets an XML answer that is no internal error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(body, fc.string({ maxLength: 200 })), async (text) => {
        const answer = await post(text);
        expect(answer.text).toMatch(
          /^<\?xml version="1.0" encoding="UTF-8"\?>\n<\w+Response|^<\?xml [^>]*>\n<Response>/,
        );
        expect(answer.status).toBeLessThan(500);
      }),
      { numRuns: 400 },
    );
    expect((await post('Action=DescribeVpcs')).status).toBe(200);
  });
});
