/** A node in a namespace, set up by the datapath, and pods of two kinds whose messages are recorded and sent again. */
import type { Datapath, PodAttachment } from '#ipamd/datapath/datapath.ts';
import { createKernelDatapath } from '#ipamd/datapath/kernel-datapath.ts';
import { type Kernel, openKernel } from '#ipamd/datapath/kernel.ts';
import { DEFAULT_MARKS } from '#ipamd/datapath/marks.ts';
import { hostIfName } from '#ipamd/datapath/names.ts';
import { NLMSG_ERROR } from '#ipamd/datapath/netlink/constants.ts';
import { decodeAcknowledgement, decodeMessages } from '#ipamd/datapath/netlink/message.ts';
import type { OpenNetlinkSocket } from '#ipamd/datapath/netlink/transport.ts';
import { PodNetwork } from '#ipamd/datapath/pod/pod-network.ts';
import { runCommand } from '#test/support/command.ts';
import { PRIMARY, SECONDARY, setUpNode } from '../two-enis.ts';
import { recorded, type RecordedDatagram } from './recording.ts';
import { timed, type Took } from './stopwatch.ts';

export const KINDS = { ipv4: ['10.0.100.21'], dual: ['10.0.100.22', '2001:db8:0:2::22'] } as const;
export type Kind = keyof typeof KINDS;

const NODE = 'wbk-node';
const SINK = 'wbk-sink';
const NODE_ADDRESSES = { ipv4: PRIMARY.address, ipv6: undefined };
/** linux/errno.h: the answer to a name that is free. */
const ENODEV = 19;

/** See the file's comment. */
export class KernelWorkBed implements AsyncDisposable {
  readonly #kernel: Kernel;
  readonly #datapath: Datapath;
  readonly #background: OpenNetlinkSocket;
  readonly #plumber: PodNetwork;
  #count = 0;

  private constructor(kernel: Kernel, datapath: Datapath) {
    this.#kernel = kernel;
    this.#datapath = datapath;
    this.#background = kernel.openInHost({ family: 'route' });
    this.#plumber = new PodNetwork(kernel, DEFAULT_MARKS, this.#background);
  }

  static async create(): Promise<KernelWorkBed> {
    await batch([
      `netns add ${NODE}`,
      `netns add ${SINK}`,
      `link add eth0 netns ${NODE} address ${PRIMARY.mac} type veth peer name wbk0 netns ${SINK}`,
      `link add eth1 netns ${NODE} address ${SECONDARY.mac} type veth peer name wbk1 netns ${SINK}`,
    ]);
    await batch(['-n', NODE], ['link set lo up', `address add ${PRIMARY.address}/24 dev eth0`, 'link set eth0 up']);
    const datapath = await createKernelDatapath({ hostNetns: hostPath() });
    await setUpNode(datapath);
    return new KernelWorkBed(await openKernel({ hostNetns: hostPath() }), datapath);
  }

  static get hostNetns(): string {
    return hostPath();
  }

  /** The path of a namespace that nobody has used. */
  async freshNetns(): Promise<string> {
    this.#count += 1;
    await runCommand('ip', ['netns', 'add', `wbk-${this.#count}`]);
    return `/run/netns/wbk-${this.#count}`;
  }

  /** What the plumber sends for a pod of this kind when it comes, and before a DEL of it is answered; the pod is gone afterwards. */
  async record(kind: Kind): Promise<Readonly<Record<'add' | 'remove', readonly RecordedDatagram[]>>> {
    const { kernel, datagrams } = recorded(this.#kernel);
    const pod = attachment(kind, await this.freshNetns());
    const plumber = new PodNetwork(kernel, DEFAULT_MARKS, this.#background);
    await plumber.add(pod, NODE_ADDRESSES, () => undefined);
    const add = [...datagrams];
    plumber.remove(pod.hostIfName);
    const remove = datagrams.slice(add.length);
    await plumber.settled();
    await this.remove(kind);
    return { add, remove };
  }

  /** The datapath's ADD, all of it: beside the plumber the thread that tries the namespace first, host ports, drift. */
  add(kind: Kind, netns: string): Promise<Took> {
    const pod = attachment(kind, netns);
    return timed(() => this.#datapath.addPod(pod));
  }

  /** What of it is the kernel's work: everything that is sent, and the making of it. */
  plumb(kind: Kind, netns: string): Promise<Took> {
    const pod = attachment(kind, netns);
    return timed(() => this.#plumber.add(pod, NODE_ADDRESSES, () => undefined));
  }

  /** The same messages, without making any. */
  replay(recording: readonly RecordedDatagram[], netns: string): Promise<Took> {
    return timed(() =>
      this.#kernel.withPod(netns, (pod, netnsFd) => {
        for (const { place, patch, bytes } of recording) {
          if (patch !== 0) bytes.writeInt32LE(netnsFd, patch);
          exchange(place === 'pod' ? pod : this.#kernel.route, bytes);
        }
      }),
    );
  }

  async remove(kind: Kind): Promise<void> {
    const { hostIfName: name, addresses } = attachment(kind, '');
    await this.#datapath.deletePod({ hostIfName: name, addresses });
    await this.#datapath.settled();
    // It had no part in the removal, and would look for the link that it made.
    this.#plumber.remove(name);
  }

  /** What the kernel holds of a pod, on both sides, as text without numbers of links. */
  async state(kind: Kind, netns: string): Promise<string> {
    const { hostIfName: name } = attachment(kind, netns);
    const pod = netns.slice(netns.lastIndexOf('/') + 1);
    const show = async (where: string, ...args: readonly string[]): Promise<string> =>
      runCommand('ip', ['-n', where, ...args]);
    const texts = await Promise.all([
      show(NODE, '-d', 'link', 'show', name),
      show(NODE, 'route', 'show', 'table', 'all', 'dev', name),
      show(NODE, '-6', 'route', 'show', 'table', 'all', 'dev', name),
      show(NODE, 'neighbour', 'show', 'dev', name),
      show(pod, '-d', 'address', 'show'),
      show(pod, 'route', 'show', 'table', 'all'),
      show(pod, '-6', 'route', 'show', 'table', 'all'),
      show(pod, 'neighbour', 'show', 'dev', 'eth0'),
    ]);
    return texts.join('').replaceAll(/^\d+: |@if\d+|link-netns \S+|link-netnsid \d+|if[Ii]ndex \d+/gm, '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#background.close();
    this.#kernel[Symbol.dispose]();
    await this.#datapath[Symbol.asyncDispose]();
    const pods = Array.from({ length: this.#count }, (_, index) => `wbk-${index + 1}`);
    await batch([NODE, SINK, ...pods].map((name) => `netns delete ${name}`));
  }
}

function hostPath(): string {
  return `/run/netns/${NODE}`;
}

function attachment(kind: Kind, netns: string): PodAttachment {
  const containerId = `kernel-work-${kind}`;
  return {
    containerId,
    ifName: 'eth0',
    netns,
    addresses: KINDS[kind],
    hostIfName: hostIfName('eni', containerId, 'eth0'),
    deviceIndex: 1,
    networkCardIndex: 0,
    mtu: 1500,
  };
}

/** One datagram, and answers until that of its last message. */
function exchange(socket: OpenNetlinkSocket, bytes: Buffer): void {
  const last = decodeLast(bytes);
  socket.send(bytes);
  for (;;) {
    const answer = socket.receive();
    if (answer === undefined) throw new Error('the kernel gave no answer');
    for (const message of decodeMessages(answer)) {
      // A question is answered by what was asked for.
      if (message.type !== NLMSG_ERROR && message.sequence === last) return;
      if (message.type !== NLMSG_ERROR) continue;
      const { errno } = decodeAcknowledgement(message);
      if (errno !== 0 && errno !== ENODEV) throw new Error(`the kernel refused a recorded message: errno ${errno}`);
      if (message.sequence === last) return;
    }
  }
}

function decodeLast(bytes: Buffer): number {
  return decodeMessages(bytes).at(-1)?.sequence ?? 0;
}

async function batch(...parts: readonly (readonly string[])[]): Promise<void> {
  const lines = parts.at(-1) ?? [];
  const place = parts.length > 1 ? (parts[0] ?? []) : [];
  await runCommand('ip', [...place, '-batch', '-'], { stdin: `${lines.join('\n')}\n` });
}
