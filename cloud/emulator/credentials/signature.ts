/** AWS Signature Version 4 as the receiving side computes it (IAM user guide, "Create a signed AWS API request"). Pure. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export interface SignedRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

export interface Authorization {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

const FORM =
  /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request,\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/;

/** What an Authorization header says; undefined where it is absent or of another form. */
export function parseAuthorization(header: string | undefined): Authorization | undefined {
  const match = FORM.exec(header ?? '');
  if (match === null) return undefined;
  const [, accessKeyId = '', date = '', region = '', service = '', signed = '', signature = ''] = match;
  return { accessKeyId, date, region, service, signedHeaders: signed.split(';'), signature };
}

/** Whether the request was signed with `secret`, all of it that the signature covers. */
export function isSignedWith(secret: string, authorization: Authorization, request: SignedRequest): boolean {
  const { date, region, service, signature } = authorization;
  const scope = `${date}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', headerOf(request, 'x-amz-date'), scope, sha256(canonical(authorization, request))];
  const key = [date, region, service, 'aws4_request'].reduce<string | Buffer>(
    (previous, part) => createHmac('sha256', previous).update(part).digest(),
    `AWS4${secret}`,
  );
  const expected = createHmac('sha256', key).update(text.join('\n')).digest();
  return timingSafeEqual(expected, Buffer.from(signature, 'hex'));
}

function canonical({ signedHeaders }: Authorization, request: SignedRequest): string {
  const { pathname, searchParams } = new URL(request.url, 'http://emulator');
  const query = [...searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join('&');
  const headers = signedHeaders.map((name) => `${name}:${headerOf(request, name)}\n`).join('');
  return [request.method, pathname, query, headers, signedHeaders.join(';'), sha256(request.body)].join('\n');
}

function headerOf({ headers }: SignedRequest, name: string): string {
  const value = headers[name];
  const text = typeof value === 'string' ? value : (value ?? []).join(',');
  return text.trim().replaceAll(/ +/g, ' ');
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
