import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Ec2Error } from '../ec2-error.ts';
import type { CallLog } from '../call-log.ts';
import { refusalOf } from '../credentials/admission.ts';
import type { CredentialAuthority, CredentialSettings } from '../credentials/authority.ts';
import { answerSts, STS_VERSION } from '../credentials/sts-face.ts';
import type { Control } from '../control.ts';
import { CONTROL_PREFIX } from '../control.ts';
import type { Body } from '../http-body.ts';
import { readBody } from '../http-body.ts';
import { signedRegion } from '../regions.ts';
import { requestListener } from '../request-listener.ts';
import type { Ec2Face, Ec2Reply } from './face.ts';
import { holdBack, recordReply, sendReply } from './replies.ts';

/** Far above any request of the SDK, whose lists hold at most some hundred entries. */
const BODY_LIMIT_BYTES = 1024 * 1024;

/** What the EC2 listener needs. */
export interface Ec2ListenerParts {
  readonly face: Ec2Face;
  readonly control: Control;
  readonly log: CallLog;
  readonly authority: CredentialAuthority;
  readonly credentials: () => CredentialSettings;
  /** Told of an error that no request should be able to cause. */
  readonly onBug: (error: unknown) => void;
}

/** Serves the EC2 Query protocol at `/` (POST with a form, GET with a query) and the switches at `/_wellspring/`. */
export function ec2Listener(parts: Ec2ListenerParts): RequestListener {
  return requestListener((...request) => serve(parts, ...request), parts.onBug);
}

async function serve(
  parts: Ec2ListenerParts,
  request: IncomingMessage,
  response: ServerResponse,
  arrivedAt: number,
): Promise<void> {
  const path = request.url ?? '/';
  const body = await readBody(request, BODY_LIMIT_BYTES);
  if (body.kind === 'aborted') return;
  if (path.startsWith(CONTROL_PREFIX)) {
    parts.control.answer(request, body.kind === 'read' ? body.text : undefined, response);
    return;
  }
  if (body.kind === 'read' && isForSts(request, body.text)) {
    serveSts(parts, request, response, body.text, arrivedAt);
    return;
  }
  const reply = refusedFor(parts, request, body) ?? replyTo(parts.face, request, body);
  if (reply.delayMs > 0) await holdBack(reply.delayMs, response);
  recordReply(parts.log, request, reply, arrivedAt);
  sendReply(reply, request, response, body.kind === 'too-large');
}

/** STS is served beside EC2, so that one address is enough for AWS_ENDPOINT_URL_EC2 and AWS_ENDPOINT_URL_STS. */
function isForSts(request: IncomingMessage, text: string): boolean {
  return request.method === 'POST' && new URLSearchParams(text).get('Version') === STS_VERSION;
}

function serveSts(
  { authority, credentials, log }: Ec2ListenerParts,
  request: IncomingMessage,
  response: ServerResponse,
  text: string,
  arrivedAt: number,
): void {
  const reply = answerSts(new URLSearchParams(text), authority, credentials().lifetimeSeconds, Date.now());
  log.add({
    kind: 'sts',
    at: Math.round(performance.timeOrigin + arrivedAt),
    action: reply.action,
    source: request.socket.remoteAddress ?? 'unix',
    status: reply.status,
    durationMs: Math.round((performance.now() - arrivedAt) * 1000) / 1000,
    ...(reply.errorCode === undefined ? {} : { errorCode: reply.errorCode }),
  });
  response.writeHead(reply.status, { 'content-type': 'text/xml' }).end(reply.body);
}

/** EC2 looks at who asks before it looks at what. */
function refusedFor(
  { face, authority, credentials }: Ec2ListenerParts,
  request: IncomingMessage,
  body: Exclude<Body, { kind: 'aborted' }>,
): Ec2Reply | undefined {
  if (!credentials().required || body.kind !== 'read') return undefined;
  const { method = 'GET', url = '/', headers } = request;
  const refusal = refusalOf({ method, url, headers, body: body.text }, authority, Date.now());
  if (refusal === undefined) return undefined;
  return face.refuse(refusal, new URLSearchParams(body.text).get('Action') ?? '-');
}

function replyTo(face: Ec2Face, request: IncomingMessage, body: Exclude<Body, { kind: 'aborted' }>): Ec2Reply {
  const [path, query = ''] = (request.url ?? '/').split('?', 2);
  if (path !== '/' && path !== '')
    return face.refuse(new Ec2Error('InvalidAction', `There is nothing at ${path}`, 404));
  const region = signedRegion(request.headers.authorization, request.url ?? '/');
  if (request.method === 'GET') return face.handle(query, Date.now(), region);
  if (request.method !== 'POST') {
    return face.refuse(new Ec2Error('InvalidAction', `The method ${request.method} is not supported`, 405));
  }
  if (body.kind === 'too-large') {
    const message = `The request is larger than ${BODY_LIMIT_BYTES} bytes`;
    return face.refuse(new Ec2Error('RequestEntityTooLarge', message, 413));
  }
  return face.handle(body.text, Date.now(), region);
}
