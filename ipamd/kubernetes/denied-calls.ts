/** EC2 calls that were refused for lack of permission, as events on the node and on ipamd's own pod, as the peer has them. */
import { ApiError } from './api-error.ts';
import type { ApiServer } from './api-server.ts';
import type { Events } from './events.ts';
import type { Regarding } from './event-series.ts';
import { podFacts } from './objects.ts';
import type { Outbox } from './outbox.ts';

export interface DeniedCallsOptions {
  readonly api: ApiServer;
  readonly events: Events;
  readonly outbox: Outbox;
  /** MY_POD_NAME; `''`: not known. */
  readonly podName: string;
  readonly node: () => Regarding;
}

/** Where the peer and our chart run, should the service account not say. */
const USUAL_NAMESPACE = 'kube-system';

export class DeniedCalls {
  readonly #options: DeniedCallsOptions;
  #pod: Regarding | undefined;

  constructor(options: DeniedCallsOptions) {
    this.#options = options;
  }

  report(operation: string): void {
    const { outbox, podName, node } = this.#options;
    this.#say(node(), operation);
    if (podName === '') return;
    if (this.#pod !== undefined) this.#say(this.#pod, operation);
    else outbox.put({ key: `own-pod/${operation}`, send: (signal) => this.#lookUp(operation, signal) });
  }

  /** `kubectl describe` finds events by the uid of the pod. */
  async #lookUp(operation: string, signal: AbortSignal): Promise<void> {
    const { api, podName } = this.#options;
    const namespace = (await api.namespace()) ?? USUAL_NAMESPACE;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(podName)}`;
    try {
      const facts = podFacts(await api.request({ method: 'GET', path, signal }));
      this.#pod = { kind: 'Pod', namespace, name: podName, uid: facts?.uid ?? '' };
      this.#say(this.#pod, operation);
    } catch (error) {
      // Not where we looked for it: the event on the node says the same.
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }

  #say(regarding: Regarding, operation: string): void {
    this.#options.events.report({
      regarding,
      reason: 'MissingIAMPermissions',
      action: `ec2:${operation}`,
      message: `EC2 refused ec2:${operation}: the IAM role of this node or service account lacks the permission. Add it to the policy.`,
      type: 'Warning',
    });
  }
}
