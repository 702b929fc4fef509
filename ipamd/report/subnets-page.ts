/** The live subnet map that the controller serves: it needs no chart library, no script and no file beside itself. Pure. */
import type { SubnetsAnswer } from '../subnet-controller/subnet-watch.ts';
import { blockMap } from './block-map.ts';
import { html, type Html } from './html.ts';
import { page, type Section } from './page.ts';
import { alarm, anchorOf, byUrgency, holders, nameOf, overview, repairList } from './subnet-words.ts';
import { counted, percent } from './words.ts';

const REFRESH_SECONDS = 30;
/** A page of all of a large account would be slow; the overview has all of them. */
const MOST_DRAWN = 50;

/** `isLive`: the page loads itself anew, which its reader has asked for: a screen reader begins from the top each time (WCAG 2.2, F41). */
export function subnetsPage({ at, leader, subnets }: SubnetsAnswer, isLive: boolean): string {
  const ordered = byUrgency(subnets);
  return page({
    title: 'Subnets',
    about: aboutText(at, leader, subnets.length),
    madeBy: 'Served by wellspring-subnets, read-only. As JSON: /v1/subnets; for Prometheus: /metrics.',
    ...(isLive ? { refreshSeconds: REFRESH_SECONDS } : {}),
    sections: [
      {
        id: 'overview',
        title: 'Overview',
        body: [refreshing(isLive), overview(ordered, 'All subnets, the soonest to run dry first', MOST_DRAWN)],
      },
      ...ordered.slice(0, MOST_DRAWN).map((subnet): Section => {
        const { id, cidr, zone, fragmentation, addresses, blocks } = subnet;
        return {
          id: anchorOf(id),
          title: nameOf(subnet),
          body: [
            html`<p>
              ${cidr}, ${zone}. ${addresses.free} of ${counted(addresses.total, 'address', 'addresses')} free,
              ${percent(fragmentation)} fragmented. No address: ${alarm(addresses.exhaustion)}. No /28 block:
              ${alarm(blocks.exhaustion)}.
            </p>`,
            html`<div class="pair">
              ${blockMap({ id: `${anchorOf(id)}-map`, cidr, use: subnet.blockUse })}
              <div class="card">${repairList(subnet)}</div>
            </div>`,
            holders(subnet),
          ],
        };
      }),
    ],
  });
}

function aboutText(at: string | undefined, leader: boolean, many: number): string {
  if (at !== undefined) return `${counted(many, 'subnet')}, looked at ${at}.`;
  return leader ? 'No look is finished yet.' : 'Another process leads and looks; ask that one.';
}

function refreshing(isLive: boolean): Html {
  return isLive
    ? html`<p>This page loads itself anew every ${REFRESH_SECONDS} s. <a href="/">Stop that</a></p>`
    : html`<p><a href="/?refresh=on">Load this page anew every ${REFRESH_SECONDS} s</a></p>`;
}
