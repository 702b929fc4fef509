/**
 * What amazon-vpc-cni-k8s made on the host for one pod: a rule to its address (512, table main), a rule from it (1536,
 * the ENI's table) and a route to its link in table main. Left behind, they would misroute whoever has the address next.
 */
import type { OwnershipMarks } from '../datapath.ts';
import { canonicalAddress, familyOf, familyOfNumber, hostPrefixLength } from '../ip.ts';
import { RT_TABLE_MAIN } from '../netlink/constants.ts';
import { dump, submit } from '../netlink/exchange.ts';
import { decodeRoute, deleteRoute, dumpRoutes, type Route } from '../netlink/route/route.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';
import { peerRules } from '../peer/rules.ts';

/** Removes them for one address, of either family; what is not there is fine. The rules first: they lead to the route. */
export function removePeerPod(socket: OpenNetlinkSocket, marks: OwnershipMarks, text: string): void {
  const address = canonicalAddress(text);
  const rules = peerRules(socket, marks.protocol).filter(
    (rule) => rule.address === address && (rule.kind === 'to-pod' || rule.kind === 'from-pod'),
  );
  const routes = routesToPods(socket).filter(({ destination }) => destination === address);
  submit(socket, [...rules.map(({ deletion }) => deletion), ...routes.map(deleteRoute)]);
}

/** The routes of table main that lead to one address each. */
export function routesToPods(socket: OpenNetlinkSocket): readonly Route[] {
  return dump(socket, dumpRoutes(0, RT_TABLE_MAIN))
    .filter(({ body }) => familyOfNumber(body[0]) !== undefined)
    .map(({ body }) => decodeRoute(body))
    .filter(
      ({ table, destination, prefixLength, gateway }) =>
        table === RT_TABLE_MAIN && prefixLength === hostPrefixLength(familyOf(destination)) && gateway === undefined,
    );
}
