import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { targets, worlds } from './any-world.ts';
import { cardsInUse, limitsOn, targetsOn } from './cards.ts';
import { explain } from './explain.ts';
import { answerAll, freshBlocks, send, type World } from './granting-cloud.ts';
import { assign, assignments, type Ledger, snapshot, summary, withInterface } from './ledger.ts';
import type { Action, NetworkInterface, WarmTargets } from './model.ts';
import { cardSnapshots, planCards } from './plan-cards.ts';
import { plan } from './plan.ts';

interface Found {
  readonly card: number;
  readonly kind: 'ours' | 'unmanaged' | 'efa-only';
  readonly singles: number;
}

const found: fc.Arbitrary<Found> = fc.record({
  card: fc.integer({ min: 1, max: 3 }),
  kind: fc.constantFrom('ours', 'ours', 'unmanaged', 'efa-only'),
  singles: fc.nat(3),
});

interface CardWorld {
  readonly world: World;
  /** Pods that want an address of a further card, by card. */
  readonly wants: readonly number[];
}

/** Any node, some further cards of it that are configured, and what is attached to them. */
const cardWorlds: fc.Arbitrary<CardWorld> = fc
  .record({
    world: worlds({ rich: true, family: 'ipv4' }),
    limits: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 0, maxLength: 3 }),
    attached: fc.array(found, { maxLength: 6 }),
    wants: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 12 }),
  })
  .map(({ world, limits, attached, wants }) => {
    const cards = limits.map((maxInterfaces, index) => ({ networkCardIndex: index + 1, maxInterfaces }));
    let ledger: Ledger = { ...world.ledger, config: { ...world.ledger.config, cards } };
    const { ipv4PerInterface } = ledger.config.limits;
    for (const [index, one] of attached.entries()) {
      const here = [...ledger.interfaces.values()].filter(
        (each) => each.networkInterface.networkCardIndex === one.card,
      );
      // A card that hosts no pods may have any number of interfaces; one that does, no more than it takes.
      const card = cards.find(({ networkCardIndex }) => networkCardIndex === one.card);
      if (card !== undefined && here.length >= card.maxInterfaces) continue;
      const managed = one.kind === 'ours' && card !== undefined;
      const count = one.kind === 'efa-only' ? 0 : Math.min(one.singles, ipv4PerInterface - 1);
      const networkInterface: NetworkInterface = {
        id: `eni-card-${index}`,
        subnetId: 'subnet-0',
        mac: '02:00:00:00:00:00',
        primaryAddress: one.kind === 'efa-only' ? '' : '10.0.0.9',
        isPrimary: false,
        deviceIndex: here.length,
        networkCardIndex: one.card,
        attachmentId: `attach-card-${index}`,
        phase: 'ready',
        managed,
        ...(one.kind === 'efa-only' ? { efaOnly: true } : {}),
        since: 0,
        blocks: freshBlocks('address', count, 5_000_000 + index * 100),
      };
      ledger = withInterface(ledger, networkInterface);
    }
    return { world: { ...world, ledger }, wants };
  });

const circumstances = ({ ledger, now, waiting }: World, waits: readonly number[]) => {
  const waitingOn = new Map(cardsInUse(ledger).map((card) => [card, waits.filter((each) => each === card).length]));
  return { waiting: waiting.length, waitingOn, now, cloudBackOffUntil: 0 };
};

const planned = (world: World, waits: readonly number[], target: WarmTargets) =>
  planCards(world.ledger, circumstances(world, waits), target);

/** Whoever waits on a further card takes what is free there. */
function serve(world: World, waits: readonly number[], made: number): { world: World; waits: readonly number[] } {
  let { ledger } = world;
  const left = waits.filter((networkCardIndex, index) => {
    const attachment = { networkName: 'n', containerId: `m${made}-${index}`, ifName: `mNicIf${networkCardIndex}` };
    const pod = { namespace: '', name: '', uid: '' };
    const outcome = assign(ledger, { attachment, pod, networkCardIndex }, world.now);
    if (outcome.kind !== 'assigned') return true;
    ledger = outcome.ledger;
    expect(ledger.interfaces.get(outcome.assignment.interfaceId)?.networkInterface).toMatchObject({
      networkCardIndex,
      managed: true,
    });
    return false;
  });
  return { world: { ...world, ledger }, waits: left };
}

function settle({ world: start, wants }: CardWorld, target: WarmTargets) {
  let { world, waits } = serve(start, wants, 0);
  const done: Action[] = [];
  for (let step = 1; step < 16; step += 1) {
    const { actions } = planned(world, waits, target);
    if (actions.length === 0) return { world, waits, done };
    checkActions(world, actions);
    done.push(...actions);
    const sent = send(world, actions);
    expect(planned(sent, waits, target).actions).toEqual([]);
    ({ world, waits } = serve(answerAll(sent), waits, step));
    checkLimits(world);
  }
  throw new Error(`no empty plan: ${JSON.stringify(planned(world, waits, target))}`);
}

function checkActions({ ledger }: World, actions: readonly Action[]): void {
  const inUse = new Set(cardsInUse(ledger));
  for (const action of actions) {
    expect(explain(action.why)).not.toMatch(/undefined|unknown|NaN/);
    const holder = action.kind === 'create-interface' ? action : hostOf(ledger, action.interfaceId);
    expect(inUse).toContain(holder.networkCardIndex);
    expect(action.why.inputs['networkCard'] ?? 0).toBe(holder.networkCardIndex);
    if (action.kind !== 'create-interface') expect(hostOf(ledger, action.interfaceId).managed).toBe(true);
    if ('mode' in action && holder.networkCardIndex > 0) expect(action.mode).toBe('address');
  }
}

function hostOf(ledger: World['ledger'], id: string): NetworkInterface {
  const state = ledger.interfaces.get(id);
  if (state === undefined) throw new Error(`${id} is not there`);
  return state.networkInterface;
}

function checkLimits({ ledger }: World): void {
  const all = [...ledger.interfaces.values()].map(({ networkInterface }) => networkInterface);
  for (const card of cardsInUse(ledger)) {
    const here = all.filter(({ networkCardIndex }) => networkCardIndex === card);
    expect(here.length).toBeLessThanOrEqual(limitsOn(ledger, card).maxInterfaces);
    expect(new Set(here.map(({ deviceIndex }) => deviceIndex)).size).toBe(here.length);
  }
  const held = assignments(ledger).map(({ address }) => address);
  expect(new Set(held).size).toBe(held.length);
}

describe('network cards', () => {
  it('each converges within its own limits; what is not used, managed or EFA-only is left alone', () => {
    fc.assert(
      fc.property(cardWorlds, targets, (start, target) => {
        settle(start, target);
      }),
      { numRuns: 300 },
    );
  });

  it('a further card keeps a free address, or says why it cannot', () => {
    fc.assert(
      fc.property(cardWorlds, targets, (start, target) => {
        const { world, waits } = settle(start, target);
        const { refusals } = planned(world, waits, target);
        for (const card of cardsInUse(world.ledger).filter((each) => each > 0)) {
          const here = summary(world.ledger, world.now).byInterface.filter((one) => one.networkCardIndex === card);
          const free = here.reduce((sum, one) => sum + one.assignable, 0);
          const said = refusals.some(({ why }) => why.inputs['networkCard'] === card);
          const atLimit = here.reduce((sum, one) => sum + one.total, 0) >= world.ledger.config.limits.maxPods;
          expect(free > 0 || said || atLimit).toBe(true);
          if (waits.includes(card)) expect(said).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('do not bear on one another: the plan of a card is what it would be were the others not there', () => {
    fc.assert(
      fc.property(cardWorlds, targets, ({ world, wants }, target) => {
        for (const one of cardSnapshots(world.ledger, circumstances(world, wants))) {
          const card = one.networkCardIndex ?? 0;
          const alone = one.interfaces.filter(({ networkInterface }) => networkInterface.networkCardIndex === card);
          const of = targetsOn(target, card);
          expect(plan({ ...one, interfaces: alone }, of, world.now)).toEqual(plan(one, of, world.now));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('a node without further cards plans as it always did, whatever is attached to them', () => {
    fc.assert(
      fc.property(cardWorlds, targets, ({ world }, target) => {
        const { cards: _, ...config } = world.ledger.config;
        const ledger = { ...world.ledger, config };
        const others = ledger.interfaces.values().filter((state) => state.networkInterface.networkCardIndex !== 0);
        const alone = {
          ...ledger,
          interfaces: others.reduce((rest, state) => rest.without(state.networkInterface.id), ledger.interfaces),
        };
        const of = { waiting: world.waiting.length, now: world.now, cloudBackOffUntil: 0 };
        expect(planCards(ledger, of, target)).toEqual(plan(snapshot(alone, of), target, world.now));
      }),
      { numRuns: 200 },
    );
  });

  it('a plain pod gets nothing of a further card, however many addresses lie idle there', () => {
    fc.assert(
      fc.property(cardWorlds, targets, (start, target) => {
        const { world } = settle(start, target);
        let { ledger } = world;
        for (let pod = 0; pod < 100; pod += 1) {
          const attachment = { networkName: 'n', containerId: `plain${pod}`, ifName: 'eth0' };
          const outcome = assign(ledger, { attachment, pod: { namespace: '', name: '', uid: '' } }, world.now);
          if (outcome.kind !== 'assigned') break;
          expect(hostOf(ledger, outcome.assignment.interfaceId).networkCardIndex).toBe(0);
          ({ ledger } = outcome);
        }
      }),
      { numRuns: 100 },
    );
  });
});
