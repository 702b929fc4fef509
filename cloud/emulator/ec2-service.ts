/** The EC2 face on a state of its own, or in front of another EC2: what `startCloud` listens with, and what it stands on. */
import type { RequestListener } from 'node:http';
import { inspect } from 'node:util';
import { Fronts } from '../behind/fronts.ts';
import { behindListener } from '../behind/listener.ts';
import { Upstream } from '../behind/upstream.ts';
import type { CallLog } from './call-log.ts';
import type { Control } from './control.ts';
import type { CredentialAuthority } from './credentials/authority.ts';
import { Ec2Face } from './ec2/face.ts';
import { ec2Listener } from './ec2/listener.ts';
import type { Region } from './region.ts';
import type { RegionPast } from './region-past.ts';
import { Regions } from './regions.ts';
import type { SwitchSettings, Switches } from './switches.ts';

export interface Ec2ServiceOptions {
  readonly region: string;
  readonly seed: number;
  readonly behind: URL | undefined;
  readonly switches: Switches;
  readonly log: CallLog;
  readonly authority: CredentialAuthority;
  readonly control: (region: Region) => Control;
}

/** Disposing of it ends what it holds open, not the listener's connections. */
export interface Ec2Service extends Disposable {
  readonly listener: RequestListener;
  /** Of the metadata face, the fabric, and clients that do not sign. */
  readonly region: Region;
  readonly past: RegionPast;
}

/** Rejects with an `Ec2Error` where the other EC2 does not answer. */
export function openEc2(options: Ec2ServiceOptions): Promise<Ec2Service> {
  return options.behind === undefined
    ? Promise.resolve(openAlone(options))
    : openBehind(options, new Upstream(options.behind));
}

function openAlone(options: Ec2ServiceOptions): Ec2Service {
  const { switches, log, authority } = options;
  const regions = new Regions({
    defaultName: options.region,
    seed: options.seed,
    now: Date.now,
    reachMs: () => reachOf(switches.settings),
    staleReadsMs: () => switches.settings.staleReadsMs,
  });
  const { region, past } = regions.default;
  const listener = ec2Listener({
    face: new Ec2Face({ switches, execute: (...call) => regions.execute(...call), onBug: reportBug }),
    control: options.control(region),
    log,
    authority,
    credentials: () => switches.settings.credentials,
    onBug: reportBug,
  });
  return { listener, region, past, [Symbol.dispose]: () => regions[Symbol.dispose]() };
}

async function openBehind(options: Ec2ServiceOptions, upstream: Upstream): Promise<Ec2Service> {
  const { switches, log } = options;
  using stack = new DisposableStack();
  stack.use(upstream);
  const fronts = stack.use(
    await Fronts.open({
      upstream,
      region: options.region,
      seed: options.seed,
      now: Date.now,
      warn: (text) => process.stderr.write(`wellspring-cloud: ${text}\n`),
      reachMs: () => reachOf(switches.settings),
      staleReadsMs: () => switches.settings.staleReadsMs,
    }),
  );
  const { region, past } = fronts.default;
  const listener = behindListener({
    upstream,
    fronts,
    face: new Ec2Face({ switches, execute: refuseToExecute, onBug: reportBug }),
    control: options.control(region),
    log,
    onBug: reportBug,
  });
  const open = stack.move();
  return { listener, region, past, [Symbol.dispose]: () => open.dispose() };
}

function refuseToExecute(): never {
  throw new TypeError('in front of another EC2 the fronts execute');
}

function reportBug(error: unknown): void {
  process.stderr.write(`wellspring-cloud: internal error: ${inspect(error)}\n`);
}

function reachOf({ staleReadsMs, metadataLagMs }: SwitchSettings): number {
  return Math.max(staleReadsMs, metadataLagMs);
}
