/** What the emulator in front of another EC2 passes through is the same byte for byte, both ways. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { Cloud } from '#cloud/emulator/cloud.ts';
import { startCloud } from '#cloud/emulator/cloud.ts';
import { exchange, messageOf, tee, type Tee } from '#test/support/http-bytes.ts';

/** Answers what it is told to, whatever is asked; while the emulator starts, with an EC2 that has nothing. */
let answer: Buffer = Buffer.alloc(0);
let cloud: Cloud;
let wire: Tee;
const stack = new AsyncDisposableStack();

const EMPTY = '<X xmlns="http://ec2.amazonaws.com/doc/2016-11-15"><requestId>1</requestId></X>';
const httpAnswer = (head: string, body: Buffer | string) =>
  Buffer.concat([Buffer.from(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`), Buffer.from(body)]);

beforeAll(async () => {
  const server = createServer((socket) => {
    let seen = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk]);
      const head = seen.indexOf('\r\n\r\n');
      if (head < 0) return;
      const text = seen.toString('latin1').toLowerCase();
      const length = Number(/\r\ncontent-length:\s*(\d+)/.exec(text.slice(0, head))?.[1] ?? 0);
      const whole = text.slice(0, head).includes('chunked')
        ? text.endsWith('0\r\n\r\n')
        : seen.length >= head + 4 + length;
      if (!whole) return;
      seen = Buffer.alloc(0);
      socket.write(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => void server.close());
  wire = stack.use(await tee(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)));
  answer = httpAnswer('HTTP/1.1 200 OK', EMPTY);
  cloud = stack.use(await startCloud({ behind: wire.url }));
});
afterAll(() => stack.disposeAsync());

/** Sends bytes through the emulator; what the server behind got, and what the client got. */
async function through(request: Buffer): Promise<{ readonly got: Buffer; readonly back: Buffer }> {
  wire.take();
  const back = await exchange(new URL(cloud.endpoint), request);
  return { got: wire.take().request, back };
}

const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/);
const headerValue = fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/);
/** Names that say how a message is framed or whose it is are not to be chosen at random. */
const headers = fc
  .array(
    fc.tuple(
      token.map((name) => `X-${name}`),
      headerValue,
    ),
    { maxLength: 6 },
  )
  .map((list) => list.map(([name, value]) => `${name}: ${value}`));
const body = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const path = fc
  .stringMatching(/^\/[a-z][a-zA-Z0-9/%._~-]{0,20}(\?[a-z]=[a-zA-Z0-9%+]{0,10})?$/)
  .filter((text) => !/%(?![0-9a-f]{2})/i.test(text));

function messageBytes(head: readonly string[], content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([...head, `Content-Length: ${content.length}`, '', ''].join('\r\n')), content]);
}

describe('requests that are no EC2 requests', () => {
  it('arrive as they were sent, and so do their answers', async () => {
    const requests = fc.record({
      method: fc.constantFrom('POST', 'PUT', 'DELETE', 'PATCH'),
      path,
      headers,
      body,
      status: fc.constantFrom('200 OK', '201 Made It', '404 Not Found', '503 Slow Down'),
      answerHeaders: headers,
      answerBody: body,
    });
    await fc.assert(
      fc.asyncProperty(requests, async (one) => {
        const request = messageBytes([`${one.method} ${one.path} HTTP/1.1`, 'hOsT: s3.test', ...one.headers], one.body);
        answer = messageBytes([`HTTP/1.1 ${one.status}`, ...one.answerHeaders], one.answerBody);
        const { got, back } = await through(request);
        expect(messageOf(got)).toEqual(messageOf(request));
        expect(messageOf(back)).toEqual(messageOf(answer));
      }),
      { numRuns: 60 },
    );
  });

  it('keep their chunks of unknown length', async () => {
    const request = Buffer.from(
      'PUT /bucket/key HTTP/1.1\r\nHost: s3.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\n\xff\0!\r\n0\r\n\r\n',
      'latin1',
    );
    answer = Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n');
    const { got, back } = await through(request);
    expect(messageOf(got)).toEqual(messageOf(request));
    expect(messageOf(back)).toEqual(messageOf(answer));
  });

  it('are passed in both directions without end, bytes that are no text too', async () => {
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    const request = messageBytes(['PUT /large HTTP/1.1', 'Host: s3.test'], content);
    answer = messageBytes(['HTTP/1.1 200 OK'], content);
    const { got, back } = await through(request);
    expect(messageOf(got).body === messageOf(request).body).toBe(true);
    expect(messageOf(back).body === messageOf(answer).body).toBe(true);
  });
});

describe('EC2 requests that are not about interfaces', () => {
  const form = (text: string, scope: string): Buffer =>
    messageBytes(
      [
        'POST / HTTP/1.1',
        'host: ec2.test',
        `authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/${scope}/aws4_request, SignedHeaders=host, Signature=0`,
        'Content-Type: application/x-www-form-urlencoded; charset=utf-8',
      ],
      Buffer.from(text, 'latin1'),
    );

  it.each([
    ['an action of EC2 that the emulator knows', 'Version=2016-11-15&Action=CreateVpc&CidrBlock=10.0.0.0%2F16', 'ec2'],
    ['one that it does not know', 'Action=CreateKeyPair&KeyName=%ff\xff&Version=2016-11-15', 'ec2'],
    ['a request that makes no sense', 'Action=&Action=%zz', 'ec2'],
    ['the same action of another service', 'Action=CreateTags&Version=2012-12-01&ResourceName=x', 'redshift'],
  ])('%s', async (_, text, scope) => {
    const request = form(text, scope);
    answer = httpAnswer('HTTP/1.1 200 OK\r\nServer: other\r\nx-amzn-RequestId: 7', `${EMPTY}\xff`);
    const { got, back } = await through(request);
    expect(messageOf(got)).toEqual(messageOf(request));
    expect(messageOf(back)).toEqual(messageOf(answer));
  });

  it('meet armed faults all the same', async () => {
    cloud.failNext('CreateVpc', { kind: 'error', code: 'VpcLimitExceeded' });
    const { got, back } = await through(form('Version=2016-11-15&Action=CreateVpc&CidrBlock=10.0.0.0/16', 'ec2'));
    expect([got.length, messageOf(back).body]).toEqual([0, expect.stringContaining('<Code>VpcLimitExceeded</Code>')]);
  });
});
