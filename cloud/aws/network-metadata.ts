/** The network of this node as IMDSv2 tells it (EC2 user guide, "Instance metadata categories", network/interfaces/macs). */
import { Address4, Address6 } from 'ip-address';
import { systemClock } from '../decorate/clock.ts';
import type { CloudError } from '../errors.ts';
import type { MetadataInterface, NetworkMetadata } from '../provider.ts';
import { type InstanceMetadataOptions, metadataEndpoint } from './instance-metadata.ts';
import { MetadataClient, unreadable } from './metadata-client.ts';

const MACS = 'meta-data/network/interfaces/macs/';

/** Connections and the session token are kept between the looks, so that a look costs no request but its own. */
export interface NetworkMetadataClient extends NetworkMetadata, Disposable {}

/** Errors are `CloudError`s that name the path; an answer that cannot be true is one ('unavailable'). */
export function createNetworkMetadata(
  environment: Readonly<Record<string, string | undefined>>,
  options: InstanceMetadataOptions = {},
): NetworkMetadataClient {
  const endpoint = metadataEndpoint(environment);
  let client: MetadataClient | undefined;
  const reader = (signal: AbortSignal | undefined): Reader => {
    client ??= new MetadataClient({ clock: systemClock, random: Math.random, ...options, endpoint });
    return new Reader(client, endpoint, signal);
  };
  return {
    macs: async ({ signal } = {}) => readMacs(reader(signal)),
    facts: async (mac, { signal } = {}) => {
      const from = reader(signal);
      return {
        securityGroupIds: await from.some(`${MACS}${mac}/security-group-ids`, 'a list of security groups', isId('sg')),
        vpcCidrs: await from.some(`${MACS}${mac}/vpc-ipv4-cidr-blocks`, 'a list of IPv4 CIDRs', isCidr),
      };
    },
    interfaces: async ({ signal } = {}) => {
      const from = reader(signal);
      const found: MetadataInterface[] = [];
      for (const mac of await readMacs(from)) {
        const one = await readInterface(from, mac);
        if (one !== undefined) found.push(one);
      }
      return found;
    },
    [Symbol.dispose]: () => client?.[Symbol.dispose](),
  };
}

/** A listing of directories: each ends in a slash. */
async function readMacs(from: Reader): Promise<readonly string[]> {
  const lines = await from.some(MACS, 'a list of MAC addresses', (line) => isMac(line.replace(/\/$/, '')));
  return lines.map((line) => line.replace(/\/$/, '').toLowerCase());
}

/** Undefined for an interface that went while it was read. */
async function readInterface(from: Reader, mac: string): Promise<MetadataInterface | undefined> {
  const path = (leaf: string): string => `${MACS}${mac}/${leaf}`;
  const id = await from.one(path('interface-id'), 'an interface id', isId('eni'));
  const subnetId = await from.one(path('subnet-id'), 'a subnet id', isId('subnet'));
  const vpcId = await from.one(path('vpc-id'), 'a VPC id', isId('vpc'));
  const deviceNumber = await from.one(path('device-number'), 'a number', isNumber);
  if (id === undefined || subnetId === undefined || vpcId === undefined || deviceNumber === undefined) return undefined;
  const [primaryAddress = '', ...secondaryAddresses] = await from.list(path('local-ipv4s'), 'IPv4 addresses', isIpv4);
  return {
    id,
    mac,
    subnetId,
    vpcId,
    deviceIndex: Number(deviceNumber),
    // Absent on instances with one network card.
    networkCardIndex: Number((await from.one(path('network-card'), 'a number', isNumber)) ?? '0'),
    subnetCidr: (await from.one(path('subnet-ipv4-cidr-block'), 'an IPv4 CIDR', isCidr)) ?? '',
    subnetIpv6Cidrs: await from.list(path('subnet-ipv6-cidr-blocks'), 'IPv6 CIDRs', isIpv6),
    primaryAddress,
    secondaryAddresses,
    ipv4Prefixes: await from.list(path('ipv4-prefix'), 'IPv4 prefixes', isCidr),
    ipv6Addresses: await from.list(path('ipv6s'), 'IPv6 addresses', isIpv6),
    ipv6Prefixes: await from.list(path('ipv6-prefix'), 'IPv6 prefixes', isIpv6),
    securityGroupIds: await from.list(path('security-group-ids'), 'a list of security groups', isId('sg')),
  };
}

/** Believes nothing that does not look right; what is not there is undefined or empty. */
class Reader {
  readonly #client: MetadataClient;
  readonly #endpoint: string;
  readonly #signal: AbortSignal | undefined;

  constructor(client: MetadataClient, endpoint: string, signal: AbortSignal | undefined) {
    this.#client = client;
    this.#endpoint = endpoint;
    this.#signal = signal;
  }

  async one(path: string, wanted: string, isRight: (text: string) => boolean): Promise<string | undefined> {
    const text = await this.#client.find(path, this.#signal);
    if (text !== undefined && !isRight(text)) throw this.#garbage(path, wanted, text);
    return text;
  }

  /** A list that is never empty where the service is well: what follows from an empty one would be wrong. */
  async some(path: string, wanted: string, isRight: (text: string) => boolean): Promise<readonly string[]> {
    const lines = await this.list(path, wanted, isRight);
    if (lines.length === 0) throw this.#garbage(path, wanted, '');
    return lines;
  }

  async list(path: string, wanted: string, isRight: (text: string) => boolean): Promise<readonly string[]> {
    const text = await this.#client.find(path, this.#signal);
    const lines = (text ?? '').split(/\s*\n\s*/).filter((line) => line !== '');
    if (text !== undefined && !lines.every(isRight)) throw this.#garbage(path, wanted, text);
    return lines;
  }

  #garbage(path: string, wanted: string, got: string): CloudError {
    return unreadable(`/latest/${path}`, this.#endpoint, wanted, got);
  }
}

const isMac = (text: string): boolean => /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text);
const isId =
  (prefix: string) =>
  (text: string): boolean =>
    text.startsWith(`${prefix}-`) && /^[a-z0-9-]+$/.test(text);
const isNumber = (text: string): boolean => /^\d{1,3}$/.test(text);
const isIpv4 = (text: string): boolean => !text.includes('/') && Address4.isValid(text);
const isCidr = (text: string): boolean => text.includes('/') && Address4.isValid(text);
const isIpv6 = (text: string): boolean => Address6.isValid(text);
