import type { EC2Client } from '@aws-sdk/client-ec2';

interface Answer {
  statusCode: number;
  headers: Record<string, string>;
  body: unknown;
}

/**
 * Makes the client refuse a 200 that EC2 cannot have written, and lets it know EC2's request id.
 *
 * The SDK's parser takes an empty body, or a page that a proxy put in the way, for an answer in which every field is
 * missing: a detach would be believed done. EC2 wraps each answer in `<ActionResponse>` (EC2 API reference, "Query
 * requests"); without that the call fails as unreadable. The request id is in the body, where the SDK does not look.
 */
export function checkAnswers(client: EC2Client): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      const answer: unknown = result.response;
      if (!isAnswer(answer)) return result;
      const bytes = await bytesOf(answer.body);
      answer.body = bytes;
      const text = bytes.toString('utf8');
      const requestId = /<requestid>([^<]+)</i.exec(text)?.[1];
      if (requestId !== undefined) answer.headers['x-amzn-requestid'] ??= requestId;
      const root = `${(context.commandName ?? '').replace(/Command$/, '')}Response`;
      if (answer.statusCode < 300 && !new RegExp(`<${root}[\\s>/]`).test(text)) {
        throw Object.assign(new Error(`no <${root}> in it; is there a proxy between here and EC2?`), {
          $metadata: { httpStatusCode: answer.statusCode, requestId: answer.headers['x-amzn-requestid'] },
        });
      }
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'wellspringAnswerCheck' },
  );
}

function isAnswer(value: unknown): value is Answer {
  return typeof value === 'object' && value !== null && 'statusCode' in value && 'headers' in value && 'body' in value;
}

async function bytesOf(body: unknown): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  if (!isAsyncIterable(body)) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) {
    if (chunk instanceof Uint8Array) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
