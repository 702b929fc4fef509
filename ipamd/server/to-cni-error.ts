/** The one mapping from every layer's errors to what the runtime is told. Total: what is not known is a bug (999). */
import { CniError, type CniErrorName } from '#cni/spec/errors.ts';
import { ProtocolError } from '#cni/protocol/errors.ts';
import type { WireError } from '#cni/protocol/messages.ts';
import { CloudError, type CloudErrorCode } from '#cloud/errors.ts';
import { DatapathError, type DatapathErrorCode } from '../datapath/datapath.ts';
import { JournalError } from '../store/journal.ts';

const CLOUD: Readonly<Record<CloudErrorCode, CniErrorName>> = {
  'subnet-exhausted': 'subnet-exhausted',
  'no-free-prefix': 'subnet-exhausted',
  'interface-limit': 'interface-limit',
  'address-limit': 'interface-limit',
  throttled: 'try-again-later',
  denied: 'cloud-denied',
  'not-found': 'try-again-later',
  'in-use': 'try-again-later',
  invalid: 'internal',
  unavailable: 'cloud-unavailable',
  aborted: 'deadline-exceeded',
};

const DATAPATH: Readonly<Record<DatapathErrorCode, CniErrorName>> = {
  'no-such-netns': 'invalid-netns',
  'name-in-use': 'attachment-conflict',
  'no-such-link': 'kernel-refused',
  'not-permitted': 'kernel-refused',
  'kernel-refused': 'kernel-refused',
};

export function toWireError(error: unknown): WireError {
  return toCniError(error).toWire();
}

export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof CloudError) return new CniError(CLOUD[error.code], message, undefined, { cause: error });
  if (error instanceof DatapathError) return new CniError(DATAPATH[error.code], message, undefined, { cause: error });
  if (error instanceof JournalError) return new CniError('journal-failure', message, undefined, { cause: error });
  if (error instanceof ProtocolError) {
    const kind = error.code === 'version' ? 'protocol-mismatch' : 'try-again-later';
    return new CniError(kind, message, undefined, { cause: error });
  }
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new CniError(
      'deadline-exceeded',
      'the request was not finished before its deadline; what it did has been undone',
    );
  }
  const details = error instanceof Error ? error.stack : undefined;
  return new CniError('internal', `unexpected: ${message}. Please report this with the log of ipamd`, details, {
    cause: error,
  });
}
