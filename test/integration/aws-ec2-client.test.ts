import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { createEc2ClientSend } from '#cloud/aws/ec2-client.ts';
import { createEc2Provider } from '#cloud/aws/ec2-provider.ts';
import { startServer } from './aws-http-server.ts';
import type { Received } from './aws-http-server.ts';

const KEYS = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_ENDPOINT_URL_EC2',
  'AWS_EC2_METADATA_DISABLED',
  'AWS_CONFIG_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
] as const;
const before = new Map(KEYS.map((key) => [key, process.env[key]]));

function setEnvironment(values: Readonly<Partial<Record<(typeof KEYS)[number], string | undefined>>>): void {
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) delete process.env[key];
    else process.env[key] = value;
  }
}

beforeAll(() => {
  setEnvironment({
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
  });
});
afterAll(() => {
  setEnvironment(Object.fromEntries(before));
});

const SUBNET = '<item><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><cidrBlock>10.0.0.0/24</cidrBlock></item>';
const subnets = (items: string, token = '') =>
  `<DescribeSubnetsResponse><requestId>r-1</requestId><subnetSet>${items}</subnetSet>${token}</DescribeSubnetsResponse>`;
const errorDocument = (code: string) =>
  `<?xml version="1.0"?><Response><Errors><Error><Code>${code}</Code><Message>No.</Message></Error></Errors><RequestID>r-9</RequestID></Response>`;

/** A client of a server that answers each request with the next of `answers`, and the last of them for ever. */
async function setUp(
  answers: readonly ((response: ServerResponse, request: Received) => void)[],
  httpTimeoutSeconds = 10,
) {
  let next = 0;
  const server = await startServer((request, response) => {
    answers[Math.min(next, answers.length - 1)]?.(response, request);
    next += 1;
  });
  const send = createEc2ClientSend({
    region: 'eu-test-1',
    endpoint: server.endpoint,
    httpTimeoutSeconds,
    version: '1.2.3',
  });
  return {
    server,
    provider: createEc2Provider(send),
    [Symbol.asyncDispose]: async () => {
      send[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const xml = (status: number, body: string) => (response: ServerResponse) => {
  response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
};

describe('EC2 over HTTP', () => {
  it('signs for the region, says who it is, and keeps its connection', async () => {
    await using subject = await setUp([xml(200, subnets(SUBNET))]);
    for (let i = 0; i < 3; i += 1) {
      const found = await subject.provider.describeSubnets({ ids: ['subnet-1'] }, { cause: 'test' });
      expect(found.map((subnet) => subnet.id)).toEqual(['subnet-1']);
    }
    const headers = subject.server.received[0]?.headers;
    expect(headers?.authorization).toMatch(/Credential=AKIDEXAMPLE\/\d{8}\/eu-test-1\/ec2\//);
    expect(headers?.['user-agent']).toContain('wellspring/1.2.3');
    expect(subject.server.connections()).toBe(1);
  });

  it('finds its endpoint in AWS_ENDPOINT_URL_EC2', async () => {
    await using server = await startServer((_, response) => xml(200, subnets(SUBNET))(response));
    setEnvironment({ AWS_ENDPOINT_URL_EC2: server.endpoint });
    try {
      using send = createEc2ClientSend({ region: 'eu-test-1', version: '0' });
      await createEc2Provider(send).describeSubnets({}, { cause: 'test' });
      expect(server.received).toHaveLength(1);
    } finally {
      setEnvironment({ AWS_ENDPOINT_URL_EC2: undefined });
    }
  });

  it('asks for pages until there are no more', async () => {
    const second = SUBNET.replace('subnet-1', 'subnet-2');
    await using subject = await setUp([
      xml(200, subnets(SUBNET, '<nextToken>t1</nextToken>')),
      xml(200, subnets('', '<nextToken>t2</nextToken>')),
      xml(200, subnets(second)),
    ]);
    const found = await subject.provider.describeSubnets({ filters: { 'vpc-id': ['vpc-1'] } }, { cause: 'test' });
    expect(found.map((subnet) => subnet.id)).toEqual(['subnet-1', 'subnet-2']);
    const forms = subject.server.received.map((request) => new URLSearchParams(request.body));
    expect(forms.map((form) => form.get('NextToken'))).toEqual([null, 't1', 't2']);
    expect(forms.every((form) => form.get('Filter.1.Value.1') === 'vpc-1')).toBe(true);
  });

  it.each([
    ['a refusal', xml(400, errorDocument('InsufficientCidrBlocks')), 'no-free-prefix'],
    ['throttling', xml(503, errorDocument('RequestLimitExceeded')), 'throttled'],
    ['a 503 without a document', xml(503, '<html>busy</html>'), 'unavailable'],
    ['a 400 that is not XML', xml(400, 'bad < request'), 'unavailable'],
    ['garbage', xml(200, 'this is not < xml & never was'), 'unavailable'],
    ['a body that ends early', xml(200, '<DescribeSubnetsResponse><subnetSet><item>'), 'unavailable'],
    ["a proxy's page", xml(200, '<html><body>Please log in</body></html>'), 'unavailable'],
    ['an empty body', xml(200, ''), 'unavailable'],
    [
      'an answer to another question',
      xml(200, '<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>'),
      'unavailable',
    ],
    ['an answer without its list', xml(200, '<DescribeSubnetsResponse/>'), 'unavailable'],
    ['a dropped connection', (response: ServerResponse) => response.socket?.destroy(), 'unavailable'],
    [
      'half an answer',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': '900' });
        response.write('<DescribeSubnets', () => response.socket?.destroy());
      },
      'unavailable',
    ],
  ])('%s', async (_, answer, code) => {
    await using subject = await setUp([answer]);
    const failure = subject.provider.describeSubnets({}, { cause: 'test' });
    await expect(failure).rejects.toMatchObject({ name: 'CloudError', code, operation: 'DescribeSubnets' });
    expect(subject.server.received).toHaveLength(1);
  });

  it('believes in no change that EC2 did not confirm', async () => {
    await using subject = await setUp([xml(200, '<html/>')]);
    const { provider } = subject;
    const cause = { cause: 'test' };
    await expect(provider.deleteNetworkInterface({ networkInterfaceId: 'eni-1' }, cause)).rejects.toMatchObject({
      code: 'unavailable',
    });
    await expect(provider.createTags({ resourceIds: ['eni-1'], tags: { a: 'b' } }, cause)).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  it("keeps EC2's request id", async () => {
    await using subject = await setUp([xml(400, errorDocument('AuthFailure'))]);
    const failure = subject.provider.describeSubnets({}, { cause: 'test' });
    await expect(failure).rejects.toThrow('DescribeSubnets: AuthFailure: No. (request id r-9)');
  });

  it.each([
    ['before the headers', () => undefined],
    [
      'within the body',
      (response: ServerResponse) => void response.writeHead(200, { 'content-length': '900' }).write('<Desc'),
    ],
  ])('silence %s ends after HTTP_TIMEOUT', async (_, answer) => {
    await using subject = await setUp([answer], 0.2);
    const failure = subject.provider.describeSubnets({}, { cause: 'test' });
    await expect(failure).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('HTTP_TIMEOUT'),
    });
  });

  it('a signal ends a call that is under way, and one that never began', async () => {
    const caller = new AbortController();
    await using subject = await setUp([() => caller.abort(new Error('stopping'))]);
    const failure = subject.provider.describeSubnets({}, { cause: 'test', signal: caller.signal });
    await expect(failure).rejects.toMatchObject({ code: 'aborted', message: expect.stringContaining('stopping') });
    const late = subject.provider.describeSubnets({}, { cause: 'test', signal: caller.signal });
    await expect(late).rejects.toMatchObject({ code: 'aborted' });
    expect(subject.server.received).toHaveLength(1);
  });

  it('nothing listening is unavailable; no credentials are denied', async () => {
    const gone = await startServer(() => undefined);
    await gone[Symbol.asyncDispose]();
    using send = createEc2ClientSend({ region: 'x-1', endpoint: gone.endpoint, version: '0' });
    const failure = createEc2Provider(send).describeSubnets({}, { cause: 'test' });
    await expect(failure).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    });

    setEnvironment({ AWS_ACCESS_KEY_ID: undefined, AWS_EC2_METADATA_DISABLED: 'true' });
    try {
      using without = createEc2ClientSend({ region: 'x-1', endpoint: gone.endpoint, version: '0' });
      const denied = createEc2Provider(without).describeSubnets({}, { cause: 'test' });
      await expect(denied).rejects.toMatchObject({ code: 'denied', message: expect.stringContaining('credentials') });
    } finally {
      setEnvironment({
        AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
        AWS_EC2_METADATA_DISABLED: before.get('AWS_EC2_METADATA_DISABLED'),
      });
    }
  });
});
