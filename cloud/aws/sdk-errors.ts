import { CloudError } from '../errors.ts';
import { CredentialsUnavailable } from './credential-errors.ts';
import { cloudErrorFrom } from './map-errors.ts';

/**
 * The meaning of what the SDK threw: a refusal that EC2 worded, an answer that could not be read, or no answer.
 * Only the SDK's service exceptions (those with `$fault`) carry an EC2 code; the name of any other error is not one.
 */
export function fromSdkError(operation: string, error: unknown): CloudError {
  if (!(error instanceof Error)) {
    return cloudErrorFrom(operation, { ec2Code: undefined, status: undefined, message: String(error), cause: error });
  }
  // Nothing was sent.
  if (error instanceof CredentialsUnavailable) {
    return new CloudError(error.code, operation, error.message, { cause: error });
  }
  const metadata = metadataOf(error);
  const ec2Code = '$fault' in error && !error.name.startsWith('Unknown') ? error.name : undefined;
  return cloudErrorFrom(operation, {
    ec2Code,
    status: metadata.httpStatusCode,
    message: ec2Code === undefined ? noCodeText(error, metadata.httpStatusCode) : error.message,
    requestId: metadata.requestId,
    cause: error,
  });
}

function noCodeText(error: Error, status: number | undefined): string {
  if (status !== undefined) return `the answer could not be read (${firstLine(error)})`;
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : '';
  return `no answer (${code}${firstLine(error)})`;
}

// The SDK appends advice for its own users on further lines.
function firstLine(error: Error): string {
  return (error.message.split('\n')[0] ?? '').trim() || error.name;
}

interface Metadata {
  readonly httpStatusCode: number | undefined;
  readonly requestId: string | undefined;
}

function metadataOf(error: Error): Metadata {
  const metadata: unknown = '$metadata' in error ? error.$metadata : undefined;
  if (typeof metadata !== 'object' || metadata === null) return { httpStatusCode: undefined, requestId: undefined };
  const status = 'httpStatusCode' in metadata ? metadata.httpStatusCode : undefined;
  const id = 'requestId' in metadata ? metadata.requestId : undefined;
  return {
    httpStatusCode: typeof status === 'number' ? status : undefined,
    requestId: typeof id === 'string' ? id : undefined,
  };
}
