/** What is wrong with the credentials of this node, in words that say what to do next. */
import { CloudError } from '../errors.ts';
import type { Environment } from './proxy.ts';
import { classify } from './map-errors.ts';

/** Credentials could not be had; nothing was sent to EC2. The message says where they were looked for and what to do. */
export class CredentialsUnavailable extends Error {
  /** `denied`: somebody said no, or there is nobody to ask. `unavailable`: no answer, or none that can be read. */
  readonly code: 'denied' | 'unavailable';

  constructor(code: 'denied' | 'unavailable', message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'CredentialsUnavailable';
    this.code = code;
  }
}

/** Refusals that tell of the credentials, not of what was asked for: others may be accepted. */
const REFUSED_CREDENTIALS: ReadonlySet<string> = new Set([
  'AuthFailure',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'InvalidToken',
  'RequestExpired',
  'UnrecognizedClientException',
]);

/** Whether EC2 refused because of the credentials that the call was signed with: it did nothing, and newer ones may help. */
export function refusesCredentials(error: unknown): boolean {
  return error instanceof CloudError && error.ec2Code !== undefined && REFUSED_CREDENTIALS.has(error.ec2Code);
}

type Source = 'keys' | 'profile' | 'web-identity' | 'container' | 'instance-role';

/** Where the SDK's default chain looks first, given these variables (AWS SDKs reference guide, "Credential provider chain"). */
export function sourceOf(environment: Environment): Source {
  const set = (name: string): boolean => (environment[name] ?? '') !== '';
  if (set('AWS_ACCESS_KEY_ID') && set('AWS_SECRET_ACCESS_KEY') && !set('AWS_PROFILE')) return 'keys';
  if (set('AWS_PROFILE')) return 'profile';
  if (set('AWS_WEB_IDENTITY_TOKEN_FILE') && set('AWS_ROLE_ARN')) return 'web-identity';
  if (set('AWS_CONTAINER_CREDENTIALS_FULL_URI') || set('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI')) return 'container';
  return 'instance-role';
}

function adviceFor(source: Source, environment: Environment): string {
  switch (source) {
    case 'keys':
      return 'check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN';
    case 'profile':
      return `check that the profile ${String(environment['AWS_PROFILE'])} of AWS_PROFILE is in AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE`;
    case 'web-identity':
      return (
        `check that the file ${String(environment['AWS_WEB_IDENTITY_TOKEN_FILE'])} is mounted, that the trust policy of ` +
        `${String(environment['AWS_ROLE_ARN'])} names this service account, and that STS can be reached`
      );
    case 'container':
      return (
        'check that the EKS Pod Identity agent runs on this node, and that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is mounted ' +
        'and its service account is associated with a role'
      );
    case 'instance-role':
      return environment['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true'
        ? 'AWS_EC2_METADATA_DISABLED=true forbids the instance role: unset it, or give the service account a role (IRSA or EKS Pod Identity)'
        : 'attach an instance profile whose role has the policy AmazonEKS_CNI_Policy and let this network namespace reach ' +
            'instance metadata (HttpPutResponseHopLimit), or give the service account a role (IRSA or EKS Pod Identity)';
    default:
      return source satisfies never;
  }
}

const SOUGHT: Readonly<Record<Source, string>> = {
  keys: 'the keys of the environment',
  profile: 'a profile of the shared configuration',
  'web-identity': 'the role of the service account (IRSA)',
  container: 'EKS Pod Identity',
  'instance-role': 'the role of the instance',
};

/** The meaning of what a credential provider threw. */
export function credentialsUnavailable(environment: Environment, cause: unknown): CredentialsUnavailable {
  const source = sourceOf(environment);
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const message = `no credentials from ${SOUGHT[source]}: ${textOf(error)}; ${adviceFor(source, environment)}`;
  return new CredentialsUnavailable(isSilence(error) ? 'unavailable' : 'denied', message, cause);
}

function textOf(error: Error): string {
  const text = (error.message.split('\n')[0] ?? '').trim();
  // A refusal of STS has its code for a name.
  const name = '$fault' in error && text !== '' ? `${error.name}: ` : '';
  return `${name}${text || error.name}`.replace(/[.;\s]+$/, '');
}

/** No answer, or one of the kind that passes: asking again may be enough. */
function isSilence(error: Error): boolean {
  if ('$fault' in error && '$metadata' in error) {
    const metadata: unknown = error.$metadata;
    const status =
      typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
        ? metadata.httpStatusCode
        : undefined;
    const code = classify({
      ec2Code: error.name,
      status: typeof status === 'number' ? status : undefined,
      message: error.message,
    });
    return code === 'unavailable' || code === 'throttled';
  }
  return (
    ['TimeoutError', 'AbortError'].includes(error.name) ||
    ('code' in error && typeof error.code === 'string' && /^(?:E[A-Z]+|ERR_PROXY_\w+)$/.test(error.code))
  );
}
