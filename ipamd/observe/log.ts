/** The daemon's log: pino, JSON lines, one constant sentence a message, everything variable in fields. */
import { inspect } from 'node:util';
import pino, { type DestinationStream, type Logger } from 'pino';
import { RotatingFile } from './rotating-file.ts';

export type Log = Logger;

/** `destination`: stdout, stderr or a path, where files are rotated. Synchronous, so that the last lines before a crash are there. */
export function createLog(options: {
  readonly level: string;
  readonly destination: string;
  readonly node?: string;
}): Log {
  const { level, destination } = options;
  return pino(
    {
      level: level.toLowerCase(),
      base: options.node === undefined ? null : { node: options.node },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    streamTo(destination),
  );
}

function streamTo(destination: string): DestinationStream {
  if (destination !== 'stdout' && destination !== 'stderr') return new RotatingFile(destination);
  return pino.destination({ dest: destination === 'stdout' ? 1 : 2, sync: true });
}

/** An error as fields: message, code and causes, without the stack of expected refusals. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: inspect(error) };
  const code = (error as { code?: unknown }).code;
  return {
    error: error.message,
    ...(code === undefined ? { stack: error.stack } : { code }),
    ...(error.cause === undefined
      ? {}
      : { cause: error.cause instanceof Error ? error.cause.message : inspect(error.cause) }),
  };
}
