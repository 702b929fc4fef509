/** The one error class of the cloud room, with codes named after what the caller must decide. */

export type CloudErrorCode =
  /** The subnet has no free address (InsufficientFreeAddressesInSubnet). */
  | 'subnet-exhausted'
  /** The subnet has free addresses but no free aligned /28 (InsufficientCidrBlocks). */
  | 'no-free-prefix'
  /** The instance can hold no more interfaces (AttachmentLimitExceeded). */
  | 'interface-limit'
  /** The interface can hold no more addresses (PrivateIpAddressLimitExceeded). */
  | 'address-limit'
  /** RequestLimitExceeded, Throttling. */
  | 'throttled'
  /** UnauthorizedOperation, AuthFailure and their kin. */
  | 'denied'
  /** Invalid...NotFound. */
  | 'not-found'
  /** InvalidNetworkInterface.InUse, DependencyViolation and their kin. */
  | 'in-use'
  /** The cloud refused the request as it stands; sending it again cannot help. */
  | 'invalid'
  /** No answer, a 5xx, or an answer that cannot be read. The call may or may not have taken effect. */
  | 'unavailable'
  /** The deadline passed or the caller gave up. The call may or may not have taken effect. */
  | 'aborted';

export type Retry = 'now' | 'later' | 'never';

const RETRY: Readonly<Record<CloudErrorCode, Retry>> = {
  'subnet-exhausted': 'later',
  'no-free-prefix': 'later',
  'interface-limit': 'never',
  'address-limit': 'never',
  throttled: 'later',
  denied: 'later',
  'not-found': 'never',
  'in-use': 'later',
  invalid: 'never',
  unavailable: 'now',
  aborted: 'later',
};

export class CloudError extends Error {
  readonly code: CloudErrorCode;
  /** The EC2 API call or metadata path that failed. */
  readonly operation: string;
  /** EC2's own error code where there was one, e.g. `InsufficientCidrBlocks`. */
  readonly ec2Code: string | undefined;
  readonly retry: Retry;

  constructor(
    code: CloudErrorCode,
    operation: string,
    message: string,
    options: { readonly ec2Code?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(`${operation}: ${message}`, { cause: options.cause });
    this.name = 'CloudError';
    this.code = code;
    this.operation = operation;
    this.ec2Code = options.ec2Code;
    this.retry = RETRY[code];
  }
}
