/**
 * What amazon-vpc-cni-k8s made on the host for one pod: a rule to its address (512, table main), a rule from it (1536,
 * the ENI's table) and a route to its link in table main. Left behind, they would misroute whoever has the address next.
 */
import { decodeAttributes, readU32 } from '../netlink/attributes.ts';
import { FRA, RT_TABLE_MAIN, RTM } from '../netlink/constants.ts';
import { dump, submit } from '../netlink/exchange.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { decodeRoute, deleteRoute, dumpRoutes } from '../netlink/route/route.ts';
import { dumpRules } from '../netlink/route/rule.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';
import { ipv4Text } from '../ipv4.ts';

/** linux/fib_rules.h: struct fib_rule_hdr. */
const HEADER_LENGTH = 12;
const TO_POD = 512;
const FROM_POD = 1536;

/** Removes them for one IPv4 address; what is not there is fine. */
export function removePeerPod(socket: OpenNetlinkSocket, address: string): void {
  const rules = dump(socket, dumpRules())
    .map(({ body }) => body)
    .filter((body) => isPeerRuleOf(body, address));
  const routes = dump(socket, dumpRoutes(0, RT_TABLE_MAIN))
    .map(({ body }) => decodeRoute(body))
    .filter((route) => route.destination === address && route.prefixLength === 32 && route.table === RT_TABLE_MAIN);
  submit(socket, [...rules.map((body) => deletion(body, address)), ...routes.map(deleteRoute)]);
}

function isPeerRuleOf(body: Buffer, address: string): boolean {
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  const priority = readU32(attributes, FRA.priority);
  const [destination, source] = [attributes.get(FRA.destination), attributes.get(FRA.source)];
  const whole = (value: Buffer | undefined, length: number) =>
    value?.length === 4 && length === 32 && ipv4Text(value) === address;
  if (priority === TO_POD) return whole(destination, body.readUInt8(1));
  return priority === FROM_POD && whole(source, body.readUInt8(2));
}

/** The kernel takes the message of its own dump for the rule to delete, as `ip rule flush` sends it. */
function deletion(body: Buffer, address: string): NetlinkRequest {
  return { type: RTM.delRule, flags: 0, body, what: `rule del of ${address}`, tolerate: ['ENOENT'] };
}
