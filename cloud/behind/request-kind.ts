/** Whether a request that arrives is one of EC2's, and for whom. Pure. */
import type { IncomingHttpHeaders } from 'node:http';

export interface Scope {
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
}

/** The version of the EC2 API that SDKs name; a request that is not signed is told by it. */
const EC2_VERSION = '2016-11-15';

/** `Credential=KEY/DATE/REGION/SERVICE/aws4_request` of the header or of a signed URL; undefined where there is none. */
export function scopeOf(headers: IncomingHttpHeaders, url: string): Scope | undefined {
  const query = new URL(url, 'http://emulator').searchParams.get('X-Amz-Credential');
  const credential = /Credential=([^,\s]+)/.exec(headers.authorization ?? '')?.[1] ?? query ?? '';
  const [accessKeyId = '', , region = '', service = ''] = credential.split('/');
  if (!/^[\w.@-]{1,128}$/.test(accessKeyId) || !/^[a-z0-9-]{1,32}$/.test(region)) return undefined;
  return { accessKeyId, region, service };
}

/** True where the request can be one of EC2's, as far as can be told without its body. */
export function mayBeEc2(method: string | undefined, url: string, headers: IncomingHttpHeaders): boolean {
  const [path] = url.split('?', 1);
  if (path !== '/' && path !== '') return false;
  const service = scopeOf(headers, url)?.service;
  if (service !== undefined && service !== 'ec2') return false;
  if (method === 'GET') return url.includes('Action=');
  return method === 'POST' && /^application\/x-www-form-urlencoded/i.test(headers['content-type'] ?? '');
}

/** The action of a form, if it is one of EC2's. */
export function ec2ActionOf(form: string, scope: Scope | undefined): string | undefined {
  const parameters = new URLSearchParams(form);
  if (scope === undefined && parameters.get('Version') !== EC2_VERSION) return undefined;
  return parameters.get('Action') ?? undefined;
}

/** What only reads leaves nothing behind that we would have to look for. */
export function onlyReads(method: string | undefined, action: string | undefined): boolean {
  if (action !== undefined) return /^(Describe|Get|List|Search)/.test(action);
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}
