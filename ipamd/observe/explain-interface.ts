/** Why an ENI is there, and what will become of it. */
import { explain } from '#warm-pool/explain.ts';
import type { Action, InterfaceUse, Refusal, Snapshot, WarmTargets } from '#warm-pool/model.ts';
import { plan } from '#warm-pool/plan.ts';
import { counted, explainAction } from './explain-action.ts';

export interface InterfaceOutlook {
  readonly outlook: 'unmanaged' | 'attaching' | 'leaving' | 'to-be-removed' | 'removed-later' | 'changing' | 'kept';
  readonly sentences: readonly string[];
}

/** The planner's word on one interface at a time. */
export function outlookOf(use: InterfaceUse, snapshot: Snapshot, targets: WarmTargets, now: number): InterfaceOutlook {
  const { id, managed, phase } = use.networkInterface;
  const { actions, refusals } = plan(snapshot, targets, now);
  const underWay = snapshot.inFlight.filter((action) => names(action, id));
  const planned = actions.filter((action) => names(action, id));
  if (!managed) {
    return {
      outlook: 'unmanaged',
      sentences: [
        'It is not managed by this daemon: it takes a slot of the instance, and its addresses are left alone.',
      ],
    };
  }
  if (phase === 'draining' || underWay.some(isDeletion)) {
    return { outlook: 'leaving', sentences: ['It is being removed.', ...underWay.map(({ why }) => explain(why))] };
  }
  if (planned.some(isDeletion)) {
    return {
      outlook: 'to-be-removed',
      sentences: ['It is to be removed now.', ...planned.map(({ why }) => explain(why))],
    };
  }
  const later = refusals.filter(({ why }) => why.inputs['interfaceId'] === id);
  if (later.length > 0) return { outlook: 'removed-later', sentences: later.map(delayed) };
  if (phase === 'attaching') {
    return {
      outlook: 'attaching',
      sentences: ['It is attached, but its link is not in use yet; no pod gets an address of it.'],
    };
  }
  const changes = [...underWay, ...planned].map((action) => {
    const { does, sentence } = explainAction(action);
    return `${underWay.includes(action) ? 'Under way' : 'To be done now'}: ${does}. ${sentence}`;
  });
  const kept = whyKept(use, snapshot, targets, now);
  return { outlook: changes.length > 0 ? 'changing' : 'kept', sentences: [...kept, ...changes] };
}

/** The planner tells by contrast: what it would do were the interface not there. */
function whyKept(use: InterfaceUse, snapshot: Snapshot, targets: WarmTargets, now: number): readonly string[] {
  const { id, isPrimary } = use.networkInterface;
  if (isPrimary) return ['It is kept: it is the primary ENI, which is part of the instance.'];
  const assigned = use.blocks.reduce((sum, block) => sum + block.assigned, 0);
  if (assigned > 0)
    return [`It is kept: ${counted(assigned, 'pod')} on this node ${assigned === 1 ? 'uses' : 'use'} it.`];
  const without: Snapshot = {
    ...snapshot,
    interfaces: snapshot.interfaces.filter(({ networkInterface }) => networkInterface.id !== id),
    cloudBackOffUntil: 0,
  };
  const growth = plan(without, targets, now).actions.find(
    ({ kind }) => kind === 'create-interface' || kind === 'assign',
  );
  if (growth !== undefined) return [`It is kept. Without it: ${explain(growth.why)}`];
  return ['It is kept: the planner has no reason to remove it now.'];
}

function delayed({ why, retryAt }: Refusal): string {
  return `${explain(why)}${retryAt === undefined ? '' : ` The planner looks again at ${new Date(retryAt).toISOString()}.`}`;
}

function names(action: Action, id: string): boolean {
  return 'interfaceId' in action && action.interfaceId === id;
}

function isDeletion({ kind }: Action): boolean {
  return kind === 'delete-interface';
}
