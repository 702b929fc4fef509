/**
 * The way to EC2 and STS through an HTTP proxy, by the variables that curl and Go programs read. Instance metadata and
 * the EKS Pod Identity agent are link-local and are never asked through one (they are asked by other means than this).
 */
import type { AgentOptions } from 'node:https';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Upper case goes before lower case, except that `http_proxy` alone is safe where the process is a CGI script; it is none. */
const NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'] as const;

/** The SDK's own number of connections to one host. */
const MOST_CONNECTIONS = 50;

/**
 * Options for the agents of `node:http` and `node:https` that send what HTTP_PROXY and HTTPS_PROXY say through the proxy, except to the hosts of
 * NO_PROXY; `undefined` where there is no proxy.
 */
export function proxiedAgent(environment: Environment): AgentOptions | undefined {
  const found = NAMES.flatMap((name) => {
    const value = environment[name] || environment[name.toLowerCase()];
    return value === undefined || value === '' ? [] : [[name, value] as const];
  });
  if (!found.some(([name]) => name !== 'NO_PROXY')) return undefined;
  return { keepAlive: true, maxSockets: MOST_CONNECTIONS, proxyEnv: Object.fromEntries(found) };
}
