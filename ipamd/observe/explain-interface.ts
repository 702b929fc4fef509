/** Why an ENI is there, and what will become of it. */
import { explain } from '#warm-pool/explain.ts';
import type {
  Action,
  Explanation,
  InterfaceUse,
  NetworkInterface,
  Refusal,
  Snapshot,
  WarmTargets,
} from '#warm-pool/model.ts';
import { plan } from '#warm-pool/plan.ts';
import { counted, explainAction } from './explain-action.ts';
import { fixOf } from './explain-fix.ts';

export interface InterfaceOutlook {
  readonly outlook: 'unmanaged' | 'attaching' | 'leaving' | 'to-be-removed' | 'removed-later' | 'changing' | 'kept';
  /** The planner's reasons, where it has any. */
  readonly reasons: readonly Explanation[];
  readonly sentences: readonly string[];
  /** What to do; "Nothing." where the daemon does it. */
  readonly fix: string;
}

/** The planner's word on one interface at a time. */
export function outlookOf(use: InterfaceUse, snapshot: Snapshot, targets: WarmTargets, now: number): InterfaceOutlook {
  const { id, managed, phase } = use.networkInterface;
  const { actions, refusals } = plan(snapshot, targets, now);
  const underWay = snapshot.inFlight.filter((action) => names(action, id));
  const planned = actions.filter((action) => names(action, id));
  const changes = [...underWay, ...planned];
  if (!managed) {
    return {
      outlook: 'unmanaged',
      reasons: [],
      ...unmanaged(use.networkInterface),
    };
  }
  if (phase === 'draining' || underWay.some(isDeletion)) {
    return outlook('leaving', underWay, ['It is being removed.', ...changes.map(coded)]);
  }
  if (planned.some(isDeletion)) {
    return outlook('to-be-removed', planned, ['It is to be removed now.', ...planned.map(coded)]);
  }
  // One that waits for its /80 is not on its way out.
  const later = refusals.filter(({ why }) => why.inputs['interfaceId'] === id && why.reason !== 'ipv6-back-off');
  if (later.length > 0) return outlook('removed-later', later, later.map(delayed));
  if (phase === 'attaching') {
    return outlook('attaching', underWay, [
      'It is attached, but its link is not in use yet; no pod gets an address of it.',
    ]);
  }
  const said = changes.map(
    (action) =>
      `${underWay.includes(action) ? 'Under way' : 'To be done now'}: ${explainAction(action).does}. ${coded(action)}`,
  );
  const kept = whyKept(use, snapshot, targets, now);
  return outlook(changes.length > 0 ? 'changing' : 'kept', [...kept.because, ...changes], [...kept.sentences, ...said]);
}

function unmanaged({ efaOnly, networkCardIndex }: NetworkInterface): Pick<InterfaceOutlook, 'sentences' | 'fix'> {
  if (efaOnly === true) {
    return { sentences: ['It is EFA-only: it has no address, and takes a slot of its network card.'], fix: 'Nothing.' };
  }
  const sentence =
    'It is not managed by this daemon: it takes a slot of the instance, and its addresses are left alone.';
  const hint = networkCardIndex === 0 ? '' : ', and for a network card other than the first ENABLE_MULTI_NIC';
  const fix = `Nothing; should pods use it, remove its tag node.k8s.amazonaws.com/no_manage (and see MANAGE_UNTAGGED_ENI${hint}).`;
  return { sentences: [sentence], fix };
}

type Reasoned = Pick<Refusal, 'why'>;

function outlook(
  kind: InterfaceOutlook['outlook'],
  because: readonly Reasoned[],
  sentences: readonly string[],
): InterfaceOutlook {
  const reasons = because.map(({ why }) => why);
  const advice = reasons.map(({ reason }) => fixOf(reason)).find((fix) => fix !== 'Nothing.');
  return { outlook: kind, reasons, sentences, fix: advice ?? 'Nothing.' };
}

function coded({ why }: Reasoned): string {
  return `${explain(why)} (${why.reason})`;
}

/** The planner tells by contrast: what it would do were the interface not there. */
function whyKept(
  use: InterfaceUse,
  snapshot: Snapshot,
  targets: WarmTargets,
  now: number,
): { readonly because: readonly Reasoned[]; readonly sentences: readonly string[] } {
  const plainly = (sentence: string) => ({ because: [], sentences: [sentence] });
  const { id, isPrimary } = use.networkInterface;
  if (isPrimary) return plainly('It is kept: it is the primary ENI, which is part of the instance.');
  const alone = (use.ipv6 ?? []).reduce((sum, prefix) => sum + prefix.alone, 0);
  const assigned = use.blocks.reduce((sum, block) => sum + block.assigned, alone);
  if (assigned > 0)
    return plainly(`It is kept: ${counted(assigned, 'pod')} on this node ${assigned === 1 ? 'uses' : 'use'} it.`);
  const without: Snapshot = {
    ...snapshot,
    interfaces: snapshot.interfaces.filter(({ networkInterface }) => networkInterface.id !== id),
    cloudBackOffUntil: 0,
  };
  const growth = plan(without, targets, now).actions.find(
    ({ kind }) => kind === 'create-interface' || kind === 'assign' || kind === 'assign-ipv6-prefix',
  );
  if (growth === undefined) return plainly('It is kept: the planner has no reason to remove it now.');
  return { because: [growth], sentences: [`It is kept. Without it: ${coded(growth)}`] };
}

function delayed({ why, retryAt }: Refusal): string {
  return `${explain(why)} (${why.reason})${retryAt === undefined ? '' : ` The planner looks again at ${new Date(retryAt).toISOString()}.`}`;
}

function names(action: Action, id: string): boolean {
  return 'interfaceId' in action && action.interfaceId === id;
}

function isDeletion({ kind }: Action): boolean {
  return kind === 'delete-interface';
}
