/** When somebody is told: once as a forecast comes below a day or an hour, or as a subnet is empty, and once when that is over. Pure. */
import type { Exhaustion } from '#warm-pool/forecast/exhaustion.ts';
import { type Kind, KINDS, type SubnetState } from './assess.ts';

export type Level = 'calm' | 'day' | 'hour' | 'exhausted';

/** `SUBNET/KIND` -> what was said last; calm ones are absent. */
export type Said = ReadonlyMap<string, Level>;

export interface Notice {
  readonly subnet: string;
  readonly kind: Kind;
  readonly level: Level;
  /** CamelCase, for machines. */
  readonly reason: string;
  readonly message: string;
}

const HOUR = 3_600_000;
const ORDER: readonly Level[] = ['calm', 'day', 'hour', 'exhausted'];
const REASONS = {
  addresses: {
    calm: 'SubnetRecovered',
    day: 'SubnetRunsDryWithinDay',
    hour: 'SubnetRunsDryWithinHour',
    exhausted: 'SubnetExhausted',
  },
  blocks: {
    calm: 'PrefixesRecovered',
    day: 'PrefixesRunOutWithinDay',
    hour: 'PrefixesRunOutWithinHour',
    exhausted: 'NoFreePrefix',
  },
} as const;
/** It is over when the forecast is this much beyond the mark, so that one that wavers about it says nothing. */
const BEYOND = 1.5;

export function notices(
  said: Said,
  subnets: readonly SubnetState[],
): { readonly said: Said; readonly notices: readonly Notice[] } {
  const next = new Map<string, Level>();
  const all: Notice[] = [];
  for (const subnet of subnets)
    for (const kind of KINDS) {
      const key = `${subnet.id}/${kind}`;
      const before = said.get(key) ?? 'calm';
      const level = levelOf(subnet[kind].exhaustion, before);
      if (level !== 'calm') next.set(key, level);
      if (level === before || (rank(level) < rank(before) && level !== 'calm')) continue;
      all.push({
        subnet: subnet.id,
        kind,
        level,
        reason: REASONS[kind][level],
        message: messageOf(subnet, kind, level),
      });
    }
  return { said: next, notices: all };
}

const rank = (level: Level): number => ORDER.indexOf(level);

function levelOf(exhaustion: Exhaustion, before: Level): Level {
  switch (exhaustion.kind) {
    case 'exhausted':
      return 'exhausted';
    case 'not-enough-history':
      return before === 'exhausted' ? 'calm' : before;
    case 'forecast': {
      const median = exhaustion.medianMs ?? Infinity;
      const isWithin = (ms: number, level: Level) => median <= (rank(before) >= rank(level) ? BEYOND : 1) * ms;
      return isWithin(HOUR, 'hour') ? 'hour' : isWithin(24 * HOUR, 'day') ? 'day' : 'calm';
    }
    default:
      return exhaustion satisfies never;
  }
}

function messageOf(
  { id, cidr, zone, addresses, blocks, repairs: [first] }: SubnetState,
  kind: Kind,
  level: Level,
): string {
  const what =
    kind === 'addresses'
      ? `${addresses.free} of ${addresses.total} addresses`
      : `${blocks.free} of ${blocks.total} /28 blocks`;
  const { exhaustion } = kind === 'addresses' ? addresses : blocks;
  const where = `${id} (${cidr}, ${zone})`;
  const repair =
    kind === 'blocks' && first !== undefined
      ? ` Draining ${first.node === '' ? 'detached interfaces' : first.node} would give back ${first.blocks} blocks.`
      : '';
  if (level === 'calm') return `${where} has ${what} free; the forecast no longer says that they run out soon.`;
  if (level === 'exhausted') return `${where} has no free ${kind === 'addresses' ? 'address' : '/28 block'}.${repair}`;
  return `${where} has ${what} free and is expected to have none in ${when(exhaustion)}.${repair}`;
}

/** "6.2 h (90 %: 4.1 h to 9.0 h)"; an end that is beyond the horizon is "more than" it. */
export function when(exhaustion: Exhaustion): string {
  if (exhaustion.kind !== 'forecast') return exhaustion.kind === 'exhausted' ? 'no time' : 'unknown time';
  const { lowerMs, medianMs, upperMs, horizonMs } = exhaustion;
  const text = (ms: number | undefined) => (ms === undefined ? `more than ${duration(horizonMs)}` : duration(ms));
  return lowerMs === undefined ? text(undefined) : `${text(medianMs)} (90 %: ${text(lowerMs)} to ${text(upperMs)})`;
}

export function duration(ms: number): string {
  if (ms < 2 * HOUR) return `${Math.round(ms / 60_000)} min`;
  return ms < 72 * HOUR ? `${(ms / HOUR).toFixed(1)} h` : `${(ms / (24 * HOUR)).toFixed(1)} d`;
}
