import { CloudError } from '../errors.ts';
import type { CloudErrorCode } from '../errors.ts';

/** A refusal or a failure as it came off the wire, before it has a meaning. */
export interface Ec2Failure {
  /** EC2's error code; `undefined` where the answer held none that could be read. */
  readonly ec2Code: string | undefined;
  /** The HTTP status; `undefined` where there was no answer. */
  readonly status: number | undefined;
  readonly message: string;
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

/**
 * EC2 API reference, "Error codes for the Amazon EC2 API". Only codes whose meaning neither their form nor their HTTP
 * status tells.
 */
const BY_CODE: Readonly<Record<string, CloudErrorCode>> = {
  InsufficientFreeAddressesInSubnet: 'subnet-exhausted',
  InsufficientCidrBlocks: 'no-free-prefix',
  AttachmentLimitExceeded: 'interface-limit',
  PrivateIpAddressLimitExceeded: 'address-limit',
  Ipv6AddressLimitExceeded: 'address-limit',

  RequestLimitExceeded: 'throttled',
  BandwidthLimitExceeded: 'throttled',
  ResourceRateLimitExceeded: 'throttled',
  TooManyRequestsException: 'throttled',
  RequestThrottled: 'throttled',
  RequestThrottledException: 'throttled',
  ThrottledException: 'throttled',
  EC2ThrottledException: 'throttled',
  SlowDown: 'throttled',

  UnauthorizedOperation: 'denied',
  AuthFailure: 'denied',
  AccessDenied: 'denied',
  AccessDeniedException: 'denied',
  Blocked: 'denied',
  ExpiredToken: 'denied',
  ExpiredTokenException: 'denied',
  IncompleteSignature: 'denied',
  InvalidClientTokenId: 'denied',
  MissingAuthenticationToken: 'denied',
  NotAuthorized: 'denied',
  OptInRequired: 'denied',
  PendingVerification: 'denied',
  RequestExpired: 'denied',
  SignatureDoesNotMatch: 'denied',
  UnrecognizedClientException: 'denied',
  // The account's quota of interfaces, not the instance's limit: an operator can lift it, so it is worth asking again.
  NetworkInterfaceLimitExceeded: 'denied',

  // DescribeInstanceTypes says so of a type that does not exist.
  InvalidInstanceType: 'not-found',

  DependencyViolation: 'in-use',
  IncorrectState: 'in-use',
  IncorrectInstanceState: 'in-use',
  ConcurrentTagAccess: 'in-use',
  'Resource.AlreadyAssociated': 'in-use',

  InternalError: 'unavailable',
  InternalFailure: 'unavailable',
  ServiceUnavailable: 'unavailable',
  Unavailable: 'unavailable',
  RequestTimeout: 'unavailable',

  // A 403 that no permission cures: the interface belongs to an AWS service, or is the primary one.
  OperationNotPermitted: 'invalid',
};

const BY_FORM: readonly (readonly [RegExp, CloudErrorCode])[] = [
  [/\.NotFound$/, 'not-found'],
  [/InUse$/, 'in-use'],
  [/^Throttling/, 'throttled'],
];

/** EC2 names no code of its own for these: an InvalidParameterValue whose text alone says that the thing is not there. */
const ALREADY_UNASSIGNED = /not assigned to (the )?(network )?interface/i;
/** DeleteNetworkInterface of an attached interface: EC2 answers InvalidParameterValue or InvalidNetworkInterface.InUse. */
const CURRENTLY_IN_USE = /is currently in use/i;

/** The meaning of an EC2 error code and HTTP status. Total: every input has an answer. */
export function classify(failure: Pick<Ec2Failure, 'ec2Code' | 'status' | 'message'>): CloudErrorCode {
  const { ec2Code, status } = failure;
  if (ec2Code !== undefined) {
    if (Object.hasOwn(BY_CODE, ec2Code)) return BY_CODE[ec2Code] ?? 'invalid';
    const form = BY_FORM.find(([pattern]) => pattern.test(ec2Code));
    if (form !== undefined) return form[1];
    if (ec2Code === 'InvalidParameterValue' && ALREADY_UNASSIGNED.test(failure.message)) return 'not-found';
    if (ec2Code === 'InvalidParameterValue' && CURRENTLY_IN_USE.test(failure.message)) return 'in-use';
  }
  if (status === undefined || status >= 500) return 'unavailable';
  if (status === 429) return 'throttled';
  if (status === 401 || status === 403) return 'denied';
  // An answer with no code that can be read says nothing about the request: a proxy, a load balancer, a broken body.
  return ec2Code !== undefined && status >= 400 ? 'invalid' : 'unavailable';
}

/** The error of a call that EC2, or the way to it, made fail. The message keeps EC2's code, text and request id. */
export function cloudErrorFrom(operation: string, failure: Ec2Failure): CloudError {
  const { ec2Code, status, message, requestId, cause } = failure;
  const what = ec2Code ?? (status === undefined ? undefined : `HTTP ${String(status)}`);
  const id = requestId === undefined ? '' : ` (request id ${requestId})`;
  const text = what === undefined ? `${message}${id}` : `${what}: ${message}${id}`;
  return new CloudError(classify(failure), operation, text, { ec2Code, cause });
}

/** The error of a call that the caller gave up. */
export function abortedError(operation: string, signal: AbortSignal | undefined): CloudError {
  const reason: unknown = signal?.reason;
  const why = reason instanceof Error ? reason.message : typeof reason === 'string' ? reason : 'the caller gave up';
  return new CloudError('aborted', operation, `given up before EC2 answered: ${why}`, { cause: reason });
}
