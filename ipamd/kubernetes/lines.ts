/** A byte stream as lines. */
import { StringDecoder } from 'node:string_decoder';
import { ApiError } from './api-error.ts';

/** Longest line that is taken; an object of the API server is below 2 MiB (etcd's own limit). */
const LONGEST = 8 * 1024 * 1024;

/** Lines without their end; empty ones are left out, and so is a last one without an end: it was cut off. `heard` is called for every piece. */
export async function* linesOf(stream: AsyncIterable<Buffer>, heard?: () => void): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of stream) {
    heard?.();
    const parts = (rest + decoder.write(chunk)).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > LONGEST) throw new ApiError('malformed', `a line of a watch has more than ${LONGEST} characters`);
    for (const line of parts) if (line.trim() !== '') yield line;
  }
}
