import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { CallLog } from '../call-log.ts';
import type { Subject } from './subject.ts';
import { parseTtl, Tokens } from './token.ts';
import type { RoleKeys } from './tree.ts';
import { metadataTree, readPath } from './tree.ts';

const TOKEN = 'x-aws-ec2-metadata-token';
const TOKEN_TTL = 'x-aws-ec2-metadata-token-ttl-seconds';

export interface MetadataParts {
  /** The instance that asks, by its source address, as metadata sees it, which may lag behind. */
  readonly subjectOf: (source: string) => Subject | undefined;
  readonly log: CallLog;
  /** What the role of an instance may sign with; undefined where instances have none. */
  readonly roleKeys?: (instanceId: string, now: number) => RoleKeys | undefined;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly contentType?: string;
  readonly ttlSeconds?: number;
}

/** Serves the Instance Metadata Service, version 2 alone: each request but the one for a token must carry one. */
export function metadataListener(parts: MetadataParts): RequestListener {
  const tokens = new Tokens();
  return (request, response) => {
    const arrivedAt = performance.now();
    request.resume();
    const source = plainAddress(request.socket.remoteAddress ?? '');
    const subject = parts.subjectOf(source);
    const answer =
      subject === undefined ? unknownClient(source) : answerTo(request, subject, parts, tokens, Date.now());
    parts.log.add({
      kind: 'metadata',
      at: Math.round(performance.timeOrigin + arrivedAt),
      action: `${request.method} ${request.url}`,
      source,
      status: answer.status,
      durationMs: Math.round((performance.now() - arrivedAt) * 1000) / 1000,
      ...(subject?.instance.InstanceId === undefined ? {} : { instanceId: subject.instance.InstanceId }),
    });
    send(answer, response);
  };
}

function answerTo(
  request: IncomingMessage,
  subject: Subject,
  parts: MetadataParts,
  tokens: Tokens,
  now: number,
): Answer {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const instanceId = subject.instance.InstanceId ?? '';
  if (request.method === 'PUT') {
    if (path !== '/latest/api/token') return text(404, 'Not Found');
    return issueToken(request, instanceId, tokens, now);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'Method Not Allowed');
  const remaining = tokens.remainingSeconds(headerOf(request, TOKEN) ?? '', instanceId, now);
  if (remaining <= 0) return text(401, 'Unauthorized');
  const found = readPath(metadataTree(subject, parts.roleKeys?.(instanceId, now)), path);
  return found === undefined ? text(404, 'Not Found') : { ...text(200, found), ttlSeconds: remaining };
}

/** A request that came through a proxy is refused: that is how the service keeps open proxies from handing out tokens. */
function issueToken(request: IncomingMessage, instanceId: string, tokens: Tokens, now: number): Answer {
  if (headerOf(request, 'x-forwarded-for') !== undefined) return text(403, 'Forbidden');
  const ttlSeconds = parseTtl(headerOf(request, TOKEN_TTL));
  if (ttlSeconds === undefined) return text(400, 'Bad Request');
  return { ...text(200, tokens.issue(instanceId, ttlSeconds, now)), ttlSeconds };
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** An IPv4 client of a dual-stack listener shows as `::ffff:10.0.0.1`. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
}

function unknownClient(source: string): Answer {
  return text(404, `No instance of this region has the address ${source}`);
}

function text(status: number, body: string): Answer {
  return { status, body };
}

function send(answer: Answer, response: ServerResponse): void {
  response.writeHead(answer.status, {
    'content-type': 'text/plain',
    'content-length': Buffer.byteLength(answer.body),
    ...(answer.ttlSeconds === undefined ? {} : { [TOKEN_TTL]: String(answer.ttlSeconds) }),
  });
  response.end(answer.body);
}
