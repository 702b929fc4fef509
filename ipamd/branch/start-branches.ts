/** Branch pods of a node that starts: journal and kernel are compared, and what is left of pods that are no more goes. */
import { addressesOf } from '#warm-pool/ledger.ts';
import type { Datapath, KeptPod } from '../datapath/datapath.ts';
import { errorFields, type Log } from '../observe/log.ts';
import type { Journal } from '../store/journal.ts';
import type { JournalState, StoredBranch } from '../store/records.ts';
import { recoverBranches } from './recover-branches.ts';

export interface StartBranches {
  readonly state: JournalState;
  readonly bootId: string;
  readonly datapath: Datapath;
  readonly journal: Journal;
  readonly log: Log;
  readonly now: number;
}

/** The pods that run. Rejects where journal or kernel cannot be asked. */
export async function startBranches(from: StartBranches): Promise<readonly StoredBranch[]> {
  const { state, bootId, datapath, journal, log, now } = from;
  const kernelPods = (await datapath.listBranchPods?.()) ?? [];
  if (kernelPods.length === 0 && state.branches.size === 0) return [];
  const { kept, adopted, gone, remains } = recoverBranches(state, kernelPods, { bootId, now });
  const say = (kind: string, stored: StoredBranch): void =>
    log.warn({ kind, address: stored.address, vlan: stored.branch.vlanId }, 'journal and kernel disagree');
  for (const stored of gone) say('branch-pod-gone', stored);
  for (const stored of adopted) say('branch-pod-adopted-from-kernel', stored);
  await journal.append(
    ...gone.map(({ attachment }) => ({ kind: 'branch-gone', attachment }) as const),
    ...adopted.map((assignment) => ({ kind: 'branch', assignment }) as const),
  );
  for (const hostIfName of remains) {
    await datapath
      .deletePod({ hostIfName, addresses: [] })
      .catch((error: unknown) =>
        log.error(
          { link: hostIfName, ...errorFields(error) },
          'what is left of a pod that is no more cannot be removed',
        ),
      );
  }
  await datapath.keepPods?.(kept.map(keptPod));
  return kept;
}

/** For the repair of drift. Its ENI is none of the pool's. */
function keptPod(stored: StoredBranch): KeptPod {
  const { attachment, hostIfName, portMappings, branch } = stored;
  const { containerId, ifName } = attachment;
  const named = { containerId, ifName, hostIfName, addresses: addressesOf(stored), branch, place: undefined };
  return portMappings === undefined ? named : { ...named, portMappings };
}
