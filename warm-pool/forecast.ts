/**
 * Thinks a pool through to its end: plans, takes the effects as given, plans again, lets time go by, until nothing is
 * left to do. Pure; run on the live ledger it answers "what would you do under these settings?" without doing it.
 */

import { ipv4 } from './address.ts';
import { blocksIn, ipv6PrefixIn, withEffect } from './effects.ts';
import { assign, type Circumstances, type Ledger, withoutInFlight, withoutInterface, withPhase } from './ledger.ts';
import type { Action, Plan, Refusal, WarmTargets } from './model.ts';
import { planCards } from './plan-cards.ts';

/** The actions of one plan and when it would be made. */
export interface ForecastStep {
  readonly at: number;
  readonly actions: readonly Action[];
}

export interface Forecast {
  /** The plan of this moment; what is in flight still counts as under way in it. */
  readonly first: Plan;
  /** Every plan that has actions, in order. Interfaces that do not exist yet are called `new-eni-1`, `new-eni-2`, ... */
  readonly steps: readonly ForecastStep[];
  /** The pool when nothing is left to do. Addresses that were not given out yet are in 240.0.0.0/4. */
  readonly ledger: Ledger;
  /** Pods that still wait then. */
  readonly waiting: number;
  /** The same by network card. */
  readonly waitingOn: ReadonlyMap<number, number>;
  readonly refusals: readonly Refusal[];
  /** When nothing is left to do. */
  readonly at: number;
  /** False where that was not reached within the bound on plans. */
  readonly settled: boolean;
}

/** Reserved addresses (RFC 1112, section 4): no VPC holds any of them. */
const SPACE = { singles: ipv4('240.0.0.0'), prefixes: ipv4('248.0.0.0') };
/** The discard-only block (RFC 6666): no VPC holds any of it either. */
const IPV6_NETWORK = '100:0:0:0';
const MOST_PLANS = 500;

interface State {
  readonly ledger: Ledger;
  readonly waiting: number;
  /** Pods that wait for an address of another network card than 0, by card. */
  readonly waitingOn: ReadonlyMap<number, number>;
  readonly made: number;
}

/**
 * On a good day: EC2 grants what is asked at once, no pod comes or goes, those that wait are served. What is in flight
 * succeeds first. Times are stepped through at no less than 1 s, and ever coarser (a tenth of the time gone by), so
 * that many cool-downs do not make many plans.
 */
export function forecast(ledger: Ledger, targets: WarmTargets, circumstances: Circumstances): Forecast {
  const { now, cloudBackOffUntil } = circumstances;
  const planFor = (state: State, at: number) =>
    planCards(
      state.ledger,
      { waiting: state.waiting, waitingOn: state.waitingOn, now: at, cloudBackOffUntil },
      targets,
    );
  const { waiting, waitingOn = new Map<number, number>() } = circumstances;
  const before: State = { ledger, waiting, waitingOn, made: 0 };
  const first = planFor(before, now);
  const steps: ForecastStep[] = [];
  let state = serve(landed(before, now), now);
  let at = now;
  for (let count = 0; count < MOST_PLANS; count += 1) {
    const next = planFor(state, at);
    if (next.actions.length > 0) {
      steps.push({ at, actions: next.actions });
      state = serve(
        next.actions.reduce((so, action) => granted(so, action, at), state),
        at,
      );
    } else if (next.wakeAt !== undefined) {
      at = Math.max(next.wakeAt, at + 1000, Math.round(at + (at - now) / 10));
      state = serve(state, at);
    } else {
      const { ledger: end, waiting: left, waitingOn: leftOn } = state;
      return {
        first,
        steps,
        ledger: end,
        waiting: left,
        waitingOn: leftOn,
        refusals: next.refusals,
        at,
        settled: true,
      };
    }
  }
  const { refusals } = planFor(state, at);
  const { ledger: end, waiting: left, waitingOn: leftOn } = state;
  return { first, steps, ledger: end, waiting: left, waitingOn: leftOn, refusals, at, settled: false };
}

/** What was under way has succeeded. */
function landed(start: State, now: number): State {
  let state = start;
  for (const [id, action] of start.ledger.inFlight) {
    const without = { ...state, ledger: withoutInFlight(state.ledger, id) };
    state = hasArrived(action, without.ledger) ? without : granted(without, action, now);
  }
  let { ledger } = state;
  for (const { networkInterface } of start.ledger.interfaces.values()) {
    if (networkInterface.phase === 'attaching') ledger = withPhase(ledger, networkInterface.id, 'ready');
    if (networkInterface.phase === 'draining') ledger = withoutInterface(ledger, networkInterface.id);
  }
  return { ...state, ledger };
}

/** The interface of a create is in the ledger before its calls are over. */
function hasArrived(action: Action, ledger: Ledger): boolean {
  if (action.kind !== 'create-interface') return false;
  return [...ledger.interfaces.values()].some(
    ({ networkInterface: { deviceIndex, networkCardIndex } }) =>
      deviceIndex === action.deviceIndex && networkCardIndex === action.networkCardIndex,
  );
}

function granted(state: State, action: Action, at: number): State {
  const blocks = 'count' in action ? blocksIn(SPACE, action.mode, action.count, state.made) : [];
  const interfaceId = newInterfaceId(state.ledger);
  const ipv6Prefix = ipv6PrefixIn(IPV6_NETWORK, state.made);
  return {
    ...state,
    made: state.made + blocks.length + 1,
    ledger: withEffect(state.ledger, action, { interfaceId, primaryAddress: '0.0.0.0', blocks, ipv6Prefix, at }),
  };
}

function newInterfaceId(ledger: Ledger): string {
  let number = 1;
  while (ledger.interfaces.has(`new-eni-${number}`)) number += 1;
  return `new-eni-${number}`;
}

/** Pods that wait take what is free; who they are makes no difference to what is asked of the cloud. */
function serve(state: State, now: number): State {
  let { ledger } = state;
  const waits = new Map(state.waitingOn).set(0, state.waiting);
  const left = [...waits].map(([card, waiting]): [number, number] => {
    const served = serveOn(ledger, card, waiting, now);
    ledger = served.ledger;
    return [card, served.waiting];
  });
  const waitingOn = new Map(left);
  return { ...state, ledger, waiting: waitingOn.get(0) ?? 0, waitingOn };
}

function serveOn(from: Ledger, networkCardIndex: number, waits: number, now: number) {
  let [ledger, waiting] = [from, waits];
  while (waiting > 0) {
    const attachment = { networkName: '', containerId: `waiting-${waiting}`, ifName: `${networkCardIndex}` };
    const pod = { namespace: '', name: '', uid: '' };
    const outcome = assign(ledger, { attachment, pod, networkCardIndex }, now);
    if (outcome.kind !== 'assigned') break;
    ledger = outcome.ledger;
    waiting -= 1;
  }
  return { ledger, waiting };
}
