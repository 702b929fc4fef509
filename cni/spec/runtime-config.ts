/** Capability arguments that the runtime puts under `runtimeConfig` (CONVENTIONS.md, "Dynamic Plugin specific Fields"). Pure. */
import { invalidField, isRecord } from './fields.ts';
import type { Fields } from './fields.ts';

/** One published port. `hostIp` undefined: every address of the node. */
export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostIp: string | undefined;
}

/** Rates in bits per second, bursts in bits; an absent or zero rate is no limit. */
export interface Bandwidth {
  readonly ingressRate: number | undefined;
  readonly ingressBurst: number | undefined;
  readonly egressRate: number | undefined;
  readonly egressBurst: number | undefined;
}

/** containerd writes the names of its Go fields (`HostPort`, `IngressRate`), which plugins in Go read all the same. */
const MAPPING_KEYS = ['hostPort', 'containerPort', 'protocol', 'hostIP'];
const BANDWIDTH_KEYS = ['ingressRate', 'ingressBurst', 'egressRate', 'egressBurst'];

const PORT = { min: 1, max: 65_535 };
const BITS = { min: 0, max: Number.MAX_SAFE_INTEGER };

/**
 * Capability `portMappings`. An entry whose hostPort is 0 or absent publishes nothing and is left out, as the
 * specification's portmap plugin does.
 * @throws CniError `invalid-config`
 */
export function parsePortMappings(runtimeConfig: Fields): readonly PortMapping[] {
  return runtimeConfig.records('portMappings', 4096).flatMap((record) => {
    const entry = record.withKeys(MAPPING_KEYS);
    const hostPort = entry.integer('hostPort', { min: 0, max: PORT.max }) ?? 0;
    const containerPort = entry.integer('containerPort', PORT);
    if (containerPort === undefined)
      throw invalidField(entry.path('containerPort'), undefined, 'an integer of 1..65535');
    const protocol = (entry.text('protocol') ?? 'tcp').toLowerCase();
    if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
      throw invalidField(entry.path('protocol'), protocol, 'tcp, udp or sctp');
    }
    const hostIp = entry.text('hostIP');
    return hostPort === 0 ? [] : [{ hostPort, containerPort, protocol, hostIp: hostIp === '' ? undefined : hostIp }];
  });
}

/** Capability `bandwidth`, undefined where the runtime gave none. @throws CniError `invalid-config` */
export function parseBandwidth(runtimeConfig: Fields): Bandwidth | undefined {
  if ((runtimeConfig.raw('bandwidth') ?? undefined) === undefined) return undefined;
  const limits = runtimeConfig.nested('bandwidth').withKeys(BANDWIDTH_KEYS);
  return {
    ingressRate: limits.integer('ingressRate', BITS),
    ingressBurst: limits.integer('ingressBurst', BITS),
    egressRate: limits.integer('egressRate', BITS),
    egressBurst: limits.integer('egressBurst', BITS),
  };
}

/** Of the pod, by name. */
export type PodAnnotations = Readonly<Record<string, string>>;

/** containerd fills in the capability of this name (pkg/cri/annotations, `PodAnnotations`). */
const POD_ANNOTATIONS = 'io.kubernetes.cri.pod-annotations';

/** The pod's annotations, undefined where the runtime gave none. @throws CniError `invalid-config` */
export function parsePodAnnotations(runtimeConfig: Fields): PodAnnotations | undefined {
  const raw = runtimeConfig.raw(POD_ANNOTATIONS) ?? undefined;
  if (raw === undefined) return undefined;
  const path = runtimeConfig.path(POD_ANNOTATIONS);
  if (!isRecord(raw)) throw invalidField(path, raw, 'an object of texts');
  const entries = Object.entries(raw).map(([name, value]): [string, string] => {
    if (typeof value !== 'string') throw invalidField(`${path}.${name}`, value, 'text');
    return [name, value];
  });
  return Object.fromEntries(entries);
}
