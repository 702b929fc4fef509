/** What a request leaves behind in the daemon once it is answered, and that its deadline counts until then. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { queryObjects } from 'node:v8';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeFrame, FrameDecoder } from '#cni/protocol/frame.ts';
import { PROTOCOL_VERSION, type RequestEnvelope, type ResponseEnvelope } from '#cni/protocol/messages.ts';
import { createLog } from '#ipamd/observe/log.ts';
import { type Handler, SocketServer } from '#ipamd/server/socket-server.ts';
import { toWireError } from '#ipamd/server/to-cni-error.ts';

const REQUESTS = 200;

describe('the deadline of a request', () => {
  let directory: string;
  const path = (): string => join(directory, 'run', 'ipamd.sock');
  const serve = (handle: Handler): Promise<SocketServer> =>
    SocketServer.listen({
      path: path(),
      handle,
      toWireError,
      log: createLog({ level: 'error', destination: 'stderr' }),
    });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'wellspring-deadline-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  async function ask(id: string, deadlineMs: number): Promise<ResponseEnvelope> {
    const socket = connect(path());
    const params = { env: {}, stdin: '' };
    const request: RequestEnvelope = { version: PROTOCOL_VERSION, id, method: 'Status', deadlineMs, params };
    socket.write(encodeFrame(request));
    const decoder = new FrameDecoder();
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      const [answer] = decoder.push(chunk);
      if (answer !== undefined) return answer as ResponseEnvelope;
    }
    throw new Error('no answer');
  }

  it('leaves nothing behind, however far away it was', async () => {
    await using _server = await serve(() => Promise.resolve({}));
    await ask('first', 60_000);
    const before = queryObjects(AbortSignal, { format: 'count' });
    for (let index = 0; index < REQUESTS; index += 1) await ask(`${index}`, 60_000);
    expect(queryObjects(AbortSignal, { format: 'count' }) - before).toBeLessThan(REQUESTS / 2);
  });

  it('ends a request that takes longer, with what that means for the runtime', async () => {
    await using _server = await serve(
      (_request, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    );
    expect(await ask('slow', 300)).toMatchObject({ error: { msg: expect.stringContaining('before its deadline') } });
  });
});
