/**
 * The embedded cloud as one thing: a region, its EC2 face, its metadata face and its switches. Tests, the demo and the
 * command line start it here.
 */
import type { CallRecord } from './call-log.ts';
import { CallLog } from './call-log.ts';
import type { Change } from './change-log.ts';
import { ChangeLog } from './change-log.ts';
import { Control } from './control.ts';
import type { CredentialSettings } from './credentials/authority.ts';
import { CredentialAuthority } from './credentials/authority.ts';
import { podIdentityListener } from './credentials/pod-identity.ts';
import type { Ec2Action } from './ec2-actions.ts';
import { openEc2 } from './ec2-service.ts';
import type { Fault, ScriptedFault } from './faults.ts';
import type { ListenAddress, Listening } from './http-listen.ts';
import { listenHttp } from './http-listen.ts';
import type { Delay, Latency } from './latency.ts';
import { metadataListener } from './metadata/listener.ts';
import { findSubject } from './metadata/subject.ts';
import type { Region } from './region.ts';
import type { SwitchSettings } from './switches.ts';
import { stateOf } from './state-view.ts';
import { Switches } from './switches.ts';
import type { Throttling } from './throttle.ts';

export type { CallRecord } from './call-log.ts';
export type { Change, ResourceChange } from './change-log.ts';
export type { Fault, ScriptedFault } from './faults.ts';
export type { ListenAddress } from './http-listen.ts';
export type { CredentialSettings } from './credentials/authority.ts';
export { ListenError } from './http-listen.ts';
export type { Delay, Latency } from './latency.ts';
export type { SwitchSettings } from './switches.ts';
export type { BucketSize, Throttling } from './throttle.ts';
export { EC2_THROTTLING } from './throttle.ts';

export interface CloudOptions {
  /** The EC2 face; a free port of 127.0.0.1 by default. */
  readonly listen?: ListenAddress;
  /** Serves the EC2 face on this unix socket, too. */
  readonly socketPath?: string;
  /** The metadata face; absent where nobody asks for metadata. */
  readonly metadata?: MetadataAddress;
  /** `us-east-1` by default. */
  readonly region?: string;
  /** The same seed and the same calls give the same ids, addresses and delays. 1 by default. */
  readonly seed?: number;
  readonly latencyMs?: Delay;
  readonly throttling?: Throttling;
  readonly staleReadsMs?: number;
  readonly metadataLagMs?: number;
  readonly credentials?: CredentialSettings;
  /** Stands in front of this EC2 endpoint, e.g. a LocalStack: interfaces are ours, the rest is its (docs/behind.md). */
  readonly behind?: URL;
  /** Shown with the state: what the ids are called. */
  readonly names?: () => object;
  /** The EC2 face is served there as well. */
  readonly alsoListen?: readonly ListenAddress[];
  /** Called when somebody asks over HTTP that the cloud ends; where it is absent, nobody can. */
  readonly onDown?: () => void;
}

/** With `instanceId` every client is that instance; without it instances are told apart by their source address. */
export type MetadataAddress = ListenAddress & { readonly instanceId?: string };

/** A running embedded cloud; disposing of it closes its listeners and cuts their connections. */
export interface Cloud extends AsyncDisposable {
  /** The default region: of the metadata face and of clients that do not sign; others open as clients sign for them. */
  readonly region: Region;
  /** For `AWS_ENDPOINT_URL_EC2`. */
  readonly endpoint: string;
  /** For `AWS_EC2_METADATA_SERVICE_ENDPOINT`. */
  readonly metadataEndpoint: string | undefined;
  /** Opens one more metadata listener, e.g. for one instance of several on loopback. Throws `ListenError`. */
  serveMetadata(address: MetadataAddress): Promise<Listening>;
  /** Opens the EKS Pod Identity agent of a node: keys of a role for each token of a service account. Throws `ListenError`. */
  servePodIdentity(address: ListenAddress, associations: ReadonlyMap<string, string>): Promise<Listening>;
  /** Keys that exist in this account. */
  readonly authority: CredentialAuthority;
  setCredentials(settings: CredentialSettings): void;
  /** The latest calls of all faces, oldest first. */
  calls(): readonly CallRecord[];
  /** What has become of the region, oldest first; `after` leaves out the changes up to that number. */
  changes(after?: number): readonly Change[];
  /** Arms a fault for the next call (or so many next calls) of the action; `*` is any action. */
  failNext(action: Ec2Action | '*', fault: Fault & Pick<ScriptedFault, 'times'>): void;
  pendingFaults(): readonly ScriptedFault[];
  clearFaults(): void;
  /** Changes what is named and leaves the rest. */
  set(settings: Partial<SwitchSettings>): void;
  setLatency(latency: Latency): void;
  /** `undefined` switches throttling off; new settings start with full buckets. */
  setThrottling(throttling: Throttling | undefined): void;
  setStaleReads(milliseconds: number): void;
  setMetadataLag(milliseconds: number): void;
}

/** Starts an empty region with its faces. Throws `ListenError`; nothing is left open then. */
export async function startCloud(options: CloudOptions = {}): Promise<Cloud> {
  await using stack = new AsyncDisposableStack();
  const name = options.region ?? 'us-east-1';
  const seed = options.seed ?? 1;
  const switches = new Switches(seed, settingsOf(options));
  const log = new CallLog();
  const authority = new CredentialAuthority();
  const credentials = () => switches.settings.credentials;
  const changes = new ChangeLog();
  const { region, past, listener } = stack.use(
    await openEc2({
      region: name,
      seed,
      behind: options.behind,
      switches,
      log,
      authority,
      control: (opened) => {
        const state = () => ({ ...stateOf(opened), names: options.names?.() ?? {} });
        return new Control({ switches, log, changes, region: opened.name, state, onDown: options.onDown });
      },
    }),
  );
  stack.defer(changes.follow(region));
  const roleKeys = (id: string, now: number) => {
    const { instanceRole, lifetimeSeconds } = credentials();
    const keys = () => authority.currentFor(`${String(instanceRole)}/${id}`, lifetimeSeconds, now);
    return instanceRole === undefined ? undefined : { role: instanceRole, keys: keys() };
  };
  const serveMetadata = async (address: MetadataAddress): Promise<Listening> => {
    const { instanceId } = address;
    const describe = past.describe(() => switches.settings.metadataLagMs);
    const subjectOf = (source: string) =>
      findSubject(describe, name, instanceId === undefined ? { address: source } : { instanceId });
    return listenHttp(metadataListener({ subjectOf, log, roleKeys }), address);
  };
  const listening = stack.use(await listenHttp(listener, options.listen ?? { host: '127.0.0.1', port: 0 }));
  if (options.socketPath !== undefined) stack.use(await listenHttp(listener, { path: options.socketPath }));
  for (const address of options.alsoListen ?? []) stack.use(await listenHttp(listener, address));
  const metadata = options.metadata === undefined ? undefined : stack.use(await serveMetadata(options.metadata));
  const open = stack.move();
  return {
    region,
    endpoint: listening.endpoint,
    metadataEndpoint: metadata?.endpoint,
    serveMetadata: async (address) => open.use(await serveMetadata(address)),
    servePodIdentity: async (address, associations) => {
      const lifetimeSeconds = () => credentials().lifetimeSeconds;
      const listener = podIdentityListener({ authority, lifetimeSeconds, associations, log });
      return open.use(await listenHttp(listener, address));
    },
    authority,
    calls: () => log.records(),
    changes: (after) => changes.list(after),
    ...switchesFace(switches),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

function switchesFace(
  switches: Switches,
): Omit<
  Cloud,
  | 'region'
  | 'endpoint'
  | 'metadataEndpoint'
  | 'serveMetadata'
  | 'servePodIdentity'
  | 'authority'
  | 'calls'
  | 'changes'
  | typeof Symbol.asyncDispose
> {
  return {
    failNext: (action, fault) => switches.faults.arm({ ...fault, action }),
    pendingFaults: () => switches.faults.pending(),
    clearFaults: () => switches.faults.clear(),
    set: (settings) => switches.set(settings),
    setLatency: (latency) => switches.set({ latency }),
    setThrottling: (throttling) => switches.set({ throttling }),
    setStaleReads: (staleReadsMs) => switches.set({ staleReadsMs }),
    setMetadataLag: (metadataLagMs) => switches.set({ metadataLagMs }),
    setCredentials: (settings) => switches.set({ credentials: settings }),
  };
}

function settingsOf(options: CloudOptions): Partial<SwitchSettings> {
  return {
    ...(options.latencyMs === undefined ? {} : { latency: { default: options.latencyMs } }),
    ...(options.throttling === undefined ? {} : { throttling: options.throttling }),
    staleReadsMs: options.staleReadsMs ?? 0,
    metadataLagMs: options.metadataLagMs ?? 0,
    ...(options.credentials && { credentials: options.credentials }),
  };
}
