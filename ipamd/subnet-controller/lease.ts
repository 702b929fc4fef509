/**
 * One of several processes leads, by a Lease of the API server (coordination.k8s.io/v1). A lease is taken for dead when it has not changed
 * for its duration on our own clock: clocks of machines are not compared. Who cannot renew in time stops leading before others may begin.
 */
import type { Clock } from '#cloud/decorate/clock.ts';
import { ApiError, fieldsOf } from '../kubernetes/api-error.ts';
import type { ApiServer } from '../kubernetes/api-server.ts';

export interface LeaseOptions {
  readonly api: Pick<ApiServer, 'request'>;
  readonly namespace: string;
  readonly name: string;
  /** Who we are; no other process has the same. */
  readonly identity: string;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  /** Default 15 s, 10 s and 2 s, as of the controllers of Kubernetes. */
  readonly durationMs?: number;
  readonly renewWithinMs?: number;
  readonly retryMs?: number;
}

interface Seen {
  readonly version: string;
  readonly holder: string;
  readonly transitions: number;
}

/** Runs `lead` whenever this process leads, until `signal` ends it; `lead` must end soon after its own signal. */
export async function whileLeading(
  options: LeaseOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await acquired(options, signal);
    if (signal.aborted) return;
    const lost = new AbortController();
    const leading = AbortSignal.any([signal, lost.signal]);
    const renewing = renewed(options, leading).finally(() => lost.abort(new Error('no longer the leader')));
    try {
      await lead(leading);
    } finally {
      lost.abort(new Error('no longer the leader'));
      await renewing;
      await released(options);
    }
  }
}

async function acquired(options: LeaseOptions, signal: AbortSignal): Promise<void> {
  const { clock, durationMs = 15_000, retryMs = 2000, identity, onError } = options;
  let seen: { readonly key: string; readonly since: number } | undefined;
  while (!signal.aborted) {
    try {
      const lease = await read(options, signal);
      if (lease === undefined) return await create(options, signal);
      const key = `${lease.version}/${lease.holder}`;
      if (seen?.key !== key) seen = { key, since: clock.now() };
      const isFree = lease.holder === '' || lease.holder === identity || clock.now() - seen.since >= durationMs;
      if (isFree) return await take(options, lease, signal);
    } catch (error) {
      // Another was quicker: that is no failure.
      if (!signal.aborted && !(error instanceof ApiError && error.status === 409)) onError(error);
    }
    await clock.sleep(retryMs, signal);
  }
}

/** Resolves when the lease is lost, or could not be renewed in time. */
async function renewed(options: LeaseOptions, signal: AbortSignal): Promise<void> {
  const { clock, renewWithinMs = 10_000, retryMs = 2000, identity, onError } = options;
  let renewedAt = clock.now();
  while (!signal.aborted) {
    await clock.sleep(retryMs, signal);
    if (signal.aborted) return;
    const asked = clock.now();
    const left = renewedAt + renewWithinMs - asked;
    if (left <= 0) return;
    try {
      const within = AbortSignal.any([signal, clock.deadline(left)]);
      const lease = await read(options, within);
      if (lease?.holder !== identity) return;
      await patch(options, lease.version, { renewTime: microTime(clock), holderIdentity: identity }, within);
      renewedAt = asked;
    } catch (error) {
      if (!signal.aborted) onError(error);
    }
  }
}

/** Another need not wait for the duration. */
async function released(options: LeaseOptions): Promise<void> {
  const { clock, identity, onError } = options;
  try {
    const within = clock.deadline(2000);
    const lease = await read(options, within);
    if (lease?.holder === identity) await patch(options, lease.version, { holderIdentity: '' }, within);
  } catch (error) {
    onError(error);
  }
}

const collection = ({ namespace }: LeaseOptions): string =>
  `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;

async function read(options: LeaseOptions, signal: AbortSignal): Promise<Seen | undefined> {
  try {
    const lease = fieldsOf(
      await options.api.request({ method: 'GET', path: `${collection(options)}/${options.name}`, signal }),
    );
    const { resourceVersion } = fieldsOf(lease['metadata']);
    const { holderIdentity, leaseTransitions } = fieldsOf(lease['spec']);
    return {
      version: typeof resourceVersion === 'string' ? resourceVersion : '',
      holder: typeof holderIdentity === 'string' ? holderIdentity : '',
      transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
    };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

async function create(options: LeaseOptions, signal: AbortSignal): Promise<void> {
  const { name, namespace } = options;
  const body = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace },
    spec: ours(options, 0),
  };
  await options.api.request({ method: 'POST', path: collection(options), body, signal });
}

function take(options: LeaseOptions, { version, transitions }: Seen, signal: AbortSignal): Promise<void> {
  return patch(options, version, ours(options, transitions + 1), signal);
}

function ours({ identity, clock, durationMs = 15_000 }: LeaseOptions, leaseTransitions: number) {
  const time = microTime(clock);
  return {
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(durationMs / 1000),
    acquireTime: time,
    renewTime: time,
    leaseTransitions,
  };
}

/** Refused with 409 where somebody changed it since `version`. */
async function patch(options: LeaseOptions, version: string, spec: object, signal: AbortSignal): Promise<void> {
  await options.api.request({
    method: 'PATCH',
    path: `${collection(options)}/${options.name}`,
    contentType: 'application/merge-patch+json',
    body: { metadata: { resourceVersion: version }, spec },
    signal,
  });
}

/** metav1.MicroTime. */
function microTime(clock: Clock): string {
  return new Date(clock.wallTime()).toISOString().replace(/Z$/, '000Z');
}
