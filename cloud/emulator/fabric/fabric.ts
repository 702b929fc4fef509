import { existsSync } from 'node:fs';
import { difference } from './difference.ts';
import type { Namespace } from './iproute.ts';
import { ipBatch } from './iproute.ts';
import { createNamespace, deleteNamespaces, namespacesWith } from './namespaces.ts';
import { OBSERVE_IPV6_RULES, OBSERVE_ROUTER, parseRouter } from './observed.ts';
import type { RouterState } from './router.ts';
import { EMPTY_ROUTER } from './router.ts';
import type { FabricEndpoint, FabricState } from './state.ts';
import { EMPTY_STATE, INTERNET_ADDRESS, INTERNET_IPV6_ADDRESS } from './state.ts';
import type { Sysctls } from './sysctl.ts';
import { readSysctls, ROUTER_IPV6_SYSCTLS, ROUTER_SYSCTLS, writeSysctls } from './sysctl.ts';
import type { InternetSide } from './wanted.ts';
import { wantedRouter } from './wanted.ts';

export type { FabricEndpoint, FabricState, FabricSubnet } from './state.ts';
export { EC2_ENDPOINT_ADDRESS, INTERNET_ADDRESS, INTERNET_IPV6_ADDRESS, METADATA_ADDRESS } from './state.ts';

export interface FabricOptions {
  /** Begins the name of every namespace the fabric makes: a lower-case letter, then up to 10 of `a-z 0-9 -`. */
  readonly prefix: string;
  /** The namespace that becomes the VPC router, which must exist; by default the one this process runs in. */
  readonly routerNetns?: string;
  /** The internet's one host; its namespace is `<prefix><name>`. `false` makes a VPC without an internet gateway. */
  readonly internet?: { readonly name?: string; readonly address?: string; readonly ipv6Address?: string } | false;
  /** How long after `apply` first names a secondary interface its link appears, as on EC2; 0 by default. */
  readonly attachLinkDelayMs?: number;
  /** Gets what fails when a delayed link is due; needed with `attachLinkDelayMs`. */
  readonly onError?: (error: Error) => void;
}

/** A name that fits, with `inet` after it, into the 15 characters of a link's name. */
const PREFIX = /^[a-z][a-z0-9-]{0,10}$/;
const NODE_NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/;

/** A link may vanish under us (its namespace was deleted by someone else); what was read before is then read anew. */
const ATTEMPTS = 2;

/**
 * A VPC made of network namespaces: one per node, one for the internet, and the router between them.
 *
 * All methods may be called at any time; they take effect one after the other. The router's namespace serves one fabric
 * at a time. Needs CAP_NET_ADMIN there and CAP_SYS_ADMIN for the namespaces: root, or root in a user namespace
 * (isolate.ts). What fails rejects with a `FabricCommandError`, or a `RangeError` for a state that makes no sense.
 */
export class Fabric {
  readonly #prefix: string;
  readonly #router: Namespace;
  readonly #internet: InternetSide | undefined;
  readonly #attachLinkDelayMs: number;
  readonly #onError: (error: Error) => void;
  readonly #nodes = new Map<string, string>();
  /** When `apply` first named an interface, by `attachmentKey`; ms of the monotonic clock. */
  readonly #named = new Map<string, number>();
  #state: FabricState = EMPTY_STATE;
  #sysctls: Sysctls = {};
  /** Whether there may be rules of IPv6: at first there may be, of a killed run, unless the machine has no IPv6. */
  #hasIpv6Rules = existsSync('/proc/sys/net/ipv6');
  #due: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #disposed: Promise<void> | undefined;

  private constructor(options: FabricOptions) {
    this.#prefix = options.prefix;
    this.#router = options.routerNetns;
    this.#internet = internetSide(options);
    this.#attachLinkDelayMs = options.attachLinkDelayMs ?? 0;
    this.#onError = options.onError ?? raise;
  }

  /**
   * Makes the router and the internet side, with no node. Removes first what a killed run with the same prefix left
   * behind. A failure leaves nothing behind.
   */
  static async create(options: FabricOptions): Promise<Fabric> {
    if (!PREFIX.test(options.prefix))
      throw new RangeError(`the prefix ${JSON.stringify(options.prefix)} does not match ${PREFIX}`);
    if ((options.attachLinkDelayMs ?? 0) > 0 && options.onError === undefined) {
      throw new RangeError('attachLinkDelayMs needs onError: a link that appears later fails later');
    }
    const fabric = new Fabric(options);
    try {
      await fabric.#start();
      return fabric;
    } catch (error) {
      await allOf([() => Promise.reject(error), () => fabric[Symbol.asyncDispose]()]);
      throw error;
    }
  }

  /** The namespace of a node; throws a `RangeError` for an instance that is none. */
  nodeNamespace(instanceId: string): string {
    const namespace = this.#nodes.get(instanceId);
    if (namespace === undefined) throw new RangeError(`instance ${instanceId} is no node of the fabric`);
    return namespace;
  }

  /** The internet host's namespace and address; `undefined` without an internet gateway. */
  get internet(): InternetSide | undefined {
    return this.#internet;
  }

  /** Makes the namespace `<prefix><name>` and plugs in what the last applied state attaches to the instance. */
  addNode(instanceId: string, name: string): Promise<void> {
    return this.#serially(async () => {
      const namespace = `${this.#prefix}${name}`;
      if (!NODE_NAME.test(name))
        throw new RangeError(`the node name ${JSON.stringify(name)} does not match ${NODE_NAME}`);
      if (this.#nodes.has(instanceId)) throw new RangeError(`instance ${instanceId} is a node already`);
      await createNamespace(namespace);
      this.#nodes.set(instanceId, namespace);
      await this.#reconcile();
    });
  }

  /** Unplugs the node and removes its namespace. An instance that is no node is none afterwards either. */
  removeNode(instanceId: string): Promise<void> {
    return this.#serially(async () => {
      const namespace = this.#nodes.get(instanceId);
      if (namespace === undefined) return;
      this.#nodes.delete(instanceId);
      await this.#reconcile();
      await deleteNamespaces((await namespacesWith(namespace)).filter((each) => each === namespace));
    });
  }

  /**
   * Makes the kernel show `state`: reads what is there and changes only what differs. Interfaces of instances that are no
   * nodes (yet) wait for `addNode`. Resolves before the links that `attachLinkDelayMs` holds back.
   */
  apply(state: FabricState): Promise<void> {
    return this.#serially(async () => {
      this.#state = state;
      await this.#reconcile();
    });
  }

  /** Removes everything the fabric made and sets the router's sysctls back. Ends what was called before; idempotent. */
  [Symbol.asyncDispose](): Promise<void> {
    const begun = this.#last;
    this.#disposed ??= begun.then(() => this.#remove());
    return this.#disposed;
  }

  async #start(): Promise<void> {
    await this.#removeObjects();
    this.#sysctls = await readSysctls(this.#router, Object.keys(ROUTER_SYSCTLS));
    await writeSysctls(this.#router, ROUTER_SYSCTLS);
    await ipBatch(this.#router, ['link set dev lo up']);
    if (this.#internet !== undefined) await createNamespace(this.#internet.namespace);
    await this.#reconcile();
  }

  async #remove(): Promise<void> {
    clearTimeout(this.#due);
    this.#nodes.clear();
    await allOf([() => this.#removeObjects(), () => writeSysctls(this.#router, this.#sysctls)]);
  }

  /** The links first: a namespace that still has a process in it would keep its end of them. */
  async #removeObjects(): Promise<void> {
    const removeNamespaces = async (): Promise<void> => {
      const leftOver = await namespacesWith(this.#prefix);
      await deleteNamespaces(leftOver.filter((name) => name !== this.#router));
    };
    await allOf([() => this.#enact(EMPTY_ROUTER), removeNamespaces]);
  }

  async #reconcile(): Promise<void> {
    const endpoints = this.#arrived(this.#state.endpoints);
    const around = { prefix: this.#prefix, nodes: this.#nodes, internet: this.#internet };
    await this.#enact(wantedRouter({ ...this.#state, endpoints }, around));
  }

  async #enact(wanted: RouterState): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#enactOnce(wanted);
        return;
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  async #enactOnce(wanted: RouterState): Promise<void> {
    const withIpv6 = wanted.ipv6Rules.length > 0;
    if (withIpv6) await this.#forwardIpv6();
    const router = await ipBatch(this.#router, OBSERVE_ROUTER, { json: true });
    const asksIpv6 = withIpv6 || this.#hasIpv6Rules;
    const ipv6Rules = await ipBatch(this.#router, asksIpv6 ? OBSERVE_IPV6_RULES : [], { json: true, ipv6: true });
    const change = difference(parseRouter(router, ipv6Rules), wanted);
    await ipBatch(this.#router, change.removeIpv6Rules, { ipv6: true });
    await ipBatch(this.#router, change.remove);
    await Promise.all([...change.peers].map(([namespace, lines]) => ipBatch(namespace, lines)));
    await ipBatch(this.#router, change.add);
    await ipBatch(this.#router, change.addIpv6Rules, { ipv6: true });
    this.#hasIpv6Rules = withIpv6;
  }

  async #forwardIpv6(): Promise<void> {
    const keys = Object.keys(ROUTER_IPV6_SYSCTLS);
    if (keys.every((key) => key in this.#sysctls)) return;
    this.#sysctls = { ...this.#sysctls, ...(await readSysctls(this.#router, keys)) };
    await writeSysctls(this.#router, ROUTER_IPV6_SYSCTLS);
  }

  /** The interfaces whose links are there by now; sets the timer for the next of the others. */
  #arrived(endpoints: readonly FabricEndpoint[]): readonly FabricEndpoint[] {
    const now = performance.now();
    const keys = new Set(endpoints.map(attachmentKey));
    for (const key of this.#named.keys()) if (!keys.has(key)) this.#named.delete(key);
    for (const key of keys) if (!this.#named.has(key)) this.#named.set(key, now);
    const wait = (endpoint: FabricEndpoint): number =>
      endpoint.isPrimary ? 0 : (this.#named.get(attachmentKey(endpoint)) ?? now) + this.#attachLinkDelayMs - now;
    const waits = endpoints.map(wait).filter((ms) => ms > 0);
    clearTimeout(this.#due);
    if (waits.length > 0) this.#due = setTimeout(() => this.#reconcileLater(), Math.ceil(Math.min(...waits)));
    return endpoints.filter((endpoint) => wait(endpoint) <= 0);
  }

  #reconcileLater(): void {
    if (this.#disposed !== undefined) return;
    this.#serially(() => this.#reconcile()).catch((error: unknown) => {
      this.#onError(error instanceof Error ? error : new Error(String(error), { cause: error }));
    });
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    if (this.#disposed !== undefined) return Promise.reject(new Error('the fabric has been disposed of'));
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function internetSide(options: FabricOptions): InternetSide | undefined {
  if (options.internet === false) return undefined;
  const { name = 'inet', address = INTERNET_ADDRESS, ipv6Address = INTERNET_IPV6_ADDRESS } = options.internet ?? {};
  const namespace = `${options.prefix}${name}`;
  if (!/^[a-z0-9-]{1,15}$/.test(namespace))
    throw new RangeError(`${namespace} cannot be the name of a link (15 characters)`);
  return { namespace, address, ipv6Address };
}

function attachmentKey(endpoint: FabricEndpoint): string {
  return `${endpoint.id} ${endpoint.instanceId} ${endpoint.deviceIndex}`;
}

/** Does one step after the other, those after a failure too; rejects with the first failure, or with all of several. */
async function allOf(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('; '));
  if (failures.length === 1) throw failures[0];
}

function raise(error: Error): never {
  throw error;
}
