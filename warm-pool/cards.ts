/**
 * Network cards: each hosts pods from interfaces of its own, with its own limits. One ledger holds them all, so that an
 * address is in one hand whichever card it belongs to; the planner looks at one card at a time.
 */

import type { Ledger } from './ledger-state.ts';
import type { AllocationMode, InstanceLimits, Snapshot, WarmTargets } from './model.ts';

/** A network card beside card 0. */
export interface Card {
  readonly networkCardIndex: number;
  /** Attached interfaces on this card; already lowered by MAX_ENI. */
  readonly maxInterfaces: number;
}

/** Prefixes are for card 0, as with amazon-vpc-cni-k8s: few pods want an address of a further card. */
export function modeOn(mode: AllocationMode, networkCardIndex: number): AllocationMode {
  return networkCardIndex === 0 ? mode : 'address';
}

/** The warm targets of a card: those of the settings on card 0, one free address on every other, as with amazon-vpc-cni-k8s. */
export function targetsOn(targets: WarmTargets, networkCardIndex: number): WarmTargets {
  if (networkCardIndex === 0) return targets;
  return { ...targets, warmEniTarget: 0, warmPrefixTarget: 0, warmIpTarget: 1, minimumIpTarget: 1 };
}

/**
 * The cards that host pods, card 0 first: those of the configuration, without one that has an EFA-only interface and no
 * managed one (amazon-vpc-cni-k8s leaves such a card to the program that put it there).
 */
export function cardsInUse({ config, interfaces }: Pick<Ledger, 'config' | 'interfaces'>): readonly number[] {
  const { cards = [] } = config;
  if (cards.length === 0) return [0];
  const all = [...interfaces.values()].map(({ networkInterface }) => networkInterface);
  const further = cards.filter(({ networkCardIndex }) => {
    const here = all.filter((one) => one.networkCardIndex === networkCardIndex);
    return here.some(({ managed }) => managed) || !here.some(({ efaOnly }) => efaOnly === true);
  });
  return [0, ...further.map(({ networkCardIndex }) => networkCardIndex)];
}

/** What an instance may attach on a card; zero interfaces on one that hosts no pods. */
export function limitsOn({ config }: Pick<Ledger, 'config'>, networkCardIndex: number): InstanceLimits {
  if (networkCardIndex === 0) return config.limits;
  const card = config.cards?.find((one) => one.networkCardIndex === networkCardIndex);
  return { ...config.limits, maxInterfaces: card?.maxInterfaces ?? 0 };
}

/** The snapshot of the node as the planner is to see it for one card, on which `waiting` pods wait for an address. */
export function onCard(
  snapshot: Snapshot,
  ledger: Pick<Ledger, 'config'>,
  networkCardIndex: number,
  waiting: number,
): Snapshot {
  const mode = modeOn(snapshot.mode, networkCardIndex);
  return { ...snapshot, networkCardIndex, mode, limits: limitsOn(ledger, networkCardIndex), waiting };
}
