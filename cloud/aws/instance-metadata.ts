import { Address4 } from 'ip-address';
import type { Clock } from '../decorate/clock.ts';
import { systemClock } from '../decorate/clock.ts';
import { CloudError } from '../errors.ts';
import type { InstanceIdentity, InstanceMetadata } from '../provider.ts';
import { MetadataClient, unreadable } from './metadata-client.ts';

/** The service's fixed address (EC2 user guide, "Use the Instance Metadata Service"). */
const DEFAULT_ENDPOINT = 'http://169.254.169.254';
const DEFAULT_ENDPOINT_IPV6 = 'http://[fd00:ec2::254]';
const DOCUMENT = 'dynamic/instance-identity/document';

export interface InstanceMetadataOptions {
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly timeoutMs?: number;
  readonly attempts?: number;
}

/**
 * The identity of this instance from IMDSv2 at AWS_EC2_METADATA_SERVICE_ENDPOINT, or at the fixed address (of IPv6 with
 * AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6). It takes nine requests; an answer that cannot be true is a `CloudError`
 * ('unavailable') that names its path.
 */
export function createInstanceMetadata(
  environment: Readonly<Record<string, string | undefined>>,
  options: InstanceMetadataOptions = {},
): InstanceMetadata {
  const endpoint = metadataEndpoint(environment);
  return {
    identity: async ({ signal } = {}) => {
      if (!URL.canParse(endpoint) || new URL(endpoint).protocol !== 'http:') {
        const message = `AWS_EC2_METADATA_SERVICE_ENDPOINT is ${JSON.stringify(endpoint)}, which is not an http:// address`;
        throw new CloudError('invalid', `/latest/${DOCUMENT}`, message);
      }
      using client = new MetadataClient({ clock: systemClock, random: Math.random, ...options, endpoint });
      return await readIdentity(new Reader(client, endpoint, signal));
    },
  };
}

/** Where the service is, by the variables that the AWS SDKs know. */
export function metadataEndpoint(environment: Readonly<Record<string, string | undefined>>): string {
  const mode = environment['AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE'];
  const fixed = mode?.toLowerCase() === 'ipv6' ? DEFAULT_ENDPOINT_IPV6 : DEFAULT_ENDPOINT;
  return environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] || fixed;
}

async function readIdentity(reader: Reader): Promise<InstanceIdentity> {
  const document = await reader.document();
  const primaryMac = (await reader.one('meta-data/mac', 'a MAC address', isMac)).toLowerCase();
  const interfacePath = (leaf: string): string => `meta-data/network/interfaces/macs/${primaryMac}/${leaf}`;
  return {
    ...document,
    primaryMac,
    primaryInterfaceId: await reader.one(interfacePath('interface-id'), 'an interface id', isId('eni')),
    subnetId: await reader.one(interfacePath('subnet-id'), 'a subnet id', isId('subnet')),
    subnetCidr: await reader.one(interfacePath('subnet-ipv4-cidr-block'), 'an IPv4 CIDR', isCidr),
    vpcId: await reader.one(interfacePath('vpc-id'), 'a VPC id', isId('vpc')),
    vpcCidrs: await reader.list(interfacePath('vpc-ipv4-cidr-blocks'), 'a list of IPv4 CIDRs', isCidr),
    securityGroupIds: await reader.list(interfacePath('security-group-ids'), 'a list of security groups', isId('sg')),
  };
}

type FromDocument = Pick<
  InstanceIdentity,
  'instanceId' | 'instanceType' | 'region' | 'availabilityZone' | 'primaryAddress'
>;

/** Reads paths one after the other and believes nothing that does not look right. */
class Reader {
  readonly #client: MetadataClient;
  readonly #endpoint: string;
  readonly #signal: AbortSignal | undefined;

  constructor(client: MetadataClient, endpoint: string, signal: AbortSignal | undefined) {
    this.#client = client;
    this.#endpoint = endpoint;
    this.#signal = signal;
  }

  async one(path: string, wanted: string, isRight: (text: string) => boolean): Promise<string> {
    const text = await this.#client.get(path, this.#signal);
    if (!isRight(text)) throw this.#garbage(path, wanted, text);
    return text;
  }

  async list(path: string, wanted: string, isRight: (text: string) => boolean): Promise<readonly string[]> {
    const text = await this.#client.get(path, this.#signal);
    const lines = text.split(/\s*\n\s*/);
    if (!lines.every(isRight)) throw this.#garbage(path, wanted, text);
    return lines;
  }

  async document(): Promise<FromDocument> {
    const text = await this.#client.get(DOCUMENT, this.#signal);
    const fields = parseObject(text);
    if (fields === undefined) throw this.#garbage(DOCUMENT, 'a JSON object', text);
    const field = (name: string, wanted: string, isRight: (value: string) => boolean): string => {
      const value = fields[name];
      if (typeof value === 'string' && isRight(value)) return value;
      throw this.#garbage(
        `${DOCUMENT} ${name}`,
        wanted,
        typeof value === 'string' ? value : (JSON.stringify(value) ?? ''),
      );
    };
    return {
      instanceId: field('instanceId', 'an instance id', isId('i')),
      instanceType: field('instanceType', 'an instance type', (value) => /^[a-z0-9-]+\.[a-z0-9-]+$/.test(value)),
      region: field('region', 'a region', isName),
      availabilityZone: field('availabilityZone', 'an availability zone', isName),
      primaryAddress: field('privateIp', 'an IPv4 address', isAddress),
    };
  }

  #garbage(path: string, wanted: string, got: string) {
    return unreadable(`/latest/${path}`, this.#endpoint, wanted, got);
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

const isMac = (text: string): boolean => /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text);
const isId =
  (prefix: string) =>
  (text: string): boolean =>
    text.startsWith(`${prefix}-`) && /^[a-z0-9-]+$/.test(text);
const isName = (text: string): boolean => /^[a-z0-9-]+$/.test(text);
const isAddress = (text: string): boolean => !text.includes('/') && Address4.isValid(text);
const isCidr = (text: string): boolean => text.includes('/') && Address4.isValid(text);
