/**
 * The SDK's client and the credentials it signs with. Credentials come from the SDK's default chain; they can be handed
 * in from an earlier session, and be thrown away when EC2 refuses them.
 */
import { EC2Client } from '@aws-sdk/client-ec2';
import type { EC2ClientConfig } from '@aws-sdk/client-ec2';
import { checkAnswers } from './answer-check.ts';
import { credentialsUnavailable } from './credential-errors.ts';
import { type Environment, proxiedAgent } from './proxy.ts';

/** What requests are signed with. */
export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** Milliseconds since the Unix epoch; keys without it are good until somebody changes them. */
  readonly expiresAt?: number | undefined;
}

export interface SessionOptions {
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly version: string;
  readonly timeoutMs: number;
  readonly environment: Environment;
  /** Of an earlier session: used while they are good for five minutes more. */
  readonly keys?: Keys | undefined;
  /** Told of keys that the chain gave. Must not throw. */
  readonly onKeys?: ((keys: Keys) => void) | undefined;
}

/** The SDK, too, gets new keys when the old ones have no more than this left. */
const RENEW_BEFORE_MS = 300_000;

type Identity = Awaited<ReturnType<EC2Client['config']['credentials']>>;

/** One client after the other, over the same connections. */
export class Ec2Session implements Disposable {
  readonly #options: SessionOptions;
  readonly #config: EC2ClientConfig;
  #chain: () => Promise<Identity>;
  #client: EC2Client;
  #used: Keys | undefined;
  #renewing: Promise<boolean> | undefined;

  constructor(options: SessionOptions) {
    const { region, endpoint, version, timeoutMs, environment } = options;
    const agent = proxiedAgent(environment);
    this.#options = options;
    const chain = new EC2Client({
      region,
      ...(endpoint === undefined ? {} : { endpoint }),
      maxAttempts: 1,
      customUserAgent: [['wellspring', version]],
      requestHandler: {
        connectionTimeout: timeoutMs,
        requestTimeout: timeoutMs,
        throwOnRequestTimeout: true,
        ...(agent && { httpAgent: agent, httpsAgent: agent }),
      },
    });
    this.#chain = chain.config.credentials;
    this.#config = {
      region,
      ...(endpoint === undefined ? {} : { endpoint }),
      maxAttempts: 1,
      customUserAgent: [['wellspring', version]],
      requestHandler: chain.config.requestHandler,
    };
    this.#client = this.#newClient(options.keys);
  }

  get client(): EC2Client {
    return this.#client;
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }

  /**
   * Gets credentials anew, and answers whether they differ from those that `refused` signed with: then it is worth to
   * send again. Rejects with `CredentialsUnavailable`.
   */
  renew(refused: EC2Client): Promise<boolean> {
    if (refused !== this.#client) return Promise.resolve(true);
    this.#renewing ??= this.#renewNow().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #renewNow(): Promise<boolean> {
    const before = this.#used;
    // A new client has a memory of its own: what the old one took for good is asked for again.
    this.#chain = new EC2Client(this.#config).config.credentials;
    const { accessKeyId, sessionToken } = await this.#fromChain();
    if (accessKeyId === before?.accessKeyId && sessionToken === before.sessionToken) return false;
    this.#client = this.#newClient(undefined);
    return true;
  }

  #newClient(keys: Keys | undefined): EC2Client {
    const credentials = async (): Promise<Identity> => {
      if (keys?.expiresAt === undefined || keys.expiresAt - Date.now() <= RENEW_BEFORE_MS) return this.#fromChain();
      this.#used = keys;
      const { accessKeyId, secretAccessKey, sessionToken } = keys;
      const identity = { accessKeyId, secretAccessKey, expiration: new Date(keys.expiresAt) };
      return sessionToken === undefined ? identity : { ...identity, sessionToken };
    };
    const client = new EC2Client({ ...this.#config, credentials });
    checkAnswers(client);
    return client;
  }

  async #fromChain(): Promise<Identity> {
    const { environment, onKeys } = this.#options;
    try {
      const identity = await this.#chain();
      const { accessKeyId, secretAccessKey, sessionToken, expiration } = identity;
      this.#used = { accessKeyId, secretAccessKey, sessionToken, expiresAt: expiration?.getTime() };
      onKeys?.(this.#used);
      return identity;
    } catch (cause) {
      throw credentialsUnavailable(environment, cause);
    }
  }
}
