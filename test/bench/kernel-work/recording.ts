/** What the plumber sends for one pod, kept as it goes by: the datagrams, and where the pod's namespace is named in them. */
import type { Kernel } from '#ipamd/datapath/kernel.ts';
import { IFLA } from '#ipamd/datapath/netlink/constants.ts';
import type { OpenNetlinkSocket } from '#ipamd/datapath/netlink/transport.ts';

/** One call of send(2). */
export interface RecordedDatagram {
  readonly place: 'host' | 'pod';
  readonly bytes: Buffer;
  /** Where the number of the descriptor of the pod's namespace stands, or 0 where it does not. */
  readonly patch: number;
}

/** A kernel access that passes everything on, and the list that grows with what is sent by it. */
export function recorded(kernel: Kernel): { readonly kernel: Kernel; readonly datagrams: readonly RecordedDatagram[] } {
  const datagrams: { place: RecordedDatagram['place']; bytes: Buffer; patch: number }[] = [];
  const listen = (socket: OpenNetlinkSocket, place: RecordedDatagram['place']): OpenNetlinkSocket => ({
    ...socket,
    // A getter is not copied by the spread as one.
    get port() {
      return socket.port;
    },
    send: (bytes) => {
      datagrams.push({ place, bytes: Buffer.from(bytes), patch: 0 });
      socket.send(bytes);
    },
  });
  const withPod: Kernel['withPod'] = (netns, work) =>
    kernel.withPod(netns, (socket, netnsFd, ...sysctls) => {
      const result = work(listen(socket, 'pod'), netnsFd, ...sysctls);
      for (const datagram of datagrams) datagram.patch = placeOfDescriptor(datagram.bytes, netnsFd);
      return result;
    });
  return { kernel: { ...kernel, route: listen(kernel.route, 'host'), withPod }, datagrams };
}

/** struct nlattr {u16 length, u16 type} and the descriptor. */
function placeOfDescriptor(bytes: Buffer, fd: number): number {
  const attribute = Buffer.alloc(8);
  attribute.writeUInt16LE(8, 0);
  attribute.writeUInt16LE(IFLA.netNamespaceFd, 2);
  attribute.writeUInt32LE(fd, 4);
  const at = bytes.indexOf(attribute);
  return at < 0 ? 0 : at + 4;
}
