/** Has the EC2 agent started before the pool asks for anything, so that no pod waits for a process to start. */
import type { Clock } from '#cloud/decorate/clock.ts';
import type { Snapshot, WarmTargets } from '#warm-pool/model.ts';
import { plan } from '#warm-pool/plan.ts';
import type { Pool } from './pool.ts';

/** So many pods ahead. A burst is faster than the start of a process; pods that come one by one are not. */
const PODS_AHEAD = 3;

/** Whether a few more pods would make the planner ask the cloud for addresses. Pure. */
export function isGrowthNear(snapshot: Snapshot, targets: WarmTargets, now: number): boolean {
  const crowded = { ...snapshot, waiting: snapshot.waiting + PODS_AHEAD };
  return plan(crowded, targets, now).actions.some(({ kind }) => kind === 'assign' || kind === 'create-interface');
}

export interface GrowthAheadOptions {
  readonly pool: Pool;
  readonly targets: WarmTargets;
  readonly cloud: { readonly isReady: boolean; prepare(): void };
  readonly clock: Pick<Clock, 'soon' | 'wallTime'>;
}

/** Looks when a pod has got an address, or waits for one, and the agent does not run. */
export function prepareForGrowth({ pool, targets, cloud, clock }: GrowthAheadOptions): void {
  let before = 0;
  let scheduled = false;
  pool.onChange(() => {
    const demand = pool.ledger.attachments.size + pool.waiting;
    const more = demand > before;
    before = demand;
    if (!more || scheduled || cloud.isReady) return;
    scheduled = true;
    clock.soon(() => {
      scheduled = false;
      const now = clock.wallTime();
      if (!cloud.isReady && isGrowthNear(pool.snapshot(now), targets, now)) cloud.prepare();
    });
  });
}
