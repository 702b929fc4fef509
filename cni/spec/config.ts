/** The network configuration of a call, from standard input (SPEC.md, section 1 and "Deriving request configuration"). Pure. */
import { checkContainerId, checkIfName } from './command.ts';
import type { Attachment } from './command.ts';
import { CniError } from './errors.ts';
import { Fields, invalidField, isRecord } from './fields.ts';
import { parseResult } from './result.ts';
import type { CniResult } from './result.ts';
import { parsePortMappings, parseBandwidth, parsePodAnnotations } from './runtime-config.ts';
import type { Bandwidth, PodAnnotations, PortMapping } from './runtime-config.ts';
import { isSupportedVersion, negotiateVersion } from './version.ts';
import type { CniVersion } from './version.ts';

/** Standard input beyond this is refused: a configuration is a few KiB, and a frame must hold it. */
export const MAX_STDIN_BYTES = 512 * 1024;

/** Deeper JSON is refused, so that no parser's stack decides what is accepted. */
const MAX_NESTING = 200;

/** A validated network configuration. Keys that are not listed here belong to others and are left alone. */
export interface NetworkConfig {
  readonly cniVersion: CniVersion;
  readonly name: string;
  readonly type: string;
  /** Ours: where the daemon listens. */
  readonly socketPath: string | undefined;
  /** Ours: where deletions wait for the daemon. */
  readonly spoolDirectory: string | undefined;
  /** Ours: how long the binary waits for the daemon's answer. */
  readonly deadlineMs: number | undefined;
  /** The pod's MTU; the daemon's own setting where absent. The peer writes it as text (`"9001"`), which is read too. */
  readonly mtu: number | undefined;
  /** First letters of the host-side link's name, 1 to 4. The peer's key. */
  readonly vethPrefix: string | undefined;
  /** Capability `portMappings`. */
  readonly portMappings: readonly PortMapping[];
  /** Capability `bandwidth`. */
  readonly bandwidth: Bandwidth | undefined;
  /** Capability `io.kubernetes.cri.pod-annotations`; undefined where the runtime does not hand them over. */
  readonly podAnnotations: PodAnnotations | undefined;
  /** Result of the previous plugin (ADD) or of our own ADD (CHECK, DEL). */
  readonly prevResult: CniResult | undefined;
  /** GC: the attachments that are still valid; undefined where the key is absent. */
  readonly validAttachments: readonly Attachment[] | undefined;
}

/**
 * The JSON object on standard input, unread otherwise. The CNI binary needs no more than this.
 * @throws CniError `undecodable`
 */
export function decodeConfig(stdin: string): Readonly<Record<string, unknown>> {
  if (stdin.trim() === '')
    throw new CniError('undecodable', 'standard input is empty: a network configuration was expected');
  if (nestsDeeperThan(stdin, MAX_NESTING)) {
    throw new CniError('undecodable', `the network configuration is nested deeper than ${MAX_NESTING} levels`);
  }
  let value: unknown;
  try {
    value = JSON.parse(stdin);
  } catch (cause) {
    // The engines word their complaint differently; the place is told in words of our own.
    const start = stdin.trimStart().slice(0, 40);
    throw new CniError('undecodable', `standard input is not JSON; it begins ${JSON.stringify(start)}`, undefined, {
      cause,
    });
  }
  if (!isRecord(value)) throw new CniError('undecodable', 'the network configuration must be a JSON object');
  return value;
}

/** The version of a configuration, for error documents too; undefined where it is no text. */
export function configVersion(config: Readonly<Record<string, unknown>>): string | undefined {
  const version = config['cniVersion'];
  return typeof version === 'string' ? version : undefined;
}

/**
 * The whole configuration, for the daemon. What the runtime asks for (`runtimeConfig`) is read for ADD alone: no mistake in it may
 * keep a pod from being deleted.
 * @throws CniError `undecodable`, `incompatible-version`, or `invalid-config` with the key, the value and what is allowed
 */
export function parseConfig(stdin: string, options: { readonly isAdd?: boolean } = {}): NetworkConfig {
  const fields = new Fields(decodeConfig(stdin), '');
  const cniVersion = negotiateVersion(fields.text('cniVersion'));
  const runtimeConfig = options.isAdd === false ? new Fields({}, '') : fields.nested('runtimeConfig');
  return {
    cniVersion,
    ...parseNames(fields),
    ...parseClientKeys(fields),
    mtu: parseMtu(fields),
    vethPrefix: fields.text('vethPrefix', {
      matches: /^(?!eth|lo|vlan)[A-Za-z0-9_-]{1,4}$/,
      allowed: '1 to 4 letters, digits, "-" or "_", and not eth, lo or vlan',
    }),
    portMappings: parsePortMappings(runtimeConfig),
    bandwidth: parseBandwidth(runtimeConfig),
    podAnnotations: parsePodAnnotations(runtimeConfig),
    prevResult: parsePrevResult(fields, cniVersion),
    validAttachments: parseAttachments(fields),
  };
}

/** The keys that the binary itself needs. @throws CniError `invalid-config` */
export function parseClientKeys(fields: Fields): Pick<NetworkConfig, 'socketPath' | 'spoolDirectory' | 'deadlineMs'> {
  return {
    // sun_path of linux/un.h holds 108 bytes with the final NUL.
    socketPath: fields.text('socketPath', {
      matches: /^\/[\x20-\x7e]{1,106}$/,
      allowed: 'an absolute path of at most 107 ASCII characters',
    }),
    spoolDirectory: fields.text('spoolDirectory', {
      matches: /^\/[\x20-\x7e]{1,1023}$/,
      allowed: 'an absolute path of at most 1024 ASCII characters',
    }),
    deadlineMs: fields.integer('deadlineMs', { min: 100, max: 600_000 }),
  };
}

/** The names that the specification demands. @throws CniError `invalid-config` */
export function parseNames(fields: Fields): Pick<NetworkConfig, 'name' | 'type'> {
  const name = fields.text('name', {
    matches: /^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/,
    allowed: 'up to 255 letters, digits, "_", "." or "-", the first a letter or digit',
  });
  const type = fields.text('type', { matches: /^[^/\0]{1,255}$/, allowed: 'a file name of at most 255 characters' });
  if (name === undefined) throw new CniError('invalid-config', 'network configuration: name is missing');
  if (type === undefined) throw new CniError('invalid-config', 'network configuration: type is missing');
  return { name, type };
}

function parseMtu(fields: Fields): number | undefined {
  // 576 is the smallest datagram every IPv4 host accepts (RFC 1122 3.3.2), 9001 the largest frame in a VPC.
  const range = { min: 576, max: 9001 };
  return fields.isText('mtu') ? fields.integerText('mtu', range) : fields.integer('mtu', range);
}

function parsePrevResult(fields: Fields, cniVersion: CniVersion): CniResult | undefined {
  const raw = fields.raw('prevResult');
  if (raw === undefined || raw === null) return undefined;
  if (!isRecord(raw)) throw invalidField('prevResult', raw, 'a result object');
  const own = raw['cniVersion'];
  if (own !== undefined && !isSupportedVersion(own))
    throw invalidField('prevResult.cniVersion', own, 'a supported version');
  return parseResult(raw, own ?? cniVersion, 'prevResult');
}

function parseAttachments(fields: Fields): readonly Attachment[] | undefined {
  const list = fields.list('cni.dev/valid-attachments', 100_000);
  return list?.map((item, index) => {
    const path = `cni.dev/valid-attachments[${index}]`;
    if (!isRecord(item)) throw invalidField(path, item, 'an object {containerID, ifname}');
    const { containerID, ifname } = item as { readonly containerID?: unknown; readonly ifname?: unknown };
    if (typeof containerID !== 'string') throw invalidField(`${path}.containerID`, containerID, 'text');
    if (typeof ifname !== 'string') throw invalidField(`${path}.ifname`, ifname, 'text');
    return asConfigError(() => ({
      containerId: checkContainerId(containerID, `${path}.containerID`),
      ifName: checkIfName(ifname, `${path}.ifname`),
    }));
  });
}

/** The environment's checks serve the configuration too; only the code of their error differs. */
function asConfigError<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof CniError) throw new CniError('invalid-config', error.msg, error.details, { cause: error });
    throw error;
  }
}

/** Whether the brackets outside of strings go deeper than `limit`. Most texts have fewer brackets at all. */
function nestsDeeperThan(json: string, limit: number): boolean {
  if (json.split('[').length + json.split('{').length - 2 <= limit) return false;
  let depth = 0;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === '[' || token === '{') depth += 1;
    if (token === ']' || token === '}') depth -= 1;
    if (depth > limit) return true;
  }
  return false;
}
