/** What can go wrong between the CNI binary and the daemon, before either has understood the other. */

/**
 * - `unreachable`: no socket, connection refused, or the other side hung up before its answer was whole
 * - `timeout`: the deadline passed
 * - `too-large`: a frame announces more than the limit
 * - `version`: the other side speaks an incompatible protocol version
 * - `malformed`: bytes that are no frame, or a frame that is no envelope
 */
export type ProtocolErrorCode = 'unreachable' | 'timeout' | 'too-large' | 'version' | 'malformed';

/** A failed exchange. `message` is one line that names the socket or the field. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
