/** How many netlink messages a second the codec makes out of words, and reads: no kernel takes part. */
import { NLMSG_DONE } from '#ipamd/datapath/netlink/constants.ts';
import recording from '#ipamd/datapath/netlink/kernel-dumps.data.json' with { type: 'json' };
import { batchOf, decodeMessages, type NetlinkRequest, numberRequest } from '#ipamd/datapath/netlink/message.ts';
import { addAddress, decodeAddress } from '#ipamd/datapath/netlink/route/address.ts';
import { changeLink, createVeth, decodeLink } from '#ipamd/datapath/netlink/route/link.ts';
import { decodeNeighbour, replaceNeighbour } from '#ipamd/datapath/netlink/route/neighbour.ts';
import { decodeRoute, replaceRoute } from '#ipamd/datapath/netlink/route/route.ts';
import { decodeRule } from '#ipamd/datapath/netlink/route/rule.ts';
import { Samples } from './figures.ts';
import type { Measured, Part, PartOptions } from './part.ts';

const ROUNDS = 50;
/** Pods in a sample of `encode`; recordings in a sample of `decode`. */
const TIMES = 500;

const DECODERS = {
  links: decodeLink,
  addresses: decodeAddress,
  routes: decodeRoute,
  rules: decodeRule,
  neighbours: decodeNeighbour,
} as const;

export const codecPart: Part = {
  about: 'netlink messages a second that the codec makes for pods, and reads of recorded dumps',
  run: runCodec,
};

function runCodec({ signal }: PartOptions): Promise<Measured> {
  const samples = new Samples();
  // The first two rounds are V8's, which compiles.
  for (let round = -2; round < ROUNDS; round += 1) {
    signal.throwIfAborted();
    const into = round < 0 ? new Samples() : samples;
    into.add('codec/encode', rate(encodeOnce));
    into.add('codec/decode', rate(decodeOnce));
  }
  return Promise.resolve({ figures: samples.figures('per s'), reach: [] });
}

/** Messages a second; `work` says how many it made. */
function rate(work: (turn: number) => number): number {
  const from = performance.now();
  let messages = 0;
  for (let turn = 0; turn < TIMES; turn += 1) messages += work(turn);
  return (1000 * messages) / (performance.now() - from);
}

/** The three datagrams of an IPv4 pod, each with addresses and names of its own. */
function encodeOnce(turn: number): number {
  const datagrams = messagesOfPod(turn);
  for (const requests of datagrams) {
    const batch = batchOf(requests);
    for (let index = 0; index < requests.length; index += 1) numberRequest(batch, index, turn + index);
  }
  return datagrams.reduce((sum, { length }) => sum + length, 0);
}

function messagesOfPod(turn: number): readonly (readonly NetlinkRequest[])[] {
  const link = 100 + turn;
  const address = `10.0.${turn >>> 8}.${turn & 255}`;
  const name = `eni${turn.toString(16).padStart(11, '0')}`;
  const [here, there] = ['0a:57:00:00:00:01', '0a:57:00:00:00:02'];
  const veth = {
    here: { name, mac: here, index: link },
    there: { name: 'eth0', mac: there, index: 3 },
    thereNetnsFd: 30,
    mtu: 9001,
    group: 1,
  };
  const route = { table: 254, protocol: 87, scope: 253 };
  const gateway = '169.254.1.1';
  return [
    [createVeth(veth)],
    [
      changeLink(1, { up: true }, 'lo'),
      changeLink(3, { up: true }, 'eth0'),
      addAddress({ index: 3, address, prefixLength: 32, flags: 0, scope: 0, protocol: 87 }),
      replaceRoute({ ...route, destination: gateway, prefixLength: 32, link: 3 }),
      replaceRoute({ ...route, destination: '0.0.0.0', prefixLength: 0, scope: 0, gateway, link: 3 }),
      replaceNeighbour(3, gateway, here),
    ],
    [
      changeLink(link, { alias: `${turn}/eth0`, rpFilter: 1 }, name),
      replaceRoute({ ...route, destination: address, prefixLength: 32, link, preferredSource: '10.0.0.10' }),
    ],
  ];
}

const DUMPS = Object.entries(DECODERS).map(([kind, decode]) => {
  const datagrams = recording.dumps[kind as keyof typeof DECODERS];
  return { decode, datagrams: datagrams.map((text) => Buffer.from(text, 'base64')) };
});

/** Every object of a small namespace, as a kernel dumped it. */
function decodeOnce(): number {
  let messages = 0;
  for (const { decode, datagrams } of DUMPS)
    for (const datagram of datagrams)
      for (const { type, body } of decodeMessages(datagram)) {
        if (type === NLMSG_DONE) continue;
        decode(body);
        messages += 1;
      }
  return messages;
}
