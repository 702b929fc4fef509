/** VLAN links: linux/if_link.h, IFLA_INFO_DATA of the kind `vlan`. Pure. */
import { attribute, plainNestedAttribute, textAttribute, u32Attribute } from '../netlink/attributes.ts';
import { IFLA, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_VLAN_ID, NLM_F, RTM } from '../netlink/constants.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { linkHeader, macBytes } from '../netlink/route/link.ts';

/** A VLAN link that is to be made; 802.1Q, with the MTU of the link below. */
export interface VlanLink {
  readonly name: string;
  readonly mac: string;
  /** Index of the link below. */
  readonly parent: number;
  /** 1 to 4094. */
  readonly id: number;
  readonly group?: number;
}

/** Makes it, down. The kernel answers EOPNOTSUPP ("Unknown device type") where it has no 8021q module. */
export function createVlan({ name, mac, parent, id, group }: VlanLink): NetlinkRequest {
  const number = Buffer.alloc(2);
  number.writeUInt16LE(id);
  const body = Buffer.concat([
    linkHeader(0),
    ...(group === undefined ? [] : [u32Attribute(IFLA.group, group)]),
    attribute(IFLA.address, macBytes(mac)),
    u32Attribute(IFLA.link, parent),
    textAttribute(IFLA.name, name),
    plainNestedAttribute(IFLA.linkInfo, [
      attribute(IFLA_INFO_KIND, Buffer.from('vlan')),
      plainNestedAttribute(IFLA_INFO_DATA, [attribute(IFLA_VLAN_ID, number)]),
    ]),
  ]);
  const what = `link add link #${parent} name ${name} type vlan id ${id}`;
  return { type: RTM.newLink, flags: NLM_F.create | NLM_F.exclusive, body, what };
}
