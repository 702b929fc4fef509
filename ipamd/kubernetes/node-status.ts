/**
 * What this node says of itself on its Node object: the condition AddressShortage, and that the start-up taint is no longer
 * needed. Nothing is written while nothing is to be said.
 */
import { fieldsOf } from './api-error.ts';
import type { ApiServer } from './api-server.ts';
import { nodeFacts, type NodeFacts } from './objects.ts';
import type { Outbox } from './outbox.ts';

/** True while pods of this node wait for addresses or are refused; absent until that happened once. */
export const SHORTAGE_CONDITION = 'AddressShortage';
/** Put on new nodes by whoever makes them, so that no pod is sent there before ipamd serves. */
export const STARTUP_TAINT = 'wellspring.dev/not-ready';

export interface ShortageStatus {
  readonly isShort: boolean;
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

export class NodeStatus {
  readonly #api: ApiServer;
  readonly #outbox: Outbox;
  readonly #path: string;
  readonly #wallTime: () => number;

  constructor(options: {
    readonly api: ApiServer;
    readonly outbox: Outbox;
    readonly nodeName: string;
    readonly wallTime: () => number;
  }) {
    this.#api = options.api;
    this.#outbox = options.outbox;
    this.#path = `/api/v1/nodes/${encodeURIComponent(options.nodeName)}`;
    this.#wallTime = options.wallTime;
  }

  /** `since`: milliseconds since the epoch of the last change of `isShort`. */
  shortage({ isShort, reason, message }: ShortageStatus, since: number): void {
    this.#outbox.put({
      key: 'node/condition',
      send: async (signal) => {
        const condition = {
          type: SHORTAGE_CONDITION,
          status: isShort ? 'True' : 'False',
          reason,
          message,
          lastTransitionTime: new Date(since).toISOString(),
          lastHeartbeatTime: new Date(this.#wallTime()).toISOString(),
        };
        // A strategic merge: the other conditions are kubelet's, and stay.
        const contentType = 'application/strategic-merge-patch+json';
        const body = { status: { conditions: [condition] } };
        await this.#api.request({ method: 'PATCH', path: `${this.#path}/status`, body, contentType, signal });
      },
    });
  }

  /** Takes the start-up taint off, and leaves every other as it is. */
  removeStartupTaint(): void {
    this.#outbox.put({
      key: 'node/taint',
      send: async (signal) => {
        const node = nodeFacts(await this.#api.request({ method: 'GET', path: this.#path, signal }));
        if (node === undefined || !hasStartupTaint(node)) return;
        const taints = node.taints.filter(({ key }) => key !== STARTUP_TAINT).map(({ raw }) => fieldsOf(raw));
        const { version: resourceVersion } = node;
        const body = { metadata: { resourceVersion }, spec: { taints } };
        const contentType = 'application/merge-patch+json';
        // The version makes it fail (409) where somebody else changed the node in between; then it is read again.
        await this.#api.request({ method: 'PATCH', path: this.#path, body, contentType, signal });
      },
    });
  }
}

export function hasStartupTaint({ taints }: Pick<NodeFacts, 'taints'>): boolean {
  return taints.some(({ key }) => key === STARTUP_TAINT);
}
