/**
 * EC2's reads may be behind its writes (EC2 API guide, "Eventual consistency"). The suite asks what its own writes made, so
 * whatever is asked of EC2 itself waits until the last write is old enough.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { EC2Client } from '@aws-sdk/client-ec2';
import type { CloudProvider } from '#cloud/provider.ts';
import type { Place } from '#test/conformance/cloud-provider/subject.ts';

/** See the file's comment. With 0 ms nothing waits. */
export class Settling {
  readonly #settleMs: number;
  #writtenAt = -Infinity;

  constructor(settleMs: number) {
    this.#settleMs = settleMs;
  }

  provider(provider: CloudProvider): CloudProvider {
    return new Proxy(provider, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        const call = method.bind(target) as (...args: readonly unknown[]) => Promise<unknown>;
        return (...args: readonly unknown[]) => this.#call(String(name), () => call(...args));
      },
    });
  }

  place(place: Place): Place {
    return {
      ...place,
      execute: (action, input) => this.#call(action, () => place.execute(action, input)),
      state: () => this.#call('describe', () => place.state()),
    };
  }

  /** What the SDK is asked beside the port. */
  send(client: EC2Client): EC2Client['send'] {
    const send = client.send.bind(client) as (command: object) => Promise<unknown>;
    const settled = (command: object) => this.#call(command.constructor.name, () => send(command));
    return settled as EC2Client['send'];
  }

  async #call<T>(name: string, call: () => Promise<T>): Promise<T> {
    for (;;) {
      const leftMs = this.#writtenAt + this.#settleMs - performance.now();
      if (leftMs <= 0) break;
      await pause(leftMs);
    }
    try {
      return await call();
    } finally {
      if (!/^describe/i.test(name)) this.#writtenAt = performance.now();
    }
  }
}
