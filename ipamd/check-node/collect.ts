/** Collects the facts of this node: the only part of this folder that asks anybody. */
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import { openKernel } from '../datapath/kernel.ts';
import { collectCni } from './collect/cni-files.ts';
import { collectMetadata, collectPermissions } from './collect/cloud.ts';
import { collectDaemon } from './collect/daemon.ts';
import { probeFeatures } from './collect/features.ts';
import { hostKernel } from './collect/kernel.ts';
import { collectKubelet } from './collect/kubelet.ts';
import { legacyTables, readRuleset } from './collect/nft.ts';
import { collectSoftware } from './collect/software.ts';
import { collectSysctls } from './collect/sysctls.ts';
import { type DatapathFacts, FACTS_VERSION, type Known, type NodeFacts } from './facts.ts';
import type { KernelFacts } from './kernel-facts.ts';
import type { NftRuleset } from './nft-ruleset.ts';

export interface CollectOptions {
  /** Introspection socket. */
  readonly socket: string;
  /** Where the node's files are: `/`, or where a container has them mounted. */
  readonly root: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Of this program. */
  readonly version: string;
  /** Whether metadata and EC2 may be asked. */
  readonly asksCloud: boolean;
  readonly now: () => number;
  /** The node's network namespace where it is not this process's own. Metadata and EC2 are asked from here all the same. */
  readonly netns?: string;
}

const NOT_ASKED = { unknown: 'not asked (--no-cloud)' } as const;

/** Never rejects for what cannot be found out: that is a fact, too. Takes up to half a minute where nothing answers. */
export async function collectFacts(options: CollectOptions): Promise<NodeFacts> {
  const { environment, root, version, asksCloud, now, netns } = options;
  const metadata = asksCloud ? await collectMetadata(environment) : NOT_ASKED;
  const [kernelSide, legacy, features, software, cni, daemon, permissions, kubelet] = await Promise.all([
    kernelFacts(netns),
    legacyTables(),
    probeFeatures(),
    collectSoftware(root, netns),
    collectCni(cniPlaces(options)),
    collectDaemon(daemonPlaces(options)),
    asksCloud ? collectPermissions(metadata, { environment, version }) : NOT_ASKED,
    collectKubelet(root, netns),
  ]);
  return {
    factsVersion: FACTS_VERSION,
    takenAt: new Date(now()).toISOString(),
    version,
    kernelRelease: release(),
    kernel: kernelSide.kernel,
    nft: kernelSide.nft,
    legacyTables: legacy,
    sysctls: kernelSide.sysctls,
    features,
    software,
    cni,
    daemon,
    metadata,
    permissions,
    kubelet,
  };
}

function cniPlaces({ environment, root }: CollectOptions) {
  return {
    // ipamd's settings name what a container sees: no root goes before them.
    confDirectory: environment['HOST_CNI_CONFDIR_PATH'] || join(root, '/etc/cni/net.d'),
    binDirectory: environment['HOST_CNI_BIN_PATH'] || join(root, '/opt/cni/bin'),
    isWhole: root === '/',
  };
}

/** The daemon's own settings where this program is started as it is; its defaults otherwise. */
function daemonPlaces({ environment, socket }: Pick<CollectOptions, 'environment' | 'socket'>) {
  return {
    introspectSocket: socket,
    cniSocket: environment['WELLSPRING_SOCKET'] || join(dirname(socket), 'ipamd.sock'),
    stateDirectory: environment['WELLSPRING_STATE_DIRECTORY'] || '/var/lib/wellspring',
    spoolDirectory: environment['WELLSPRING_SPOOL_DIRECTORY'] || '/var/lib/wellspring/del-spool',
  };
}

/** The part of it that `trace` needs; no cloud is asked and nothing probed. */
export async function collectDatapath(options: Pick<CollectOptions, 'environment' | 'socket'>): Promise<DatapathFacts> {
  const [{ kernel, nft, sysctls }, legacy, daemon] = await Promise.all([
    kernelFacts(),
    legacyTables(),
    collectDaemon(daemonPlaces(options)),
  ]);
  return { kernel, sysctls, nft, legacyTables: legacy, daemon };
}

interface KernelSide {
  readonly kernel: Known<KernelFacts>;
  readonly nft: Known<NftRuleset>;
  readonly sysctls: Readonly<Record<string, string>>;
}

async function kernelFacts(netns?: string): Promise<KernelSide> {
  try {
    using kernel = await openKernel({ hostNetns: netns });
    const facts = hostKernel(kernel);
    const nft = known(() => readRuleset(kernel.nft));
    return { kernel: { value: facts }, nft, sysctls: collectSysctls(kernel, facts.links) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { kernel: { unknown: error.message }, nft: { unknown: error.message }, sysctls: {} };
  }
}

function known<T>(read: () => T): Known<T> {
  try {
    return { value: read() };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { unknown: error.message };
  }
}
