/** Answers of the subnet controller for reports: subnets with a made-up past, assessed as the controller does. */
import { assess, rowOf, type SubnetState } from '#ipamd/subnet-controller/assess.ts';
import type { SubnetsAnswer } from '#ipamd/subnet-controller/subnet-watch.ts';
import { type Ipv4, ipv4 } from '#warm-pool/address.ts';
import type { Holder } from '#warm-pool/forecast/subnet-map.ts';
import { randomOf } from '#warm-pool/simulator/random.ts';

const HOUR = 3_600_000;
export const SEEN_AT = Date.parse('2026-11-20T12:00:00Z');

interface SubnetSpec {
  readonly id: string;
  readonly name: string;
  readonly zone: string;
  readonly base: string;
  /** Power of two. */
  readonly size: number;
  readonly used: number;
  readonly perDay: number;
  /** Hours of history; few are not enough. */
  readonly hours: number;
  /** Of all nodes. */
  readonly prefixes: number;
}

const SUBNETS: readonly SubnetSpec[] = [
  {
    id: 'subnet-0a11',
    name: 'pods-a',
    zone: 'eu-test-1a',
    base: '10.0.0.0',
    size: 1024,
    used: 800,
    perDay: 60,
    hours: 240,
    prefixes: 14,
  },
  {
    id: 'subnet-0b22',
    name: 'pods-b',
    zone: 'eu-test-1b',
    base: '10.0.4.0',
    size: 512,
    used: 210,
    perDay: 4,
    hours: 240,
    prefixes: 4,
  },
  {
    id: 'subnet-0c33',
    name: '',
    zone: 'eu-test-1c',
    base: '10.0.6.0',
    size: 256,
    used: 40,
    perDay: 0,
    hours: 2,
    prefixes: 0,
  },
];

export function subnetsAnswer(): SubnetsAnswer {
  const subnets = SUBNETS.map(stateOf).filter((state) => state !== undefined);
  return { at: new Date(SEEN_AT).toISOString(), leader: true, subnets };
}

function stateOf({ id, name, zone, base, size, used, perDay, hours, prefixes }: SubnetSpec): SubnetState | undefined {
  const random = randomOf(7, id);
  const free = size - 5 - used;
  const holders = holdersOf({ base: ipv4(base), size, used, prefixes, random });
  const look = { id, vpcId: 'vpc-0123', zone, name, cidr: `${base}/${32 - Math.log2(size)}`, free, holders };
  const last = rowOf(look, SEEN_AT);
  if (last === undefined) return undefined;
  let wander = 0;
  const wanders = Array.from({ length: hours }, () => (wander = 0.97 * wander + 0.03 * size * (random() - 0.5)));
  const before = Array.from({ length: hours - 1 }, (_, index) => {
    const ago = hours - 1 - index;
    const season = 0.06 * size * (Math.cos((2 * Math.PI * ago) / 24) - 1);
    const level = used - (perDay * ago) / 24 + season + (wanders[ago] ?? 0);
    const held = Math.min(size - 5, Math.max(0, Math.round(level)));
    return [SEEN_AT - ago * HOUR, held, Math.min(size / 16 - 2, Math.round((last[2] * held) / used))] as const;
  });
  return assess(look, { rows: [...before, last], now: SEEN_AT, pods: undefined });
}

interface Crowd {
  readonly base: Ipv4;
  readonly size: number;
  readonly used: number;
  readonly prefixes: number;
  readonly random: () => number;
}

/** Prefixes from the front, and single addresses here and there behind them. */
function holdersOf({ base, size, used, prefixes, random }: Crowd): readonly Holder[] {
  const first = 16 * (prefixes + 1);
  const places = Array.from({ length: size - 16 - first }, (_, index) => base + first + index);
  const singles = places
    .map((address) => ({ address, key: 0.25 * random() + (address - base) / size }))
    .toSorted((a, b) => a.key - b.key)
    .slice(0, Math.max(0, used - 16 * prefixes))
    .map(({ address }) => address)
    .toSorted((a, b) => a - b);
  const nodes = Math.max(1, Math.ceil(singles.length / 45));
  return Array.from({ length: nodes }, (_, node) => {
    const [primary, ...addresses] = singles.filter((_each, index) => Math.floor(index / 45) === node);
    const mine = Array.from({ length: prefixes }, (_each, index) => index).filter((index) => index % nodes === node);
    return {
      interfaceId: `eni-${node}`,
      node: `i-0${(node * 2711 + 4096).toString(16)}`,
      cluster: node % 4 === 3 ? 'staging' : 'production',
      isPrimary: node % 3 === 0,
      isLeaked: false,
      primaryAddress: primary,
      addresses,
      prefixes: mine.map((index) => ({ base: base + 16 * (index + 1), prefixLength: 28 })),
    };
  });
}
