/** Results of ADD: one internal form, written and read in the shape of each specification version. Pure. */
import { Fields, invalidField } from './fields.ts';
import type { JsonRecord } from './fields.ts';
import { isAtLeast } from './version.ts';
import type { CniVersion } from './version.ts';

export interface ResultInterface {
  readonly name: string;
  readonly mac?: string;
  /** Path of the namespace; absent for a link of the host. */
  readonly sandbox?: string;
  /** Written since 1.1.0. */
  readonly mtu?: number;
}

export interface ResultIp {
  /** With its prefix length: `10.0.0.7/32`. */
  readonly address: string;
  readonly gateway?: string;
  /** Index into `interfaces`. */
  readonly interface?: number;
}

export interface ResultRoute {
  readonly dst: string;
  readonly gw?: string;
  /** Written since 1.1.0, as are the others below. */
  readonly mtu?: number;
  readonly advmss?: number;
  readonly priority?: number;
  readonly table?: number;
  readonly scope?: number;
}

export interface ResultDns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** The result of one ADD, independent of the version in which it is written. */
export interface CniResult {
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: ResultDns;
}

/** The JSON document of a result in the shape of `version`, ready to print. Absent fields are left out. */
export function formatResult(result: CniResult, version: CniVersion): JsonRecord {
  const newest = isAtLeast(version, '1.1.0');
  return {
    cniVersion: version,
    interfaces: result.interfaces.map(({ name, mac, sandbox, mtu }) =>
      present({ name, mac, mtu: newest ? mtu : undefined, sandbox }),
    ),
    ips: result.ips.map((ip) =>
      present({
        version: isAtLeast(version, '1.0.0') ? undefined : ipVersion(ip.address),
        interface: ip.interface,
        address: ip.address,
        gateway: ip.gateway,
      }),
    ),
    routes: result.routes.map((route) => (newest ? present({ ...route }) : present({ dst: route.dst, gw: route.gw }))),
    dns: present({ ...result.dns }),
  };
}

/**
 * Reads a result that `formatResult`, or another plugin, wrote. `path` is its place in messages.
 * @throws CniError `invalid-config`
 */
export function parseResult(document: JsonRecord, version: CniVersion, path: string): CniResult {
  const fields = new Fields(document, path);
  const interfaces = fields.records('interfaces', 1024).map(parseInterface);
  const dns = fields.nested('dns');
  return {
    interfaces,
    ips: fields.records('ips', 4096).map((ip) => parseIp(ip, interfaces.length, version)),
    routes: fields.records('routes', 4096).map(parseRoute),
    dns: compact({
      nameservers: filled(dns.texts('nameservers', 64)),
      domain: dns.text('domain'),
      search: filled(dns.texts('search', 64)),
      options: filled(dns.texts('options', 64)),
    }),
  };
}

function parseInterface(fields: Fields): ResultInterface {
  const name = fields.text('name');
  if (name === undefined || name === '') throw invalidField(fields.path('name'), name, 'an interface name');
  return {
    name,
    ...compact({
      mac: fields.text('mac'),
      sandbox: fields.text('sandbox'),
      mtu: fields.integer('mtu', { min: 0, max: 0xffff_ffff }),
    }),
  };
}

function parseIp(fields: Fields, interfaceCount: number, version: CniVersion): ResultIp {
  const address = fields.text('address');
  if (address === undefined || !/^[0-9A-Fa-f:.]{2,45}\/\d{1,3}$/.test(address)) {
    throw invalidField(fields.path('address'), address, 'an address with its prefix length');
  }
  // Plugins of a later version leave it empty when the library writes their result in the shape of an earlier one.
  const stated = fields.text('version') ?? '';
  if (!isAtLeast(version, '1.0.0') && stated !== '' && stated !== ipVersion(address)) {
    throw invalidField(fields.path('version'), stated, `"${ipVersion(address)}", the version of ${address}`);
  }
  const index = fields.integer('interface', { min: 0, max: Math.max(0, interfaceCount - 1) });
  if (index !== undefined && interfaceCount === 0) {
    throw invalidField(fields.path('interface'), index, 'nothing, since there are no interfaces');
  }
  return { address, ...compact({ gateway: fields.text('gateway'), interface: index }) };
}

function parseRoute(fields: Fields): ResultRoute {
  const dst = fields.text('dst');
  if (dst === undefined || dst === '') throw invalidField(fields.path('dst'), dst, 'a destination');
  const range = { min: 0, max: 0xffff_ffff };
  return {
    dst,
    ...compact({
      gw: fields.text('gw'),
      mtu: fields.integer('mtu', range),
      advmss: fields.integer('advmss', range),
      priority: fields.integer('priority', range),
      table: fields.integer('table', range),
      scope: fields.integer('scope', { min: 0, max: 255 }),
    }),
  };
}

function ipVersion(address: string): '4' | '6' {
  return address.includes(':') ? '6' : '4';
}

function filled(list: readonly string[]): readonly string[] | undefined {
  return list.length === 0 ? undefined : list;
}

type Present<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined | ''> };

/** Without the keys whose value is undefined or empty text: runtimes write `"gateway": ""` for none. */
function compact<T extends object>(record: T): Present<T> {
  return present(record) as Present<T>;
}

function present(record: object): JsonRecord {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined && value !== ''));
}
