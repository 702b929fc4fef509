/** Answers of the EC2 faces on their way out: held back, written down, sent. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallLog } from '../call-log.ts';
import { parseAuthorization } from '../credentials/signature.ts';
import type { Ec2Reply } from './face.ts';

/** What the log says of a request: of an answer of ours, or with the status of an answer that was passed through. */
export type Answered = Pick<Ec2Reply, 'action' | 'errorCode' | 'fault'> &
  Partial<Pick<Ec2Reply, 'answer'>> & { readonly status?: number };

/** Waits until the time is over or the connection is gone, whichever comes first. */
export function holdBack(milliseconds: number, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      response.off('close', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    response.once('close', done);
  });
}

/** Writes what became of a request into the call log. */
export function recordReply(log: CallLog, request: IncomingMessage, reply: Answered, arrivedAt: number): void {
  const durationMs = performance.now() - arrivedAt;
  const signed = parseAuthorization(request.headers.authorization);
  log.add({
    kind: 'ec2',
    at: Math.round(performance.timeOrigin + arrivedAt),
    action: reply.action,
    source: request.socket.remoteAddress ?? 'unix',
    status: reply.status ?? reply.answer?.status ?? 0,
    durationMs: Math.round(durationMs * 1000) / 1000,
    ...(reply.errorCode === undefined ? {} : { errorCode: reply.errorCode }),
    ...(reply.fault === undefined ? {} : { fault: reply.fault }),
    ...(signed === undefined ? {} : { accessKeyId: signed.accessKeyId }),
  });
}

/** Sends an answer, or cuts the connection where there is none. */
export function sendReply(reply: Ec2Reply, request: IncomingMessage, response: ServerResponse, close: boolean): void {
  if (reply.answer === undefined) {
    // A reset tells the client at once; a unix socket has no such thing and is closed.
    if (request.socket.remoteAddress === undefined) request.socket.destroy();
    else request.socket.resetAndDestroy();
    return;
  }
  const { status, contentType, body } = reply.answer;
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'x-amzn-requestid': reply.requestId,
    ...(close ? { connection: 'close' } : {}),
  });
  response.end(body);
}
