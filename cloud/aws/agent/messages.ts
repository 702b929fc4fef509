/** What the daemon and its EC2 agent say to each other: one JSON document a line, over the agent's standard input and output. */
import { CloudError } from '../../errors.ts';
import type { CloudErrorCode } from '../../errors.ts';
import type { Operation, RequestOf } from '../../decorate/decorate.ts';
import type { Keys } from '../ec2-session.ts';

/** To the agent. The first line is `start`; the end of the input ends the agent. */
export type ToAgent =
  | {
      readonly kind: 'start';
      readonly region: string;
      readonly endpoint?: string | undefined;
      readonly httpTimeoutSeconds?: number | undefined;
      readonly version: string;
      readonly keys?: Keys | undefined;
    }
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly operation: Operation;
      readonly request: RequestOf<Operation>;
      readonly cause: string;
    }
  | { readonly kind: 'abort'; readonly id: number };

/** From the agent. Each call has one answer or one refusal, in any order. */
export type FromAgent =
  | { readonly kind: 'answer'; readonly id: number; readonly result?: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: ErrorImage }
  /** For the next agent, so that it need not ask for them again. */
  | { readonly kind: 'keys'; readonly keys: Keys };

/** A `CloudError` as JSON carries it; of its cause the words are left. */
export interface ErrorImage {
  readonly code: CloudErrorCode;
  readonly operation: string;
  readonly message: string;
  readonly ec2Code?: string | undefined;
  readonly cause?: string | undefined;
}

export function imageOf(error: CloudError): ErrorImage {
  const { code, operation, message, ec2Code, cause } = error;
  return {
    code,
    operation,
    message,
    ec2Code,
    ...(cause instanceof Error && { cause: `${cause.name}: ${cause.message}` }),
  };
}

/** The error that `imageOf` was given, as far as it can be told. */
export function errorOf({ code, operation, message, ec2Code, cause }: ErrorImage): CloudError {
  const prefix = `${operation}: `;
  const text = message.startsWith(prefix) ? message.slice(prefix.length) : message;
  return new CloudError(code, operation, text, { ec2Code, ...(cause !== undefined && { cause: new Error(cause) }) });
}

/** A result as JSON: a field that is undefined is null there, so that it arrives as undefined and not as missing. */
export function encode(message: ToAgent | FromAgent): string {
  const absent = (_: string, value: unknown): unknown => (value === undefined ? null : value);
  return `${JSON.stringify(message, message.kind === 'answer' ? absent : undefined)}\n`;
}

/** The result that `encode` was given. The port has no null of its own. */
export function decodeResult(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(decodeResult);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, decodeResult(field)]));
}

/** Lines of text that come in pieces: hands on each whole line. */
export class LineReader {
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(piece: string): void {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#onLine(line);
  }
}
