/** The forecast for people: a line for each subnet, then what stands out. Pure. */
import type { Exhaustion } from '#warm-pool/forecast/exhaustion.ts';
import type { Held } from '#warm-pool/forecast/subnet-map.ts';
import type { SubnetState } from '../../subnet-controller/assess.ts';
import { duration, when } from '../../subnet-controller/notices.ts';
import type { SubnetsAnswer } from '../../subnet-controller/subnet-watch.ts';
import type { Paint } from '../output.ts';
import { table } from '../table.ts';

const DAY = 86_400_000;
const CHART = 32;

export function showForecast(
  { subnets }: SubnetsAnswer,
  sparkline: (values: readonly number[], most: number, width: number) => string,
  paint: Paint,
): string {
  const rows = table<SubnetState>(
    [
      ['SUBNET', 'id'],
      ['ZONE', 'zone'],
      ['CIDR', 'cidr'],
      ['FREE', ({ addresses }) => `${addresses.free}/${addresses.total}`],
      ['/28', ({ blocks }) => `${blocks.free}/${blocks.total}`],
      ['FRAGMENTED', ({ fragmentation }) => `${Math.round(100 * fragmentation)}%`],
      [
        'IN USE',
        ({ history, addresses }) =>
          sparkline(
            history.map((row) => row[1]),
            addresses.total,
            CHART,
          ),
      ],
      ['NO ADDRESS IN', ({ addresses }) => briefly(addresses.exhaustion)],
      ['NO /28 IN', ({ blocks }) => briefly(blocks.exhaustion)],
    ],
    subnets,
    'No subnet was found. --subnet and --vpc say which ones to look at; without them it is every one of the region.',
  );
  return [rows, ...subnets.flatMap((subnet) => details(subnet, paint))].join('');
}

function briefly(exhaustion: Exhaustion): string {
  switch (exhaustion.kind) {
    case 'exhausted':
      return 'now';
    case 'not-enough-history':
      return '?';
    case 'forecast': {
      const { lowerMs, horizonMs } = exhaustion;
      return lowerMs === undefined ? `>${duration(horizonMs)}` : when(exhaustion);
    }
    default:
      return exhaustion satisfies never;
  }
}

function details({ id, addresses, blocks, clusters, repairs, history }: SubnetState, paint: Paint): readonly string[] {
  const lines: string[] = [];
  const { exhaustion } = addresses;
  if (exhaustion.kind === 'not-enough-history') lines.push(`not enough history: ${exhaustion.missing}`);
  if (exhaustion.kind === 'forecast') {
    const { season, growthPerDay, horizonMs } = exhaustion;
    const [first] = history;
    const seen = first === undefined ? '' : ` from ${duration((history.at(-1)?.[0] ?? 0) - first[0])} of history,`;
    const sign = growthPerDay < 0 ? '' : '+';
    lines.push(
      `forecast:${seen} ${season === 'none' ? 'no season' : `a ${season} season`}, ${sign}${growthPerDay.toFixed(1)} addresses a day, ${duration(horizonMs)} ahead`,
    );
  }
  if (isSoon(exhaustion))
    lines.push(
      paint(`runs dry: ${exhaustion.kind === 'exhausted' ? 'no address is free' : `in ${when(exhaustion)}`}`, 'red'),
    );
  for (const [cluster, held] of Object.entries(clusters)) lines.push(`held by ${cluster}: ${heldText(held)}`);
  for (const { node, interfaceIds, addresses: few, blocks: back } of repairs.slice(0, 3)) {
    const what = node === '' ? `delete ${interfaceIds.join(', ')}` : `drain ${node}`;
    lines.push(
      `repair: ${what} (${few} ${few === 1 ? 'address' : 'addresses'} in the way) gives back ${back} of ${blocks.total} /28 blocks`,
    );
  }
  return [`\n${id}\n`, ...lines.map((line) => `  ${line}\n`)];
}

function heldText({ interfaces, addresses, prefixes, inUse, warm, leaked }: Held): string {
  const use = inUse === undefined ? '' : `, ${inUse} in use by pods, ${warm ?? 0} warm`;
  const [addressWord, eniWord] = [addresses === 1 ? 'address' : 'addresses', interfaces === 1 ? 'ENI' : 'ENIs'];
  return `${addresses} ${addressWord} on ${interfaces} ${eniWord}${prefixes > 0 ? `, ${prefixes} prefixes` : ''}${use}${leaked > 0 ? `, ${leaked} ENIs leaked` : ''}`;
}

/** Empty, or more likely than not within a day. */
export function isSoon(exhaustion: Exhaustion): boolean {
  return (
    exhaustion.kind === 'exhausted' || (exhaustion.kind === 'forecast' && (exhaustion.medianMs ?? Infinity) <= DAY)
  );
}
