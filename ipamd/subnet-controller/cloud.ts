/** EC2 for who looks at subnets: the daemon's own process for calls, with the daemon's budget, retries and deadlines. */
import { Ec2Agent } from '#cloud/aws/agent/ec2-agent.ts';
import type { ObservedCall } from '#cloud/decorate/metrics.ts';
import { decorateForDaemon } from '#cloud/decorate/stack.ts';
import type { CloudProvider } from '#cloud/provider.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface CloudOptions {
  readonly region: string;
  /** `''`: the region's own. */
  readonly endpoint: string;
  readonly version: string;
  readonly environment: Environment;
  readonly onCall?: (call: ObservedCall) => void;
}

/** Until it is disposed. */
export function openCloud(options: CloudOptions): AsyncDisposable & { readonly provider: CloudProvider } {
  const { region, endpoint, version, environment, onCall } = options;
  const agent = new Ec2Agent({
    region,
    ...(endpoint === '' ? {} : { endpoint }),
    version,
    environment: { ...environment, ...withoutAccount(endpoint, environment) },
  });
  const { provider } = decorateForDaemon(agent.provider, { observer: { observe: (call) => onCall?.(call) } });
  return { provider, [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose]() };
}

/** An emulator on this machine asks for a signature and knows no account; who named credentials keeps them. */
function withoutAccount(endpoint: string, environment: Environment): Environment {
  const isHere = /^https?:\/\/(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:|\/|$)/.test(endpoint);
  const hasOwn = Object.keys(environment).some((name) =>
    /^AWS_(ACCESS_KEY|PROFILE|WEB_IDENTITY|ROLE|CONTAINER)/.test(name),
  );
  return isHere && !hasOwn ? { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' } : {};
}
