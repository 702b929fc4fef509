import type { IncomingMessage } from 'node:http';

/** What became of a request's body; `aborted` where the client went away. */
export type Body =
  | { readonly kind: 'read'; readonly text: string; readonly bytes: Buffer }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'aborted' };

/**
 * Reads a request's body as UTF-8. What is beyond the limit is read off the connection and forgotten, so that the client
 * can be told.
 */
export function readBody(request: IncomingMessage, limitBytes: number): Promise<Body> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) chunks.push(chunk);
      else chunks.length = 0;
    });
    request.once('end', () => {
      const bytes = Buffer.concat(chunks);
      resolve(size > limitBytes ? { kind: 'too-large' } : { kind: 'read', text: bytes.toString('utf8'), bytes });
    });
    request.once('error', () => resolve({ kind: 'aborted' }));
    request.once('close', () => resolve({ kind: 'aborted' }));
  });
}
