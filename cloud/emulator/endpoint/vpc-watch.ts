import type { EC2Client } from '@aws-sdk/client-ec2';
import type { FabricSource } from '../fabric/follow.ts';
import type { FabricState } from '../fabric/state.ts';
import { describeVpc, fabricStateOf, type VpcSnapshot } from './snapshot.ts';
import { pause } from '../pause.ts';

export interface VpcWatchOptions {
  readonly client: EC2Client;
  readonly vpcId: string;
  /** Between the end of one look and the begin of the next. */
  readonly intervalMs: number;
  /** Gets what fails of a look; the next look tries again. */
  readonly onError: (error: unknown) => void;
}

/** Looks at a VPC of an EC2 endpoint again and again: the source of a fabric, and what metadata is answered from. */
export class VpcWatch implements FabricSource, AsyncDisposable {
  readonly #options: VpcWatchOptions;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  #seen: VpcSnapshot;
  #looking: Promise<void>;

  private constructor(options: VpcWatchOptions, first: VpcSnapshot) {
    this.#options = options;
    this.#seen = first;
    this.#looking = this.#look();
  }

  /** Has looked once when it resolves. Rejects as the SDK does. */
  static async start(options: VpcWatchOptions): Promise<VpcWatch> {
    const { client, vpcId } = options;
    return new VpcWatch(options, await describeVpc(client, vpcId, AbortSignal.timeout(DEADLINE_MS)));
  }

  /** As it was at the latest look. */
  get snapshot(): VpcSnapshot {
    return this.#seen;
  }

  read(): FabricState {
    return fabricStateOf(this.#seen);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { client, vpcId, intervalMs, onError } = this.#options;
    const { signal } = this.#stop;
    while (await pause(intervalMs, signal)) {
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
        const next = await describeVpc(client, vpcId, limit);
        const changed = JSON.stringify(fabricStateOf(next)) !== JSON.stringify(this.read());
        this.#seen = next;
        if (changed) for (const listener of this.#listeners) listener();
      } catch (error) {
        if (!signal.aborted) onError(error);
      }
    }
  }
}

const DEADLINE_MS = 30_000;
