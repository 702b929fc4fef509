/** Hands a node back to amazon-vpc-cni-k8s. Works without a daemon, on the journal and the kernel, and refuses beside one. */
import { mkdir, readFile, rename } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { SmallMap } from '#warm-pool/small-map.ts';
import type { Config } from '../config/config.ts';
import { createKernelDatapath } from '../datapath/kernel-datapath.ts';
import { asDatapathError, openKernel, readLinks } from '../datapath/kernel.ts';
import { completeMarks } from '../datapath/marks.ts';
import { returnToPeer } from '../datapath/peer/return.ts';
import { hostConfigOf } from '../start/host-config.ts';
import { claim } from '../server/claim.ts';
import { decodeJournal, type JournalState, replay } from '../store/records.ts';
import { writeWhole } from '../store/write-whole.ts';
import { type BackPlan, planBack } from './back-plan.ts';

/** What would be done, or was. */
export interface BackAnswer {
  readonly done: boolean;
  readonly pods: readonly { readonly pod: string; readonly addresses: readonly string[]; readonly link: string }[];
  readonly obstacles: BackPlan['obstacles'];
  readonly checkpoints: readonly string[];
  /** Where the journal is now; undefined before. */
  readonly journal: string | undefined;
}

/** How to go back. `hostNetns`: path of the namespace to act on; this process's own if left out. */
export interface BackOptions {
  readonly config: Config;
  readonly yes: boolean;
  /** What may be lost. */
  readonly without: readonly string[];
  readonly hostNetns?: string | undefined;
}

/** There is no journal of a node to hand back. */
export class NoJournalError extends Error {}

/** Obstacles that nobody accepted leave everything as it is. Throws `DatapathError`, NoJournalError, ClaimError. */
export async function back({ config, yes, without, hostNetns }: BackOptions): Promise<BackAnswer> {
  const { stateDirectory, socketPath } = config;
  const path = join(stateDirectory, 'journal');
  await using _claim = yes
    ? await claim(join(stateDirectory, 'claim'), `an ipamd keeps its journal in ${stateDirectory}`)
    : nothing();
  await using _socket = yes ? await claim(`${socketPath}.claim`, `an ipamd serves ${socketPath}`) : nothing();
  const state = await readState(path);
  const plan = await planOf(state, config, hostNetns);
  const open = plan.obstacles.filter(({ accept }) => accept === undefined || !without.includes(accept));
  const files = [...plan.checkpoints.keys()].map((card) => checkpointPath(config.backingStore, card));
  const pods = plan.pods.map(({ addresses, peerIfName: link, hostIfName }) => ({
    pod: podOf(state, hostIfName),
    addresses,
    link,
  }));
  if (!yes || open.length > 0) return { done: false, pods, obstacles: open, checkpoints: files, journal: undefined };
  // First, so that whatever happens next the peer never takes an address of a pod for free.
  for (const [card, text] of plan.checkpoints) {
    const checkpoint = checkpointPath(config.backingStore, card);
    await mkdir(dirname(checkpoint), { recursive: true });
    await writeWhole(checkpoint, text, 0o600);
  }
  await apply(state, plan, config, hostNetns);
  const aside = `${path}.handed-back`;
  await rename(path, aside);
  return { done: true, pods, obstacles: [], checkpoints: files, journal: aside };
}

function nothing(): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => Promise.resolve() };
}

function podOf({ assignments }: JournalState, hostIfName: string): string {
  const pod = [...assignments.values()].find((stored) => stored.hostIfName === hostIfName)?.pod;
  return `${pod?.namespace ?? ''}/${pod?.name ?? ''}`;
}

async function readState(path: string): Promise<JournalState> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const state = replay(decodeJournal(text).records);
  if (state.identity === undefined) throw new NoJournalError(`${path} tells of no node`);
  return state;
}

async function planOf(state: JournalState, { vethPrefix }: Config, hostNetns: string | undefined): Promise<BackPlan> {
  await using datapath = await createKernelDatapath(hostNetns === undefined ? {} : { hostNetns });
  const branches = (await datapath.listBranchPods?.()) ?? [];
  using kernel = await openKernel({ hostNetns });
  const links = new Set(readLinks(kernel).map(({ name }) => name));
  return planBack(state, links, { vethPrefix, branches });
}

async function apply(
  state: JournalState,
  plan: BackPlan,
  config: Config,
  hostNetns: string | undefined,
): Promise<void> {
  if (state.identity === undefined) return;
  const { vethPrefix, connmark, eniMarkMask } = config;
  using kernel = await openKernel({ hostNetns });
  try {
    returnToPeer(kernel, completeMarks({ connmark, eniMarkMask }), {
      config: hostConfigOf(config, state.identity, { interfaces: SmallMap.empty }),
      vethPrefix,
      interfaces: plan.interfaces,
      pods: plan.pods,
    });
  } catch (error) {
    throw asDatapathError(error);
  }
}

/** The peer keeps one file for each network card: ipam.json, ipam-nic-1.json, ... */
export function checkpointPath(base: string, card: number): string {
  if (card === 0) return base;
  const extension = extname(base);
  return join(dirname(base), `${basename(base, extension)}-nic-${card}${extension}`);
}
