/** What is said of each subnet after a look: its map, repairs and forecasts. Pure. */
import { parseCidr } from '#warm-pool/address.ts';
import { type Exhaustion, timeToExhaustion } from '#warm-pool/forecast/exhaustion.ts';
import { blockUse } from '#warm-pool/forecast/block-use.ts';
import { type Repair, repairs } from '#warm-pool/forecast/repair.ts';
import { subnetMap, type SubnetMap } from '#warm-pool/forecast/subnet-map.ts';
import { randomOf } from '#warm-pool/simulator/random.ts';
import type { Row } from './history.ts';
import type { SubnetLook } from './look.ts';

/** What can run out. */
export const KINDS = ['addresses', 'blocks'] as const;
export type Kind = (typeof KINDS)[number];

export interface SubnetState extends Pick<SubnetMap, 'fragmentation' | 'clusters' | 'nodes'> {
  readonly id: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly name: string;
  readonly cidr: string;
  readonly addresses: SubnetMap['addresses'] & { readonly exhaustion: Exhaustion };
  /** /28 blocks; `total` 0: the subnet has room for none, and nothing is forecast. */
  readonly blocks: SubnetMap['blocks'] & { readonly exhaustion: Exhaustion };
  /** A character for each /28 block (`blockUse`): for a picture. */
  readonly blockUse: string;
  readonly repairs: readonly Repair[];
  /** For a chart: at most 200 rows, the highest of each span. */
  readonly history: readonly Row[];
}

const CHARTED = 200;
const NO_BLOCKS: Exhaustion = { kind: 'not-enough-history', missing: 'the subnet has no room for a /28 block' };

/** The row of this look for the history; undefined for a subnet without an IPv4 CIDR. */
export function rowOf(look: SubnetLook, at: number): Row | undefined {
  const map = mapOf(look, undefined);
  if (map === undefined) return undefined;
  const { addresses, blocks } = map;
  return [at, Math.max(0, addresses.total - addresses.free), blocks.total - blocks.free];
}

/** `rows` is the history of this subnet, the row of this look included. The same input gives the same answer. */
export function assess(
  look: SubnetLook,
  {
    rows,
    now,
    pods,
  }: { readonly rows: readonly Row[]; readonly now: number; readonly pods: ReadonlySet<number> | undefined },
): SubnetState | undefined {
  const { id, vpcId, zone, name, cidr: text } = look;
  const cidr = parseCidr(text);
  const map = mapOf(look, pods);
  if (cidr === undefined || map === undefined) return undefined;
  const forecast = (column: 1 | 2, capacity: number): Exhaustion =>
    timeToExhaustion({
      samples: rows.map((row) => ({ at: row[0], used: row[column] })),
      capacity,
      now,
      random: randomOf(column, id),
    });
  const { addresses, blocks, ...rest } = map;
  return {
    id,
    vpcId,
    zone,
    name,
    cidr: text,
    addresses: { ...addresses, exhaustion: forecast(1, addresses.total) },
    blocks: { ...blocks, exhaustion: blocks.total === 0 ? NO_BLOCKS : forecast(2, blocks.total) },
    ...rest,
    blockUse: blockUse({ cidr, holders: look.holders }),
    repairs: repairs({ cidr, holders: look.holders }),
    history: charted(rows, now),
  };
}

function mapOf(
  { cidr: text, free, holders }: SubnetLook,
  pods: ReadonlySet<number> | undefined,
): SubnetMap | undefined {
  const cidr = parseCidr(text);
  return cidr && subnetMap({ cidr, free, holders, pods });
}

/** Equal spans of time, so that a chart need not know how rows were thinned. */
function charted(rows: readonly Row[], now: number): readonly Row[] {
  const [first] = rows;
  if (first === undefined || rows.length <= CHARTED) return rows;
  const span = Math.max(1, (now - first[0]) / CHARTED);
  const groups = Map.groupBy(rows, ([at]) => Math.min(CHARTED - 1, Math.floor((at - first[0]) / span)));
  return [...groups.values()].map((group): Row => [
    group.at(-1)?.[0] ?? 0,
    Math.max(...group.map((row) => row[1])),
    Math.max(...group.map((row) => row[2])),
  ]);
}
