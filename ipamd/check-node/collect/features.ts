/**
 * Whether the kernel can do what the daemon asks of it: the daemon's own messages, sent in a network namespace made for it
 * and gone afterwards. Nothing of the node is touched, but modules that the kernel loads for it stay loaded.
 */
import { addRule } from '../../datapath/netlink/route/rule.ts';
import { createVlan } from '../../datapath/branch/vlan-link.ts';
import { replaceTokenBucket } from '../../datapath/bandwidth/qdisc.ts';
import { DEFAULT_MARKS } from '../../datapath/marks.ts';
import { NetlinkError } from '../../datapath/netlink/errors.ts';
import { submit } from '../../datapath/netlink/exchange.ts';
import { createVeth } from '../../datapath/netlink/route/link.ts';
import {
  currentNamespace,
  type NamespaceHandle,
  newNamespace,
  openNetlink,
  warmThreadPool,
  withinNamespace,
} from '../../datapath/netlink/transport.ts';
import { applyTable } from '../../datapath/nftables/apply.ts';
import { NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING } from '../../datapath/nftables/constants.ts';
import {
  drop,
  type Expression,
  newConnection,
  noRouteBack,
  setConnectionMark,
  sourceNat,
} from '../../datapath/nftables/expressions.ts';
import type { Table } from '../../datapath/nftables/table.ts';
import type { FeatureFacts, Known } from '../facts.ts';

const HERE = { name: 'wsprobe0', mac: '02:57:00:00:00:fe', index: 4000 };
const THERE = { name: 'wsprobe1', mac: '02:57:00:00:00:ff', index: 4001 };
const BUCKET = { rate: 1_000_000, burst: 100_000, queue: 100_000 };

/** Needs CAP_SYS_ADMIN and CAP_NET_ADMIN. */
export async function probeFeatures(): Promise<Known<FeatureFacts>> {
  await warmThreadPool();
  try {
    using home = currentNamespace();
    using place = newNamespace(home);
    return { value: withinNamespace(place, home, () => probeHere(place)) };
  } catch (error) {
    if (error instanceof NetlinkError) return { unknown: error.message };
    throw error;
  }
}

function probeHere(place: NamespaceHandle): FeatureFacts {
  using route = openNetlink({ family: 'route' });
  using nft = openNetlink({ family: 'netfilter' });
  const veth = { here: HERE, there: THERE, thereNetnsFd: place.fd, mtu: 1500, group: 1 };
  const mark = { value: 1, mask: DEFAULT_MARKS.eniMarkMask };
  const rule = { priority: 1536, table: 2, protocol: DEFAULT_MARKS.protocol, mark };
  const filter = (name: string, rules: readonly (readonly Expression[])[]) => () =>
    applyTable(nft, table(name, 'filter', NF_INET_PRE_ROUTING, rules));
  return {
    veth: refused(() => submit(route, [createVeth(veth)])),
    tbf: refused(() => submit(route, [replaceTokenBucket(HERE.index, BUCKET, HERE.name)])),
    vlan: refused(() => submit(route, [createVlan({ name: 'wsprobe2', mac: HERE.mac, parent: HERE.index, id: 7 })])),
    'rules by mark': refused(() => submit(route, [addRule({ family: 'ipv4', ...rule })])),
    'IPv6 rules by mark': refused(() => submit(route, [addRule({ family: 'ipv6', ...rule })])),
    nftables: refused(
      filter(
        'wsprobe-a',
        [drop()].map((one) => [...one]),
      ),
    ),
    'nft fib': refused(filter('wsprobe-b', [[...noRouteBack(), ...drop()]])),
    'nft ct': refused(filter('wsprobe-c', [[...newConnection(), ...setConnectionMark(0x80)]])),
    'nft nat': refused(() => {
      const rules = [[...sourceNat(Buffer.from([192, 0, 2, 1]), 'prng')]];
      applyTable(nft, table('wsprobe-d', 'nat', NF_INET_POST_ROUTING, rules));
    }),
  };
}

function table(name: string, type: 'filter' | 'nat', hook: number, rules: readonly (readonly Expression[])[]): Table {
  return { name, sets: [], chains: [{ name: 'probe', type, hook, priority: 0, rules }] };
}

function refused(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof NetlinkError) return error.errno;
    throw error;
  }
}
