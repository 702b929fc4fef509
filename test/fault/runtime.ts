/** The container runtime and the CNI binary: pods come and go, calls are repeated, given up and spooled. */
import { ProtocolError } from '#cni/protocol/errors.ts';
import { type Method, PROTOCOL_VERSION, type RequestEnvelope } from '#cni/protocol/messages.ts';
import { MULTI_NIC_ANNOTATION, MULTI_NIC_VALUE } from '#ipamd/cards/pod-interfaces.ts';
import { toWireError } from '#ipamd/server/to-cni-error.ts';
import { requestContext } from './daemon-process.ts';
import type { World } from './world.ts';

/** SPEC.md has no such code: the daemon's word for a bug of its own. */
const INTERNAL = 999;
/** As server/socket-server.ts. */
const ANSWER_MARGIN_MS = 250;

export type Phase =
  /** ADD is under way. */
  | 'adding'
  | 'running'
  /** ADD failed, or the node was rebooted; DEL comes. */
  | 'failed'
  | 'deleting'
  | 'gone';

export interface Pod {
  readonly id: string;
  readonly netns: string;
  /** Place in the order of arrival. */
  readonly order: number;
  phase: Phase;
  address: string | undefined;
  /** Its addresses on further network cards, in order; it wants them if it is `multi`. */
  further: readonly string[];
  readonly multi: boolean;
  /** Aborts the ADD that is under way. */
  adding: AbortController | undefined;
  /** The ledger was seen to have an address for it. */
  isSeen: boolean;
}

type Outcome =
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly code: number; readonly msg: string }
  | { readonly kind: 'unreachable' };

export class Runtime {
  readonly #world: World;
  readonly pods = new Map<string, Pod>();
  /** Deletions that the daemon has not seen, by container. */
  readonly spool = new Map<string, RequestEnvelope>();
  readonly #idle: (() => void)[] = [];
  #order = 0;
  /** Calls that are not answered. */
  open = 0;
  served = 0;
  refused = 0;

  constructor(world: World) {
    this.#world = world;
  }

  in(...phases: readonly Phase[]): readonly Pod[] {
    return [...this.pods.values()].filter(({ phase }) => phases.includes(phase));
  }

  add(deadlineMs: number, multi = this.#world.settings.hasCards && this.#order % 3 === 0): Pod {
    this.#order += 1;
    const id = `c${this.#order}`;
    const netns = `/run/netns/${id}`;
    const pod: Pod = {
      id,
      netns,
      order: this.#order,
      phase: 'adding',
      address: undefined,
      further: [],
      multi,
      adding: undefined,
      isSeen: false,
    };
    this.pods.set(id, pod);
    this.#world.kernel.namespaces.add(netns);
    void this.#add(pod, deadlineMs);
    return pod;
  }

  /** The runtime asks once more for a pod that runs. */
  async addAgain(pod: Pod): Promise<void> {
    const outcome = await this.#call('Add', pod, 30_000, new AbortController());
    if (pod.phase !== 'running') return;
    if (outcome.kind !== 'result') {
      // The link is made anew, so a failure may have taken it; the runtime gives such a pod up.
      pod.phase = 'failed';
      this.#later(pod, 10, 3000);
      return;
    }
    const [address, ...further] = addressesOf(outcome.result, pod.multi);
    // An address on a further card that a reboot or somebody else took may be made good.
    const isSame = address === pod.address && pod.further.every((each) => further.includes(each));
    pod.further = further;
    if (!isSame)
      this.#world.violate('same-address', `a repeated ADD of ${pod.id} got ${address}, not ${String(pod.address)}`);
  }

  hangUp(pod: Pod): void {
    this.#world.say(() => `the client of ${pod.id} hangs up`);
    pod.adding?.abort(new ProtocolError('unreachable', 'the client hung up'));
  }

  /** Tried until it succeeds; what the daemon cannot be asked is spooled. */
  async delete(pod: Pod, namespaceFirst = false): Promise<void> {
    if (pod.phase === 'deleting' || this.spool.has(pod.id)) return;
    pod.phase = 'deleting';
    if (namespaceFirst) this.#world.kernel.deleteNamespace(pod.netns);
    const outcome = await this.#call('Del', pod, 10_000, new AbortController());
    if (outcome.kind === 'result') this.deleted(pod.id);
    else if (outcome.kind === 'unreachable') {
      this.#world.say(() => `DEL of ${pod.id} is spooled`);
      this.spool.set(pod.id, this.#request('Del', pod, 10_000));
    } else {
      pod.phase = 'failed';
      this.#later(pod, 1000, 5000);
    }
  }

  /** Its deletion was answered, or a spooled one was carried out. */
  deleted(id: string): void {
    const pod = this.pods.get(id);
    if (pod === undefined) return;
    pod.phase = 'gone';
    this.#world.kernel.deleteNamespace(pod.netns);
  }

  /** A second DEL of what is gone. */
  async deleteAgain(pod: Pod): Promise<void> {
    const outcome = await this.#call('Del', pod, 10_000, new AbortController());
    if (outcome.kind === 'error' && this.#world.kernel.refusal === 0)
      this.#world.violate('idempotent', `a second DEL of ${pod.id} failed: ${outcome.msg}`);
  }

  /** Every container is dead; the runtime deletes them in its own time. */
  reboot(): void {
    for (const pod of this.in('adding', 'running', 'failed', 'deleting')) {
      if (this.spool.has(pod.id)) continue;
      pod.phase = 'failed';
      pod.address = undefined;
      pod.further = [];
      this.#later(pod, 100, 60_000);
    }
  }

  /** When no call is under way. */
  drained(): Promise<void> {
    if (this.open === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#idle.push(resolve));
  }

  async #add(pod: Pod, deadlineMs: number): Promise<void> {
    const { world, outcome } = { world: this.#world, outcome: await this.#attempt(pod, deadlineMs) };
    // The node was rebooted meanwhile.
    if (pod.phase !== 'adding') return;
    if (outcome.kind !== 'result') {
      pod.phase = 'failed';
      this.refused += 1;
      this.#later(pod, 10, 3000);
      return;
    }
    pod.phase = 'running';
    const [address, ...further] = addressesOf(outcome.result, pod.multi);
    pod.address = address;
    pod.further = further;
    this.served += 1;
    if (pod.multi !== pod.further.length > 0)
      world.violate('every-card', `${pod.id} was given ${[address, ...further].join(' and ')}`);
    const own = new Set([address, ...further]);
    const twin = this.in('running').find(
      (other) => other !== pod && [other.address, ...other.further].some((each) => each !== undefined && own.has(each)),
    );
    if (twin !== undefined) world.violate('unique', `${pod.id} and ${twin.id} were both given one of ${show(own)}`);
  }

  async #attempt(pod: Pod, deadlineMs: number): Promise<Outcome> {
    pod.adding = new AbortController();
    const outcome = await this.#call('Add', pod, deadlineMs, pod.adding);
    pod.adding = undefined;
    return outcome;
  }

  #later(pod: Pod, least: number, most: number): void {
    this.#world.scheduler.after(this.#world.dice.scale(least, most), () => {
      if (pod.phase === 'failed') void this.delete(pod, this.#world.dice.chance(0.2));
    });
  }

  async #call(method: Method, pod: Pod, deadlineMs: number, client: AbortController): Promise<Outcome> {
    const world = this.#world;
    const { daemon } = world;
    if (daemon?.core === undefined || !daemon.isServing || daemon.isStopping) return { kind: 'unreachable' };
    const request = this.#request(method, pod, deadlineMs);
    world.say(() => `${method} ${pod.id}`);
    this.open += 1;
    const late = world.scheduler.after(
      deadlineMs - ANSWER_MARGIN_MS,
      () => client.abort(new DOMException('the deadline has passed', 'TimeoutError')),
      daemon.life,
    );
    const { promise: ended, resolve: end } = Promise.withResolvers<Outcome>();
    const isOver = daemon.onEnd(() => end({ kind: 'unreachable' }));
    const answered = daemon.core.handle(request, requestContext(world, client.signal, request)).then(
      (result): Outcome => ({ kind: 'result', result }),
      (error: unknown): Outcome => ({ kind: 'error', ...toWireError(error) }),
    );
    const outcome = await Promise.race([answered, ended]);
    late.cancel();
    isOver();
    this.open -= 1;
    world.say(() => `${method} ${pod.id}: ${JSON.stringify(outcome)}`);
    if (outcome.kind === 'error') this.#judge(method, pod, outcome);
    if (this.open === 0) for (const resume of this.#idle.splice(0)) resume();
    return outcome;
  }

  #judge(method: Method, pod: Pod, { code, msg }: Extract<Outcome, { kind: 'error' }>): void {
    if (code === INTERNAL) this.#world.violate('no-internal-error', `${method} ${pod.id}: ${msg}`);
    if (msg === '') this.#world.violate('reason', `${method} ${pod.id} failed without a word`);
  }

  #request(method: Method, { id, netns, multi }: Pod, deadlineMs: number): RequestEnvelope {
    const env = {
      CNI_CONTAINERID: id,
      CNI_NETNS: netns,
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/opt/cni/bin',
      CNI_ARGS: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${id}`,
    };
    const annotations = { 'io.kubernetes.cri.pod-annotations': { [MULTI_NIC_ANNOTATION]: MULTI_NIC_VALUE } };
    const conf = { cniVersion: '1.0.0', name: 'wellspring', type: 'wellspring-cni' };
    const stdin = JSON.stringify(multi ? { ...conf, runtimeConfig: annotations } : conf);
    return { version: PROTOCOL_VERSION, method, id: `${method}-${id}`, deadlineMs, params: { env, stdin } };
  }
}

/** One for each interface, at least one; the two of a dual-stack pod with a blank between. */
function addressesOf(result: unknown, multi: boolean): [string, ...string[]] {
  const { ips } = result as { readonly ips: readonly { readonly address: string }[] };
  const all = ips.map(({ address }) => address.split('/')[0] ?? '');
  const [first = '', ...further] = multi ? all : [all.join(' ')];
  return [first, ...further];
}

function show(addresses: ReadonlySet<string>): string {
  return [...addresses].join(', ');
}
