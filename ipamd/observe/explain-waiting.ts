/** Pods that wait for an address, and pods that waited in vain a while ago: what holds them up. */
import { CloudError } from '#cloud/errors.ts';
import { explain } from '#warm-pool/explain.ts';
import type { Explanation, WarmTargets } from '#warm-pool/model.ts';
import { planCards } from '#warm-pool/plan-cards.ts';
import type { Pool, Waiting } from '../pool.ts';
import type { CallReport } from '../cloud-stack.ts';
import { counted, explainAction } from './explain-action.ts';
import { fixOf, isHindrance } from './explain-fix.ts';

export interface WaitingAnswer {
  readonly kind: 'waiting';
  readonly namespace: string;
  readonly name: string;
  readonly containerId: string;
  readonly since: string;
  /** When its ADD ended without an address; null while it waits. */
  readonly gaveUpAt: string | null;
  /** 1 is who is served next; null for one that gave up. */
  readonly position: number | null;
  /** What the planner says of this moment. */
  readonly reasons: readonly Explanation[];
  readonly sentences: readonly string[];
  readonly fix: string;
}

interface Source {
  readonly pool: Pick<Pool, 'ledger' | 'circumstances' | 'lastCloudError'>;
  /** The latest EC2 calls, where they are known. */
  readonly calls?: () => Pick<CallReport, 'recent'>;
  readonly targets: WarmTargets;
}

/** `position` counts from 1 among those that wait. */
export function explainWaiting(one: Waiting, position: number, source: Source, now: number): WaitingAnswer {
  const { pool, targets } = source;
  const { pod, attachment, since, gaveUpAt } = one;
  const card = one.networkCardIndex ?? 0;
  const { actions, refusals } = planCards(pool.ledger, pool.circumstances(now), targets);
  const asked = [...pool.ledger.inFlight.values(), ...actions].filter(
    ({ kind, why }) => (kind === 'assign' || kind === 'create-interface') && isOnCard(why, card),
  );
  const held = refusals.filter((refusal) => isOnCard(refusal.why, card) && isHindrance(refusal));
  const reasons = [...held.map(({ why }) => why), ...asked.map(({ why }) => why)];
  const hindrance = held[0]?.why.reason;
  const refused = refusedCalls(source, now);
  return {
    kind: 'waiting',
    ...pod,
    containerId: attachment.containerId,
    since: iso(since),
    gaveUpAt: gaveUpAt === undefined ? null : iso(gaveUpAt),
    position: gaveUpAt === undefined ? position : null,
    reasons,
    sentences: [
      state(one, position),
      ...held.map(({ why }) => `${explain(why)} (${why.reason})`),
      ...asked.map((action) => `Under way: ${explainAction(action).does}. (${action.why.reason})`),
      ...refused,
      ...(pool.lastCloudError instanceof Error ? [`EC2's last refusal: ${pool.lastCloudError.message}`] : []),
    ],
    fix:
      permission(pool.lastCloudError) ??
      (hindrance === undefined ? remedy(one, asked.length > 0, refused.length > 0) : fixOf(hindrance)),
  };
}

function isOnCard({ inputs }: Explanation, card: number): boolean {
  return (inputs['networkCard'] ?? 0) === card;
}

function state({ since, gaveUpAt, networkCardIndex = 0 }: Waiting, position: number): string {
  const card = networkCardIndex === 0 ? '' : ` of network card ${networkCardIndex}`;
  if (gaveUpAt === undefined)
    return `It waits for an address${card} since ${iso(since)}, as number ${position} of the queue.`;
  return `Its ADD found no address${card} from ${iso(since)} to ${iso(gaveUpAt)} and failed; the runtime tries again with another container.`;
}

const LATELY_MS = 60_000;

/** Calls that are tried again have no last refusal yet, and are under way as far as the plan knows. */
function refusedCalls({ calls }: Source, now: number): readonly string[] {
  const lately = (calls?.().recent ?? []).filter(({ startedAt }) => startedAt > now - LATELY_MS);
  const failed = lately.filter(({ outcome }) => outcome !== 'ok');
  if (failed.length === 0) return [];
  const kinds = [...Map.groupBy(failed, ({ outcome }) => outcome)].map(
    ([outcome, group]) => `${outcome} ${group.length}`,
  );
  return [`Of ${counted(lately.length, 'EC2 call')} of the last minute ${failed.length} failed: ${kinds.join(', ')}.`];
}

/** EC2 names its permissions by its operations. */
function permission(error: unknown): string | undefined {
  if (!(error instanceof CloudError) || error.code !== 'denied') return undefined;
  const operation = error.operation.charAt(0).toUpperCase() + error.operation.slice(1);
  return `Allow ec2:${operation} to the IAM role that ipamd runs with.`;
}

function remedy({ gaveUpAt }: Waiting, asked: boolean, refused: boolean): string {
  if (asked && refused) return fixOf('cloud-back-off');
  if (asked) return 'Nothing: addresses are on their way.';
  return gaveUpAt === undefined
    ? "Look into ipamd's log: nothing is asked for, and nothing hinders it."
    : 'Nothing: what held it up is over.';
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
