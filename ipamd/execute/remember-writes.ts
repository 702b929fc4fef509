/** A provider that remembers what it told the cloud, durably, and corrects what the cloud says by it. */
import { CloudError, type CloudErrorCode } from '#cloud/errors.ts';
import type { CloudProvider, NetworkInterfaceDescription, UnassignRequest } from '#cloud/provider.ts';
import { errorFields, type Log } from '../observe/log.ts';
import type { Journal } from '../store/journal.ts';
import { type OwnWrite, withWrites, youngWrites } from '../store/own-writes.ts';

/**
 * Whether the release took effect is unknown, or an earlier one did (`not-found` is about some of the addresses, not all):
 * a read that lists them may be older than it.
 */
const UNKNOWN: ReadonlySet<CloudErrorCode> = new Set(['unavailable', 'aborted', 'not-found']);

export interface OwnWritesOptions {
  readonly journal: Pick<Journal, 'append'>;
  readonly log: Log;
  readonly now: () => number;
  /** Those of an earlier run, oldest first. */
  readonly earlier: readonly OwnWrite[];
}

/** Union over `OwnWrite` without its time. */
type Told = OwnWrite extends infer W ? (W extends OwnWrite ? Omit<W, 'at'> : never) : never;

/** The writes that may still outrank a read. */
export class OwnWrites {
  readonly #options: OwnWritesOptions;
  #writes: readonly OwnWrite[];

  constructor(options: OwnWritesOptions) {
    this.#options = options;
    this.#writes = options.earlier;
  }

  get all(): readonly OwnWrite[] {
    return this.#writes;
  }

  /**
   * Counts at once, and after a crash when it resolves. A journal that cannot be written (it is reported there, too, by
   * whoever relies on it) does not undo what the cloud did, so this never rejects.
   */
  async note(told: Told): Promise<void> {
    await this.noteFirst(told).catch((error: unknown) =>
      this.#options.log.error(errorFields(error), 'what the cloud was told could not be written down'),
    );
  }

  /** The same of what the cloud is about to be told; rejects where it cannot be written down, and then must not be told. */
  async noteFirst(told: Told): Promise<void> {
    const at = this.#options.now();
    const write: OwnWrite = { at, ...told };
    this.#writes = [...youngWrites(this.#writes, at), write];
    await this.#options.journal.append({ kind: 'own-write', write });
  }

  /** The interface as this daemon created it, while that is fresh. */
  created(id: string): NetworkInterfaceDescription | undefined {
    for (const write of this.#writes) {
      if (write.kind === 'created' && write.networkInterface.id === id) return write.networkInterface;
    }
    return undefined;
  }
}

/** `provider` with its writes remembered in `writes` and its descriptions of interfaces corrected by them. */
export function withOwnWrites(provider: CloudProvider, writes: OwnWrites, now: () => number): CloudProvider {
  return {
    ...readsOf(provider, writes, now),
    ...blockWritesOf(provider, writes),
    ...interfaceWritesOf(provider, writes),
    describeSubnets: (request, options) => provider.describeSubnets(request, options),
    describeInstanceTypes: (request, options) => provider.describeInstanceTypes(request, options),
    modifyNetworkInterfaceAttribute: (request, options) => provider.modifyNetworkInterfaceAttribute(request, options),
    createTags: (request, options) => provider.createTags(request, options),
  };
}

function readsOf(
  provider: CloudProvider,
  writes: OwnWrites,
  now: () => number,
): Pick<CloudProvider, 'describeNetworkInterfaces'> {
  return {
    async describeNetworkInterfaces(request, options) {
      const told = writes.all;
      const young = youngWrites(told, now());
      // The answer may be as old as the question: what outranked it then does so however long it was on its way.
      const heard = () => [...young, ...writes.all.filter((write) => !told.includes(write))];
      try {
        return withWrites(await provider.describeNetworkInterfaces(request, options), heard(), request);
      } catch (error) {
        // A copy that has not heard of a new interface denies it.
        const known = isNotFound(error) ? withWrites([], heard(), request) : [];
        if (known.length > 0 && known.length === request.ids?.length) return known;
        throw error;
      }
    },
  };
}

type BlockWrites = Pick<
  CloudProvider,
  'assignPrivateIpAddresses' | 'unassignPrivateIpAddresses' | 'assignIpv6Addresses' | 'unassignIpv6Addresses'
>;

function blockWritesOf(provider: CloudProvider, writes: OwnWrites): BlockWrites {
  const assigning =
    (operation: 'assignPrivateIpAddresses' | 'assignIpv6Addresses'): BlockWrites['assignIpv6Addresses'] =>
    async (request, options) => {
      const { networkInterfaceId: interfaceId } = request;
      await writes.note({ kind: 'asked', interfaceId });
      const assigned = await provider[operation](request, options);
      await writes.note({ kind: 'assigned', interfaceId, ...assigned });
      return assigned;
    };
  const unassigning =
    (operation: 'unassignPrivateIpAddresses' | 'unassignIpv6Addresses'): BlockWrites['unassignIpv6Addresses'] =>
    async (request, options) => {
      const blocks = blocksOf(request);
      try {
        // Written or not sent: an assign that was written would bring the blocks back after a crash.
        await writes.noteFirst({ kind: 'unassigned', ...blocks });
        await provider[operation](request, options);
      } catch (error) {
        const unknown = error instanceof CloudError && UNKNOWN.has(error.code);
        await writes.note({ kind: unknown ? 'unassigned' : 'kept', ...blocks });
        throw error;
      }
      await writes.note({ kind: 'unassigned', ...blocks });
    };
  return {
    assignPrivateIpAddresses: assigning('assignPrivateIpAddresses'),
    unassignPrivateIpAddresses: unassigning('unassignPrivateIpAddresses'),
    assignIpv6Addresses: assigning('assignIpv6Addresses'),
    unassignIpv6Addresses: unassigning('unassignIpv6Addresses'),
  };
}

function interfaceWritesOf(
  provider: CloudProvider,
  writes: OwnWrites,
): Pick<
  CloudProvider,
  'createNetworkInterface' | 'attachNetworkInterface' | 'detachNetworkInterface' | 'deleteNetworkInterface'
> {
  return {
    async createNetworkInterface(request, options) {
      const networkInterface = await provider.createNetworkInterface(request, options);
      await writes.note({ kind: 'created', networkInterface });
      return networkInterface;
    },
    async attachNetworkInterface(request, options) {
      const answer = await provider.attachNetworkInterface(request, options);
      const { networkInterfaceId, instanceId, deviceIndex, networkCardIndex } = request;
      const networkInterface = writes.created(networkInterfaceId);
      if (networkInterface !== undefined) {
        const { attachmentId } = answer;
        const place = { attachmentId, instanceId, deviceIndex, networkCardIndex };
        const attachment = { ...place, deleteOnTermination: false, status: 'attached' } as const;
        await writes.note({ kind: 'attached', networkInterface, attachment });
      }
      return answer;
    },
    async detachNetworkInterface(request, options) {
      await provider.detachNetworkInterface(request, options);
      await writes.note({ kind: 'detached', attachmentId: request.attachmentId });
    },
    async deleteNetworkInterface(request, options) {
      await provider.deleteNetworkInterface(request, options);
      await writes.note({ kind: 'deleted', interfaceId: request.networkInterfaceId });
    },
  };
}

function blocksOf({ networkInterfaceId, addresses = [], prefixes = [] }: UnassignRequest) {
  return { interfaceId: networkInterfaceId, addresses, prefixes };
}

function isNotFound(error: unknown): boolean {
  return error instanceof CloudError && error.code === 'not-found';
}
