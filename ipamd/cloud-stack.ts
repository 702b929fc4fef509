/** The daemon's cloud: the EC2 agent with the decorators about it, made when the region is known. */
import { Ec2Agent } from '#cloud/aws/agent/ec2-agent.ts';
import type { BudgetState } from '#cloud/decorate/call-budget.ts';
import type { CallLedger, CallRecord, CauseCount } from '#cloud/decorate/call-ledger.ts';
import type { CallObserver } from '#cloud/decorate/metrics.ts';
import { decorateForDaemon } from '#cloud/decorate/stack.ts';
import type { CloudProvider, InstanceIdentity } from '#cloud/provider.ts';
import { urgencyOf } from './call-urgency.ts';
import type { Config } from './config/config.ts';
import type { Log } from './observe/log.ts';

export interface CloudStackOptions {
  readonly config: Config;
  readonly observer: CallObserver;
  readonly version: string;
  readonly log: Log;
  /** ADDs that wait for an address now. */
  readonly waiting: () => number;
  /** The process that asks EC2 has ended: nothing is asked any more for now. */
  readonly onAgentEnded?: () => void;
}

/** What was asked of EC2, why, and how much may be asked. */
export interface CallReport {
  /** Oldest first. */
  readonly recent: readonly CallRecord[];
  readonly byCause: readonly CauseCount[];
  readonly budget: readonly BudgetState[];
}

interface Made {
  readonly region: string;
  readonly agent: Ec2Agent;
  readonly provider: CloudProvider;
  readonly ledger: CallLedger;
  readonly budget: () => readonly BudgetState[];
}

export class CloudStack implements AsyncDisposable {
  readonly #options: CloudStackOptions;
  #made: Made | undefined;

  constructor(options: CloudStackOptions) {
    this.#options = options;
  }

  /** One provider for each region; a node has one. */
  provider(identity: InstanceIdentity): CloudProvider {
    if (this.#made?.region === identity.region) return this.#made.provider;
    void this.#made?.agent[Symbol.asyncDispose]();
    this.#made = this.#make(identity.region);
    return this.#made.provider;
  }

  /** Whether a call would find the process that makes it. */
  get isReady(): boolean {
    return this.#made?.agent.pid !== undefined;
  }

  /** Calls are likely soon: the process that makes them is started, so that the first need not wait for it. */
  prepare(): void {
    this.#made?.agent.prepare();
  }

  calls(): CallReport {
    if (this.#made === undefined) return { recent: [], byCause: [], budget: [] };
    const { ledger, budget } = this.#made;
    return { recent: ledger.recent(), byCause: ledger.byCause(), budget: budget() };
  }

  #make(region: string): Made {
    const { config, observer, version, log, waiting, onAgentEnded } = this.#options;
    const agent = new Ec2Agent({
      region,
      ...(config.ec2Endpoint === '' ? {} : { endpoint: config.ec2Endpoint }),
      httpTimeoutSeconds: config.httpTimeoutSeconds,
      version,
      onEvent: (event) => {
        if (event.kind === 'failed')
          log.error(event, 'the process that asks EC2 is gone; the next call starts another');
        else log.debug(event, `the process that asks EC2 has ${event.kind}`);
        if (event.kind !== 'started') onAgentEnded?.();
      },
    });
    const decorated = decorateForDaemon(agent.provider, {
      observer,
      urgencyOf: ({ cause }) => urgencyOf(cause, waiting()),
    });
    return { region, agent, ...decorated };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#made?.agent[Symbol.asyncDispose]();
  }
}
