/** What is said of a subnet in reports and on the live map: figures, holders, repairs. Pure; knows no chart library. */
import type { Exhaustion } from '#warm-pool/forecast/exhaustion.ts';
import type { Held } from '#warm-pool/forecast/subnet-map.ts';
import type { SubnetState } from '../subnet-controller/assess.ts';
import { duration, when } from '../subnet-controller/notices.ts';
import { html, type Html } from './html.ts';
import { dataTable } from './table.ts';
import { count, percent } from './words.ts';

const DAY = 86_400_000;

export function nameOf({ id, name }: Pick<SubnetState, 'id' | 'name'>): string {
  return name === '' ? id : `${name} (${id})`;
}

/** "in 6.2 h (90 %: 4.1 h to 9.0 h)", or why nothing is said. */
export function exhaustionText(exhaustion: Exhaustion): string {
  switch (exhaustion.kind) {
    case 'exhausted':
      return 'none is free now';
    case 'not-enough-history':
      return `not enough history: ${exhaustion.missing}`;
    case 'forecast':
      return exhaustion.lowerMs === undefined
        ? `not within ${duration(exhaustion.horizonMs)} (95 %)`
        : `in ${when(exhaustion)}`;
    default:
      return exhaustion satisfies never;
  }
}

/** More likely than not within a day, or already. */
export function isUrgent(exhaustion: Exhaustion): boolean {
  return (
    exhaustion.kind === 'exhausted' || (exhaustion.kind === 'forecast' && (exhaustion.medianMs ?? Infinity) <= DAY)
  );
}

/** The soonest to run dry first. */
export function byUrgency(subnets: readonly SubnetState[]): readonly SubnetState[] {
  const soon = ({ addresses: { exhaustion, free, total } }: SubnetState): readonly [number, number] => {
    const ms = exhaustion.kind === 'exhausted' ? 0 : exhaustion.kind === 'forecast' ? exhaustion.medianMs : undefined;
    return [ms ?? Infinity, free / Math.max(1, total)];
  };
  return subnets
    .map((subnet) => ({ subnet, key: soon(subnet) }))
    .toSorted((a, b) => (a.key[0] === b.key[0] ? a.key[1] - b.key[1] : a.key[0] < b.key[0] ? -1 : 1))
    .map(({ subnet }) => subnet);
}

export function alarm(exhaustion: Exhaustion): Html {
  const said = exhaustionText(exhaustion);
  return isUrgent(exhaustion) ? html`<span class="alarm">Runs dry: ${said}</span>` : html`${said}`;
}

/** `drawn`: so many of the first have a section of their own on the page. */
export function overview(subnets: readonly SubnetState[], caption: string, drawn: number): Html {
  return dataTable({
    caption,
    columns: ['Subnet', 'Zone', 'CIDR', 'Free', 'Free /28', 'Fragmented', 'No address', 'No /28'],
    rows: subnets.map((subnet, index) => [
      index < drawn ? html`<a href="#${anchorOf(subnet.id)}">${nameOf(subnet)}</a>` : nameOf(subnet),
      subnet.zone,
      subnet.cidr,
      `${count(subnet.addresses.free)} of ${count(subnet.addresses.total)}`,
      `${count(subnet.blocks.free)} of ${count(subnet.blocks.total)}`,
      percent(subnet.fragmentation),
      alarm(subnet.addresses.exhaustion),
      alarm(subnet.blocks.exhaustion),
    ]),
  });
}

/** For links within a page. */
export function anchorOf(id: string): string {
  return `s-${id.replaceAll(/[^A-Za-z0-9-]/g, '_')}`;
}

export function holders({ id, clusters }: SubnetState): Html {
  return dataTable({
    caption: `Who holds addresses of ${id}`,
    columns: ['Cluster', 'Addresses', 'ENIs', 'Prefixes', 'In use by pods', 'Warm', 'Leaked ENIs'],
    rows: Object.entries(clusters).map(([cluster, held]) => [cluster, ...heldCells(held)]),
  });
}

function heldCells({ addresses, interfaces, prefixes, inUse, warm, leaked }: Held): readonly string[] {
  const known = (value: number | undefined): string => (value === undefined ? 'not known' : count(value));
  return [count(addresses), count(interfaces), count(prefixes), known(inUse), known(warm), count(leaked)];
}

export function repairList({ repairs, blocks }: SubnetState): Html {
  if (repairs.length === 0) return html`<p>No node stands in the way of whole /28 blocks.</p>`;
  const lines = repairs.map(({ node, interfaceIds, addresses, blocks: back }) => {
    const what = node === '' ? `Delete ${interfaceIds.join(', ')}` : `Drain ${node}`;
    const few = `${count(addresses)} ${addresses === 1 ? 'address' : 'addresses'}`;
    return html`<li>${what}: ${few} in the way; gives back ${count(back)} of ${count(blocks.total)} /28 blocks.</li>`;
  });
  return html`<h3>Repairs, the one that gives back most first</h3>
    <ol>
      ${lines}
    </ol>`;
}
