/**
 * ANNOTATE_POD_IP: the annotation vpc.amazonaws.com/pod-ips says which addresses a pod has. Written after the ADD; cleared
 * after the DEL where it still says what the pod had, as the peer does.
 */
import type { PodReference } from '#warm-pool/model.ts';
import { ApiError, fieldsOf } from './api-error.ts';
import type { ApiServer } from './api-server.ts';
import { podFacts } from './objects.ts';
import type { Outbox } from './outbox.ts';

const ANNOTATION = 'vpc.amazonaws.com/pod-ips';
/** RFC 6901: `/` is written `~1`. */
const POINTER = `/metadata/annotations/${ANNOTATION.replace('/', '~1')}`;

export class PodAnnotations {
  readonly #api: ApiServer;
  readonly #outbox: Outbox;

  constructor(api: ApiServer, outbox: Outbox) {
    this.#api = api;
    this.#outbox = outbox;
  }

  set(pod: PodReference, addresses: readonly string[]): void {
    // The uid holds it back from another pod of this name: the API server refuses to change it (409).
    const uid = pod.uid === '' ? {} : { uid: pod.uid };
    const body = { metadata: { ...uid, annotations: { [ANNOTATION]: addresses.join(',') } } };
    this.#put(pod, 'application/merge-patch+json', body);
  }

  clear(pod: PodReference, addresses: readonly string[]): void {
    const uid = pod.uid === '' ? [] : [{ op: 'test', path: '/metadata/uid', value: pod.uid }];
    this.#put(pod, 'application/json-patch+json', [
      ...uid,
      { op: 'test', path: POINTER, value: addresses.join(',') },
      { op: 'replace', path: POINTER, value: '' },
    ]);
  }

  /** For what could not be written by an earlier process: one list, and a patch for each pod that says otherwise. */
  async catchUp(
    nodeName: string,
    pods: Iterable<{ readonly pod: PodReference; readonly addresses: readonly string[] }>,
    signal: AbortSignal,
  ): Promise<void> {
    const query = { fieldSelector: `spec.nodeName=${nodeName}`, resourceVersion: '0' };
    const { items } = fieldsOf(await this.#api.request({ method: 'GET', path: '/api/v1/pods', query, signal }));
    const facts = (Array.isArray(items) ? (items as readonly unknown[]) : []).map(podFacts);
    const said = new Map(facts.map((fact) => [`${fact?.namespace}/${fact?.name}`, fact]));
    for (const { pod, addresses } of pods) {
      const fact = said.get(`${pod.namespace}/${pod.name}`);
      if (fact === undefined || fact.annotations[ANNOTATION] === addresses.join(',')) continue;
      if (pod.uid === '' || fact.uid === pod.uid) this.set(pod, addresses);
    }
  }

  #put({ namespace, name, uid }: PodReference, contentType: string, body: unknown): void {
    if (namespace === '' || name === '') return;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
    this.#outbox.put({
      key: `pod/${namespace}/${name}/${uid}`,
      send: async (signal) => {
        try {
          await this.#api.request({ method: 'PATCH', path, body, contentType, signal });
        } catch (error) {
          if (!isSettled(error)) throw error;
        }
      },
    });
  }
}

/** The pod is gone (404), is another one (409, a changed uid), or somebody else's value stands there (422). */
function isSettled(error: unknown): boolean {
  return error instanceof ApiError && error.kind === 'refused' && [404, 409, 422].includes(error.status);
}
