/** The daemon's cloud: the AWS adapter with its decorators, made when the region is known. */
import { createEc2ClientSend, type Ec2ClientSend } from '#cloud/aws/ec2-client.ts';
import { createEc2Provider } from '#cloud/aws/ec2-provider.ts';
import type { CallLedger, CallRecord } from '#cloud/decorate/call-ledger.ts';
import type { CallObserver } from '#cloud/decorate/metrics.ts';
import { decorateForDaemon } from '#cloud/decorate/stack.ts';
import type { CloudProvider, InstanceIdentity } from '#cloud/provider.ts';
import type { Config } from './config/config.ts';

export class CloudStack {
  readonly #config: Config;
  readonly #observer: CallObserver;
  readonly #version: string;
  #send: Ec2ClientSend | undefined;
  #made: { readonly region: string; readonly provider: CloudProvider; readonly ledger: CallLedger } | undefined;

  constructor(options: { readonly config: Config; readonly observer: CallObserver; readonly version: string }) {
    this.#config = options.config;
    this.#observer = options.observer;
    this.#version = options.version;
  }

  /** One provider for each region; a node has one. */
  provider(identity: InstanceIdentity): CloudProvider {
    if (this.#made?.region === identity.region) return this.#made.provider;
    this.#send?.[Symbol.dispose]();
    this.#send = createEc2ClientSend({
      region: identity.region,
      httpTimeoutSeconds: this.#config.httpTimeoutSeconds,
      version: this.#version,
    });
    const { provider, ledger } = decorateForDaemon(createEc2Provider(this.#send), { observer: this.#observer });
    this.#made = { region: identity.region, provider, ledger };
    return provider;
  }

  recentCalls(): readonly CallRecord[] {
    return this.#made?.ledger.recent() ?? [];
  }

  [Symbol.dispose](): void {
    this.#send?.[Symbol.dispose]();
  }
}
