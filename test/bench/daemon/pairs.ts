/** Pods that come and go by the thousand, each by an ADD and a DEL of the CNI binary. */
import { createHash } from 'node:crypto';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import { ours } from '../add/contestants.ts';
import type { Runtime } from '../runtime/runtime.ts';

const BATCH = 40;
const AT_A_TIME = 8;
/** A DEL is answered before the kernel has taken the link away: by the time its namespace is used again, that is done. */
const NAMESPACES = 4 * BATCH;

export interface PairsOptions {
  readonly runtime: Runtime;
  readonly node: ClusterNode;
  readonly signal: AbortSignal;
}

/** Makes pairs; every pod is another one to the daemon. Nothing is left of them. Throws where a command failed. */
export class Pairs implements AsyncDisposable {
  readonly #options: PairsOptions;
  readonly #sandboxes: readonly TestPod[];
  #made = 0;

  private constructor(options: PairsOptions, namespaces: readonly TestPod[]) {
    this.#options = options;
    this.#sandboxes = namespaces;
  }

  static async create(options: PairsOptions): Promise<Pairs> {
    const made: TestPod[] = [];
    for (let index = 0; index < NAMESPACES; index += 1) made.push(await options.node.createSandbox(`pair-${index}`));
    return new Pairs(options, made);
  }

  /** `onProgress` is told after each batch how many pairs were made. */
  async make(count: number, onProgress?: (done: number) => void): Promise<void> {
    const { signal } = this.#options;
    for (let done = 0; done < count;) {
      signal.throwIfAborted();
      const size = Math.min(BATCH, count - done);
      await this.#batch(size);
      done += size;
      onProgress?.(done);
    }
  }

  async #batch(size: number): Promise<void> {
    const { runtime, node } = this.#options;
    const who = ours('pairs', node);
    const pods = Array.from({ length: size }, () => this.#next());
    const adds = await runtime.batch(
      pods.map((pod) => who.add(pod)),
      AT_A_TIME,
    );
    const added = adds.calls.map((call, index) => who.added(pods[index] ?? NOBODY, call));
    const { calls } = await runtime.batch(
      added.map((one) => who.del(one)),
      AT_A_TIME,
    );
    const failed = calls.find(({ status }) => status !== 0);
    if (failed !== undefined) throw new Error(`DEL: ${failed.stdout}`);
  }

  #next(): TestPod {
    const sandbox = this.#sandboxes[this.#made % NAMESPACES] ?? NOBODY;
    this.#made += 1;
    const name = `pair-${this.#made}`;
    return { ...sandbox, name, containerId: createHash('sha256').update(name).digest('hex') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sandbox of this.#sandboxes) await this.#options.node.removeSandbox(sandbox);
  }
}

const NOBODY: TestPod = { name: '', containerId: '', netns: '' };
