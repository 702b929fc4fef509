/** The bytes of a fixture, as record.ts froze them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FrameDecoder } from '#cni/protocol/frame.ts';

export interface RecordedFrames {
  readonly command: string;
  readonly request: Buffer;
  readonly response: Buffer;
}

export function recordedFrames(name: string): readonly RecordedFrames[] {
  const text = readFileSync(join(import.meta.dirname, 'fixtures', name, 'frames.json'), 'utf8');
  const frames = JSON.parse(text) as readonly { readonly [key in keyof RecordedFrames]: string }[];
  return frames.map(({ command, request, response }) => ({
    command,
    request: Buffer.from(request, 'base64'),
    response: Buffer.from(response, 'base64'),
  }));
}

/** The one value of the bytes. */
export function decodedFrame(bytes: Uint8Array): unknown {
  const [value, ...more] = new FrameDecoder().push(bytes);
  if (value === undefined || more.length > 0) throw new Error('these bytes are not one frame');
  return value;
}
