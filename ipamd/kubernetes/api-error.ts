/** How a request to the API server fails. */

export type ApiErrorKind =
  /** An HTTP status that is no success; `status` says which. */
  | 'refused'
  /** No answer: no connection, a broken one, or none in time. */
  | 'unreachable'
  /** An answer that is not what the API promises. */
  | 'malformed';

export class ApiError extends Error {
  readonly kind: ApiErrorKind;
  /** HTTP status, or the `code` of a Status object; 0 where there was none. */
  readonly status: number;
  /** Milliseconds after which the server wants to be asked again; undefined: it did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: ApiErrorKind,
    message: string,
    detail: { status?: number; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'ApiError';
    this.kind = kind;
    this.status = detail.status ?? 0;
    this.retryAfterMs = detail.retryAfterMs;
  }
}

/** From the Status object that the API server answers with (API conventions, "Response Status Kind"). */
export function refused(status: number, body: unknown, retryAfter: string | undefined): ApiError {
  const { message, reason } = fieldsOf(body);
  const said =
    typeof message === 'string' && message !== '' ? message : typeof reason === 'string' ? reason : 'no reason';
  const seconds = Number(retryAfter);
  const retryAfterMs = retryAfter !== undefined && seconds >= 0 ? seconds * 1000 : undefined;
  return new ApiError('refused', `the API server answered ${status}: ${said.slice(0, 500)}`, {
    status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** Whether the same request may succeed later. */
export function isWorthRepeating(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  if (error.kind !== 'refused') return error.kind === 'unreachable';
  return error.status >= 500 || [401, 403, 408, 409, 429].includes(error.status);
}

/** An object's fields; none of what is no object. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
