/** Batches of nf_tables over a netlink socket. */
import { dump, submit, type NetlinkSocket } from '../netlink/exchange.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { batch, decodeRuleChain, deleteTable, dumpTableRules, replaceTable, type Table } from './table.ts';

/**
 * Carries a batch out, entirely or not at all. The last message inside of the batch asks for the acknowledgement: that of
 * the batch end itself came only with Linux 6.10.
 */
function commit(socket: NetlinkSocket, requests: readonly NetlinkRequest[]): void {
  submit(socket, requests, requests.length - 2);
}

/** Puts the table in the place of what bears its name. Throws `NetlinkError`. */
export function applyTable(socket: NetlinkSocket, table: Table): void {
  commit(socket, replaceTable(table));
}

/** Removes a table; absence is fine. Throws `NetlinkError`. */
export function removeTable(socket: NetlinkSocket, name: string): void {
  commit(socket, deleteTable(name));
}

/** How many rules each chain of a table has; empty if the table is not there. */
export function countRules(socket: NetlinkSocket, name: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { body } of dump(socket, dumpTableRules(name))) {
    const chain = decodeRuleChain(body);
    counts.set(chain, (counts.get(chain) ?? 0) + 1);
  }
  return counts;
}

/** Changes elements of sets, all of them or none. Throws `NetlinkError`. */
export function changeElements(socket: NetlinkSocket, requests: readonly NetlinkRequest[]): void {
  if (requests.length > 0) commit(socket, batch(requests));
}
