/** The emulator in front of another EC2, over HTTP: three classes of requests (actions.data.ts). */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Control } from '../emulator/control.ts';
import { CONTROL_PREFIX } from '../emulator/control.ts';
import type { CallLog } from '../emulator/call-log.ts';
import { ACTION_CLASSES } from '../emulator/ec2/actions.data.ts';
import type { Ec2Face, Ec2Reply } from '../emulator/ec2/face.ts';
import { holdBack, recordReply, sendReply } from '../emulator/ec2/replies.ts';
import { readBody } from '../emulator/http-body.ts';
import { requestListener } from '../emulator/request-listener.ts';
import { behindClassOf } from './actions.data.ts';
import { answerCall, documentAnswer } from './answer.ts';
import type { Fronts } from './fronts.ts';
import { runFromTemplate } from './instances.ts';
import { parametersOf } from './parameters.ts';
import { passThrough } from './pass.ts';
import type { Scope } from './request-kind.ts';
import { ec2ActionOf, mayBeEc2, onlyReads, scopeOf } from './request-kind.ts';
import type { Upstream } from './upstream.ts';

const BODY_LIMIT_BYTES = 1024 * 1024;

export interface BehindListenerParts {
  readonly upstream: Upstream;
  readonly fronts: Fronts;
  readonly face: Ec2Face;
  readonly control: Control;
  readonly log: CallLog;
  /** Told of an error that no request should be able to cause. */
  readonly onBug: (error: unknown) => void;
}

/** Serves EC2 as `actions.data.ts` says, the switches at `/_wellspring/`, and passes everything else through. */
export function behindListener(parts: BehindListenerParts): RequestListener {
  return requestListener((...request) => serve(parts, ...request), parts.onBug);
}

async function serve(
  parts: BehindListenerParts,
  request: IncomingMessage,
  response: ServerResponse,
  arrivedAt: number,
): Promise<void> {
  const { method, url = '/', headers } = request;
  if (url.startsWith(CONTROL_PREFIX)) {
    const body = await readBody(request, BODY_LIMIT_BYTES);
    if (body.kind !== 'aborted') parts.control.answer(request, body.kind === 'read' ? body.text : undefined, response);
    return;
  }
  const small = Number(headers['content-length'] ?? 0) <= BODY_LIMIT_BYTES && !('transfer-encoding' in headers);
  if (!small || !mayBeEc2(method, url, headers)) {
    await passThrough(parts.upstream, request, response);
    if (!onlyReads(method, undefined)) parts.fronts.markStale();
    return;
  }
  const body = await readBody(request, BODY_LIMIT_BYTES);
  if (body.kind === 'read') await serveForm(parts, { request, response, arrivedAt, body });
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly arrivedAt: number;
  readonly body: { readonly text: string; readonly bytes: Buffer };
}

async function serveForm(parts: BehindListenerParts, exchange: Exchange): Promise<void> {
  const { request, response, body, arrivedAt } = exchange;
  const form = request.method === 'GET' ? ((request.url ?? '').split('?', 2)[1] ?? '') : body.text;
  const scope = scopeOf(request.headers, request.url ?? '/');
  const action = ec2ActionOf(form, scope);
  if (action === undefined || behindClassOf(action) === undefined) {
    await pass(parts, exchange, form, action);
    return;
  }
  const reply = await replyTo(parts, form, action, scope);
  if (reply.delayMs > 0) await holdBack(reply.delayMs, response);
  recordReply(parts.log, request, reply, arrivedAt);
  sendReply(reply, request, response, false);
}

/** A request with a launch template is read by nobody here: its parameters are the other EC2's. */
function replyTo(
  { fronts, face }: BehindListenerParts,
  form: string,
  action: string,
  scope: Scope | undefined,
): Promise<Ec2Reply> {
  const parameters = parametersOf(form);
  if (action === 'RunInstances' && parameters.some(([name]) => name.startsWith('LaunchTemplate.'))) {
    return face.handleUnread(form, Date.now(), async () => {
      const front = await fronts.of(scope);
      return documentAnswer(await front.serially(() => runFromTemplate(front, parameters)));
    });
  }
  return face.handleBy(form, Date.now(), async (call) => answerCall(await fronts.of(scope), call, form));
}

/** What is not EC2's, or not ours, with the faults that are armed for it. */
async function pass(
  parts: BehindListenerParts,
  { request, response, arrivedAt, body }: Exchange,
  form: string,
  action: string | undefined,
): Promise<void> {
  const known = action !== undefined && Object.hasOwn(ACTION_CLASSES, action);
  const passage = known ? parts.face.interrupt(form, Date.now()) : undefined;
  if (passage !== undefined && passage.delayMs > 0) await holdBack(passage.delayMs, response);
  if (passage !== undefined && !('kind' in passage)) {
    recordReply(parts.log, request, passage, arrivedAt);
    sendReply(passage, request, response, false);
    return;
  }
  const lost = passage?.fault === 'lost-answer';
  const status = await passThrough(parts.upstream, request, response, { body: body.bytes, cut: lost });
  if (!onlyReads(request.method, action)) parts.fronts.markStale();
  if (action === undefined) return;
  const fault = passage?.fault;
  recordReply(parts.log, request, { action, status: lost ? 0 : status, errorCode: undefined, fault }, arrivedAt);
}
