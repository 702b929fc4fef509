/** What the operator reads when the daemon did not answer. Pure. */
import type { ProtocolError } from './protocol/errors.ts';
import type { CniCommand } from './spec/command.ts';
import { CniError } from './spec/errors.ts';

const WHERE_TO_LOOK =
  'is the ipamd pod of this node running? From the cluster: kubectl get pods -A -o wide --field-selector spec.nodeName=NODE; ' +
  'on the node: crictl ps -a --name ipamd, crictl logs CONTAINER, or the files below /var/log/pods';

/**
 * The CNI error of a failed exchange: STATUS is `not-available`, a protocol of another age `protocol-mismatch`, all
 * others `try-again-later`. The message names the socket and what happened there, the details where to look.
 */
export function unreachable(command: CniCommand, socketPath: string, error: ProtocolError): CniError {
  const { msg, details } = explain(socketPath, error);
  if (command === 'STATUS') return new CniError('not-available', msg, details, { cause: error });
  if (error.code === 'version') return new CniError('protocol-mismatch', msg, details, { cause: error });
  return new CniError('try-again-later', msg, details, { cause: error });
}

function explain(socketPath: string, error: ProtocolError): { readonly msg: string; readonly details: string } {
  switch (error.code) {
    case 'unreachable':
      return { msg: `ipamd cannot be reached at ${socketPath} (${error.message})`, details: WHERE_TO_LOOK };
    case 'timeout':
      return { msg: `ipamd at ${socketPath} gave ${error.message}`, details: WHERE_TO_LOOK };
    case 'version':
      return {
        msg: `ipamd at ${socketPath} and this CNI binary are of different releases: ${error.message}`,
        details: 'restart the ipamd pod of this node: its installer renews the binary',
      };
    case 'too-large':
    case 'malformed':
      return {
        msg: `what listens at ${socketPath} does not answer as ipamd does: ${error.message}`,
        details: `another program on that socket, or a bug; ${WHERE_TO_LOOK}`,
      };
    default:
      return error.code satisfies never;
  }
}
