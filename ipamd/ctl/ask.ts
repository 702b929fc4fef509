/** One question to the daemon, over its introspection socket. */
import { request } from 'node:http';
import { Failure, type FailureText } from './failure.ts';

const DEADLINE_MS = 5000;

/** The JSON answer. Throws Failure: 1 where nobody answers or nothing is known, 2 where the daemon calls the question wrong. */
export async function ask(socketPath: string, path: string): Promise<unknown> {
  const { status, body } = await get(socketPath, path).catch((error: unknown) => {
    throw unreachable(socketPath, error);
  });
  const answer = parse(body);
  if (status === 200 && answer !== undefined) return answer;
  if (isFailureText(answer)) throw new Failure(status === 400 ? 2 : 1, answer, answer);
  throw new Failure(1, {
    what: `ipamd on ${socketPath} gave no answer to ${path}`,
    why: `it said ${status}: ${body.trim().slice(0, 500)}`,
    fix: status === 404 ? 'Use the wellspringctl that belongs to this ipamd.' : "Look into ipamd's log.",
  });
}

function get(socketPath: string, path: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, signal: AbortSignal.timeout(DEADLINE_MS) }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end();
  });
}

function unreachable(socketPath: string, error: unknown): Failure {
  const what = `ipamd cannot be asked on ${socketPath}`;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    const why = `nobody listens there (${code}): ipamd does not run on this node, or has another socket.`;
    return new Failure(1, { what, why, fix: 'Start ipamd, or name its socket with --socket PATH.' });
  }
  if (code === 'EACCES') return new Failure(1, { what, why: 'only root may open the socket.', fix: 'Run it as root.' });
  if (error instanceof Error && ['TimeoutError', 'AbortError'].includes(error.name)) {
    const why = `no answer came within ${DEADLINE_MS / 1000} s.`;
    return new Failure(1, { what, why, fix: "Look into ipamd's log; it may be stopped or overloaded." });
  }
  const why = error instanceof Error ? error.message : String(error);
  return new Failure(1, { what, why, fix: "Check the socket path, and ipamd's log." });
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function isFailureText(answer: unknown): answer is FailureText {
  if (typeof answer !== 'object' || answer === null) return false;
  return (['what', 'why', 'fix'] as const).every((key) => typeof (answer as Partial<FailureText>)[key] === 'string');
}
